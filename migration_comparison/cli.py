"""
Check a project: does it migrate the same with the patched Django?

Unpatched and patched Django migrate it in scratch databases: everything
forward, the newest migrations and then each app back and forward again, and
the databases of its tests. What is compared are the SQL, the schema, the rows,
errors and output, and how long it takes and how much memory. The configured
databases are never opened, and nothing is installed or written in the project.

    ./check_project.py ~/shop --settings shop.settings --python ~/shop/.venv

Migrations run as they are: what they do besides, say in caches, files and with
services, they do here, too.

Ctrl-C stops it, and the same command goes on from there. The exit status is 0
if nothing differs, 1 if something does, 2 if the project can't be checked, 3
if no time was left for all of it and 130 after Ctrl-C.
"""

import argparse
import datetime
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

from .check import Check, forget
from .progress import Progress
from .project import ROOT, CommandFailed, Project, get_tree
from .report import get_headline, get_report, get_step_lines, write_report

BUILD = ROOT / "build"
# The release that the patches are for.
RELEASE = re.search(
    r'^RELEASE = "(.+)"$', (ROOT / "patches" / "bases.py").read_text(), re.M
)[1]
CHECKOUT = BUILD / f"django-{RELEASE}"
UNITS = {"": 60, "s": 1, "m": 60, "h": 3600}


def duration(text):
    """Return the seconds of "90s", "15m", "2h" or, in minutes, "15"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 15m or 2h")
    return float(found[1]) * UNITS[found[2]]


def count(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of migrations")
    return int(text)


def server(text):
    """Return what guard.py takes."""
    if text in ("sqlite", "configured"):
        return text
    try:
        settings = json.loads(text)
        if not settings["ENGINE"]:
            raise KeyError
    except (ValueError, TypeError, KeyError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither sqlite nor configured nor JSON with an ENGINE"
        ) from None
    return settings


class Parser(argparse.ArgumentParser):
    def error(self, message):
        fail(message)


def fail(message):
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


def make_parser():
    parser = Parser(
        prog="check_project.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        help="where the project's modules are, by default here",
    )
    parser.add_argument(
        "--settings", help="settings module, by default what manage.py names"
    )
    parser.add_argument(
        "--python",
        type=Path,
        help="the project's Python or virtual environment, by default .venv or venv "
        "in the folder, or the active one",
    )
    parser.add_argument(
        "--databases",
        type=server,
        default="sqlite",
        metavar="WHERE",
        help="sqlite (default), configured for scratch databases on the servers "
        "that the settings name, or JSON like an entry of DATABASES for another one",
    )
    parser.add_argument(
        "--apps",
        nargs="+",
        default=[],
        metavar="LABEL",
        help="take only these apps to zero, by default all",
    )
    parser.add_argument(
        "--newest",
        type=count,
        default=5,
        metavar="N",
        help="how many of the newest migrations to take back one by one",
    )
    parser.add_argument(
        "--time-limit",
        type=duration,
        metavar="TIME",
        help="stop after 90s, 15m or 2h, and report what was compared",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write report.txt, report.json and report.html",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="where to keep what was recorded, by default in build/check",
    )
    parser.add_argument(
        "--restart", action="store_true", help="don't use what was recorded before"
    )
    parser.add_argument(
        "--unpatched", metavar="PATH", help="folder or wheel of unpatched Django"
    )
    parser.add_argument(
        "--patched", metavar="PATH", help="folder or wheel of the patched Django"
    )
    return parser


def find_settings(folder):
    """Return the settings module that manage.py or the environment names."""
    manage = folder / "manage.py"
    if manage.is_file():
        found = re.search(
            r"DJANGO_SETTINGS_MODULE[\"'],\s*[\"']([\w.]+)[\"']",
            manage.read_text(errors="replace"),
        )
        if found:
            return found[1]
    return os.environ.get("DJANGO_SETTINGS_MODULE")


def find_python(folder, given):
    """Return the interpreter, which is asked for its version."""
    candidates = [given] if given else [folder / ".venv", folder / "venv"]
    if not given and os.environ.get("VIRTUAL_ENV"):
        candidates.append(Path(os.environ["VIRTUAL_ENV"]))
    for path in candidates:
        path = path.expanduser()
        if path.is_dir():
            path = path / "bin" / "python"
        if path.is_file():
            # Not resolved: a virtual environment is known by its link.
            python = path.absolute()
            break
    else:
        if given:
            fail(f"--python {given} is neither an interpreter nor an environment")
        python = Path(sys.executable)
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        output = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        version = tuple(map(int, output.stdout.split()))
    except (OSError, ValueError):
        version = ()
    if len(version) != 2:
        fail(f"{python} is no Python")
    if version < (3, 12):
        found = ".".join(map(str, version))
        fail(f"{python} is Python {found}, and Django 6.1 needs 3.12 or later")
    return python


def make_checkout(progress):
    """Make the checkout of the series if it's missing."""
    if CHECKOUT.is_dir():
        return
    progress.say("making the patched Django, which takes half a minute")
    process = subprocess.run(
        [ROOT / "django_checkout.sh"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        fail(process.stderr.strip().removeprefix("error: "))


def get_upstream(cache):
    """Return a folder with unpatched Django, from the checkout."""
    commit = subprocess.run(
        ["git", "rev-parse", "upstream^{commit}"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout.strip()
    tree = cache / f"upstream-{commit[:12]}"
    if not tree.exists():
        archive = cache / "upstream.tar"
        subprocess.run(
            ["git", "archive", "--output", archive, "upstream", "django"],
            cwd=CHECKOUT,
            check=True,
        )
        new = cache / "upstream.new"
        with tarfile.open(archive) as tar:
            tar.extractall(new, filter="data")
        archive.unlink()
        new.replace(tree)
    return tree


def get_trees(options, progress):
    """Return {"unpatched" and "patched": folder}."""
    cache = BUILD / "trees"
    if not (options.unpatched and options.patched):
        make_checkout(progress)
    cache.mkdir(parents=True, exist_ok=True)
    return {
        "unpatched": get_tree(options.unpatched or get_upstream(cache), cache),
        "patched": get_tree(options.patched or CHECKOUT, cache),
    }


def get_work(folder, settings, python, options):
    """Return the folder that has what is known of a project."""
    parts = [str(folder), settings, str(python), options.databases]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]
    return BUILD / "check" / f"{settings}-{digest}"


def check(options, progress):
    """Compare all, and return the exit status."""
    folder = options.folder.expanduser().resolve()
    if not folder.is_dir():
        fail(f"there is no folder {options.folder}")
    settings = options.settings or find_settings(folder)
    if not settings:
        fail(f"no --settings, and no manage.py in {folder} that names them")
    python = find_python(folder, options.python)
    trees = get_trees(options, progress)
    work = options.work or get_work(folder, settings, python, options)
    if options.restart:
        forget(work)
    project = Project(
        folder, settings, python, options.databases, work, tick=progress.tick
    )
    output = options.output or work

    def report(verdict):
        progress.clear()
        print("\n".join(get_step_lines(verdict.as_dict())), flush=True)

    comparison = Check(
        project,
        trees,
        options.apps,
        options.newest,
        progress,
        options.time_limit,
        report,
    )
    try:
        agrees = comparison.run_all()
    finally:
        progress.clear()
        if comparison.verdicts:
            data = get_report(
                comparison,
                date=datetime.date.today().isoformat(),
                command=sys.argv[1:],
            )
            paths = write_report(data, output)
        comparison.clean()
    print(f"\n{get_headline(data)}")
    print("\n".join(map(str, paths)))
    if not agrees:
        return 1
    if comparison.complete:
        return 0
    if comparison.obstacle:
        fail(comparison.obstacle)
    return 3


def main():
    # Processes that were started don't outlive this one, however it's ended.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    progress = Progress()
    try:
        sys.exit(check(make_parser().parse_args(), progress))
    except CommandFailed as error:
        progress.clear()
        fail(str(error))
    except KeyboardInterrupt:
        progress.clear()
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        sys.exit(130)
