#!/usr/bin/env python3
"""
Run Django's tests in the patched checkout, and the tests of the series.

Without a test label this runs all that CI runs: the checks of the series and
of style, upstream's tests that the series is about, the tests in tests/, those
of migrations on the long-term support release, and the coverage of the lines
that the series adds. It runs on SQLite, and on each server that answers. With
labels it is Django's own runner, on SQLite unless --db says otherwise: its
labels, options and output. Packages in tests/ are labels, too.

    ./runtests.py
    ./runtests.py --db all
    ./runtests.py migrations schema
    ./runtests.py migrations.test_state --db postgresql -k rename --failfast
    ./runtests.py --topic backwards migrations
    ./runtests.py --django 5.2.19 --python 3.10 migrations schema

This makes the checkout and a virtual environment in build/ if they're missing.
"""

# This file has to start in old versions of Python, in which it looks for a
# newer one.
import argparse
import contextlib
import fcntl
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
# The release that the patches are for.
RELEASE = re.search(
    r'^RELEASE = "(.+)"$', (ROOT / "patches" / "bases.py").read_text(), re.M
)[1]
CHECKOUT = BUILD / ("django-" + RELEASE)
SERIES = "upstream..HEAD"
TESTS = ROOT / "tests"
COVERAGE = BUILD / "coverage"

# Our code, of which the style is checked.
OUR_FILES = [
    "benchmarks",
    "check_project.py",
    "migration_comparison",
    "patches",
    "runtests.py",
    "tests",
]
# Upstream's tests of what the patches touch and of what depends on it.
UPSTREAM_LABELS = (
    "apps auth_tests backends constraints contenttypes_tests field_deconstruction "
    "indexes introspection invalid_models_tests migrate_signals "
    "migration_test_data_persistence migrations migrations2 model_meta "
    "postgres_tests schema select_related select_related_onetoone "
    "select_related_regress sites_tests swappable_models version"
).split()
# Those of them that need a database with geometries.
GIS_LABELS = ["gis_tests.gis_migrations"]
OUR_LABELS = sorted(path.parent.name for path in TESTS.glob("*/__init__.py"))
# Those of ours that are about the database.
OUR_DATABASE_LABELS = [
    "project_tests.test_servers",
    "reversal_tests.test_databases",
    "reversal_tests.test_interruptions",
]

# The long-term support release: the Pythons that it supports, and what is
# tested there.
LTS = ROOT / "patches" / "5.2"
LTS_PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
LTS_LABELS = {
    "sqlite": ["migrations", "migrate_signals", "schema"],
    "postgresql": ["migrations", "schema"],
    "mysql": ["migrations", "schema"],
}

SETTINGS = {
    "sqlite": "settings_sqlite",
    "postgresql": "settings_postgresql",
    "mysql": "settings_mysql",
    "postgis": "settings_postgis",
}
ADVICE = {
    "postgresql": "start a PostgreSQL server, or set PGHOST, PGPORT, PGUSER, "
    "PGPASSWORD",
    "mysql": "start a MariaDB or MySQL server, or set MYSQL_HOST, MYSQL_TCP_PORT, "
    "MYSQL_USER, MYSQL_PWD; and install what mysqlclient is built with, in Debian: "
    "apt-get install gcc pkg-config libmariadb-dev",
    "postgis": "start a PostgreSQL server that has PostGIS, and install GDAL, in "
    "Debian: apt-get install postgresql-postgis gdal-bin",
}
CONNECT = """
import django
from django.db import connection
try:
    django.setup()
    with connection._nodb_cursor() as cursor:
        if "postgis" in connection.settings_dict["ENGINE"]:
            cursor.execute(
                "SELECT 1 FROM pg_available_extensions WHERE name = 'postgis'"
            )
            if not cursor.fetchone():
                raise SystemExit("the server has no extension postgis")
except Exception as e:
    raise SystemExit(str(e).splitlines()[0])
"""

# Virtual environments are made with both modules.
ASK = "import pip, sys, venv; print(sys.executable, *sys.version_info[:2], sep='\\n')"

# What only runs on databases or with libraries that aren't there.
NOT_COVERED = ["*/backends/oracle/*", "*/contrib/gis/*"]

# The parts of what CI runs.
TEST_STEPS = {"upstream", "own", "bases"}
STEPS = ["series", "lint", "docs", "upstream", "own", "bases", "coverage"]

# The options of Django's runner, which are passed on to it: without a value,
# with one, and with one that may be left out.
FLAGS = (
    "--noinput --failfast --keepdb --reverse --screenshots --headless --debug-sql "
    "--pdb -b/--buffer --timing"
).split()
VALUE_OPTIONS = (
    "-v/--verbosity --settings --bisect --pair --selenium --selenium-hub "
    "--external-host --tag --exclude-tag --start-after --start-at -k --durations"
).split()
OPTIONAL_VALUE_OPTIONS = {
    "--parallel": lambda value: value if value == "auto" else int(value),
    "--shuffle": int,
}


def error(message):
    sys.exit(f"error: {message}")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parse_args(args=None):
    """Return the options of this script, and those for Django's runner."""
    parser = Parser(
        prog="./runtests.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All other options are those of Django's own runner: "
        + ", ".join([*FLAGS, *VALUE_OPTIONS, *OPTIONAL_VALUE_OPTIONS]),
        allow_abbrev=False,
    )
    parser.add_argument(
        "--db",
        choices=[*SETTINGS, "all"],
        help="the database to test on; all insists on each of them",
    )
    parser.add_argument(
        "--django",
        metavar="DJANGO",
        help="run the labels on another Django, as ./django_checkout.sh has it: main, "
        "a version, or the path of a clone",
    )
    parser.add_argument(
        "--python",
        metavar="PYTHON",
        help="run the labels with this Python: a version such as 3.10, which is looked "
        "for, or the path of an interpreter",
    )
    parser.add_argument(
        "--only",
        choices=STEPS,
        action="append",
        help="of all that CI runs, run only this",
    )
    parser.add_argument(
        "--checkout",
        type=Path,
        metavar="PATH",
        help="test this checkout as it is, with labels",
    )
    parser.add_argument(
        "--topic",
        help="run upstream's tests with only this topic of the series and those "
        "that it needs",
    )
    parser.add_argument(
        "--no-venv",
        action="store_true",
        help="use the Python that runs this as it is, as tox does",
    )
    options, args = parser.parse_known_args(args)
    django_options = parse_django_args(args)
    if options.db and django_options.settings:
        parser.error("--db and --settings exclude each other")
    if options.topic and options.only:
        parser.error("--topic and --only exclude each other")
    if options.topic:
        options.only = ["upstream"]
    options.settings = django_options.settings
    options.has_label = has_label(django_options)
    if options.checkout:
        if not options.has_label:
            parser.error("--checkout needs a test label")
        if options.topic:
            parser.error("--checkout and --topic exclude each other")
        if not (options.checkout / "tests" / "runtests.py").is_file():
            parser.error(f"--checkout {options.checkout}: no checkout of Django")
    if options.django and not options.has_label:
        parser.error("--django needs the labels of tests")
    if options.django and options.checkout:
        parser.error("--django and --checkout exclude each other")
    if options.python and not options.has_label:
        parser.error("--python needs the labels of tests")
    if options.python and options.no_venv:
        parser.error("--python and --no-venv exclude each other")
    return options, args


def parse_django_args(args):
    """Understand the options of Django's runner. All others are errors."""
    parser = Parser(prog="./runtests.py", add_help=False, allow_abbrev=False)
    parser.add_argument("labels", nargs="*")
    for names in FLAGS:
        parser.add_argument(*names.split("/"), action="store_true")
    for names in VALUE_OPTIONS:
        parser.add_argument(*names.split("/"))
    for name, convert in OPTIONAL_VALUE_OPTIONS.items():
        parser.add_argument(name, nargs="?", type=convert)
    return parser.parse_args(args)


def has_label(options):
    # These say what to run, like a label.
    others = ("bisect", "pair", "start_at", "start_after")
    return bool(options.labels or any(getattr(options, name) for name in others))


@contextlib.contextmanager
def lock(name, what):
    """Wait until no other run is doing the same in build/."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / f"{name}.lock", "a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"another ./runtests.py {what}: waiting for its end")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def note(message):
    print(f"note: {message}", file=sys.stderr, flush=True)


def enter_venv(name=None):
    """
    Run this script again with the Python of the project's own virtual
    environment, which is made first if need be.
    """
    python, version = choose_python(name)
    executable = prepare_venv(python, version)
    if Path(sys.prefix) != executable.parents[1]:
        os.execv(executable, [executable, *sys.argv])


def prepare_venv(python, version):
    """Return the Python of a virtual environment that has the requirements."""
    venv = BUILD / f"venv-{version}"
    with lock("venv", "is installing packages"):
        executable = make_venv(python, venv)
        obstacle = install("requirements.txt", executable)
    if obstacle:
        error(f"{obstacle}: is there a network?")
    return executable


def choose_python(name=None):
    """Return the path and the version of the Python that's called for."""
    if name is None:
        output = subprocess.run(
            [ROOT / "django_checkout.sh", "--python"], stdout=subprocess.PIPE
        )
        if output.returncode:
            sys.exit(output.returncode)
        return ask_python(output.stdout.decode().strip())
    is_version = re.fullmatch(r"\d+\.\d+", name)
    found = find_python(name) if is_version else ask_python(name)
    if not found:
        error(f"--python {name}: found no such Python with pip and venv")
    return found


def find_python(version):
    """Return the path and the version of a Python, or None."""
    name = f"python{version}"
    for pattern in (
        shutil.which(name) or "",
        os.path.expanduser(f"~/.pyenv/versions/{version}.*/bin/{name}"),
        f"/usr/local/bin/{name}",
        f"/opt/homebrew/bin/{name}",
        f"/opt/python*/bin/{name}",
    ):
        for path in sorted(glob.glob(pattern)):
            if found := ask_python(path):
                return found


def ask_python(path):
    """Return the path and the version that a Python itself says, or None."""
    try:
        # A command that exists may still not run: pyenv's shims.
        process = subprocess.run(
            [path, "-c", ASK],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return
    if not process.returncode:
        executable, *version = process.stdout.decode().splitlines()
        return executable, ".".join(version)


def make_venv(python, venv):
    """Make a virtual environment. Return its Python."""
    executable = venv / "bin" / "python"
    # Without this file it was never finished.
    if not ((venv / "requirements.txt").exists() and executable.exists()):
        print(f"Making build/{venv.name}.", flush=True)
        command = [python, "-m", "venv", "--clear", venv]
        if subprocess.run(command).returncode:
            error(f"could not make build/{venv.name}")
        (venv / "requirements.txt").touch()
    return executable


def install(name, executable=Path(sys.executable)):
    """Install requirements. Return None, or why that's impossible."""
    requirements = TESTS / name
    venv = executable.parents[1]
    stamp = venv / name
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return
    log = BUILD / "pip-install.log"
    print(f"Installing tests/{name} into build/{venv.name}, see build/{log.name}.")
    sys.stdout.flush()
    with log.open("wb") as stream:
        pip = subprocess.run(
            [executable, "-m", "pip", "install", "-r", requirements],
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    if pip.returncode:
        return f"pip could not install tests/{name}, see build/{log.name}"
    stamp.write_bytes(requirements.read_bytes())


def get_checkout(django):
    """Return where ./django_checkout.sh has the checkout of another Django."""
    return BUILD / f"django-{Path(django).resolve().name.removesuffix('.git')}"


def make_checkout(django=None, topic=None):
    """Bring the checkout up to date, unless there is work in it."""
    global CHECKOUT
    arguments = []
    if django:
        CHECKOUT = get_checkout(django)
        arguments += ["--django", django]
    if topic:
        # The same as in patches/topics.py.
        slug = re.sub(r"\W+", "-", topic.lower())
        CHECKOUT = CHECKOUT.with_name(f"{CHECKOUT.name}-{slug}")
        arguments += ["--topic", topic]
    process = subprocess.Popen(
        [ROOT / "django_checkout.sh", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    message = ""
    for line in process.stderr:
        line = line.decode(errors="replace").rstrip()
        if line.startswith("error: "):
            message = line
        else:
            print(line, file=sys.stderr, flush=True)
    status = process.wait()
    # 3 says that there is work in the checkout: that's what to test then.
    if status == 3:
        note(f"tested as it is: {message.partition(' ')[2]}")
    elif status:
        sys.exit(message or status)


def environment(database=None, checkout=None):
    # Our packages and settings can be imported beside upstream's.
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(checkout or CHECKOUT), str(TESTS)]),
    }
    if database:
        env["DJANGO_SETTINGS_MODULE"] = SETTINGS[database]
    return env


def choose_databases(options):
    """Return the databases to test on, and those that are left out."""
    if options.settings:
        return [None], []
    if options.db:
        databases = list(SETTINGS) if options.db == "all" else [options.db]
        for database in databases:
            obstacle = get_obstacle(database, options)
            if obstacle:
                error(f"--db {database}: {obstacle}: {ADVICE[database]}")
        return databases, []
    if options.has_label or not TEST_STEPS & set(options.only or STEPS):
        return ["sqlite"], []
    obstacles = {database: get_obstacle(database, options) for database in SETTINGS}
    left_out = [database for database in SETTINGS if obstacles[database]]
    if left_out:
        reasons = "; ".join(f"{name}: {obstacles[name]}" for name in left_out)
        note(f"left out {reasons}")
    return [name for name in SETTINGS if name not in left_out], left_out


def get_obstacle(database, options):
    """Return None, or why it's impossible to test on a database."""
    if database == "sqlite":
        return
    if database == "mysql":
        # Don't build a driver for nothing.
        obstacle = get_mysql_obstacle()
        if not obstacle and not options.no_venv:
            with lock("venv", "is installing packages"):
                obstacle = install("requirements-mysql.txt")
        if obstacle:
            return obstacle
    check = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CONNECT],
        # Upstream's settings module is the base of ours.
        env={"PGCONNECT_TIMEOUT": "10", **environment(database)},
        cwd=CHECKOUT / "tests",
        stderr=subprocess.PIPE,
    )
    if check.returncode:
        return check.stderr.decode().strip().splitlines()[-1]


def get_mysql_obstacle():
    host = os.environ.get("MYSQL_HOST", "127.0.0.1")
    port = os.environ.get("MYSQL_TCP_PORT") or "3306"
    if host.startswith("/"):
        return
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError as e:
        return f"{host}, port {port}: {e.strerror or e}"


def get_upstream_labels(database):
    return GIS_LABELS if database == "postgis" else UPSTREAM_LABELS


def get_duration(seconds):
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


class Run:
    """All that CI runs, step by step, and what came out of it."""

    def __init__(self):
        self.steps = []
        self.passed = self.failed = self.skipped = 0
        self.failed_steps = []

    def add_step(self, title, command, **kwargs):
        self.steps.append((title, command, kwargs))

    def run(self):
        start = time.monotonic()
        for number, (title, command, kwargs) in enumerate(self.steps, start=1):
            elapsed = get_duration(time.monotonic() - start)
            place = f"{number} of {len(self.steps)}, after {elapsed}"
            print(f"\n=== {title} ({place})", flush=True)
            self.run_step(title, command, **kwargs)

    def run_step(self, title, command, **kwargs):
        process = subprocess.Popen(
            [str(arg) for arg in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **{"cwd": ROOT, **kwargs},
        )
        output = b""
        while chunk := os.read(process.stdout.fileno(), 65536):
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
            output += chunk
        self.count(output.decode(errors="replace"), process.wait(), title)

    def count(self, output, status, title):
        """Add the figures of unittest, or else the step if it failed."""
        summary = re.search(r"^(OK|FAILED)( \(.*\))?$", output, re.M)
        # Not "expected failures=N".
        numbers = re.findall(r"[(,] ?(\w+)=(\d+)", summary[0] if summary else "")
        numbers = {name: int(number) for name, number in numbers}
        skipped = numbers.get("skipped", 0)
        failed = numbers.get("failures", 0) + numbers.get("errors", 0)
        # "Ran N tests" leaves out skipped classes in some versions of Python.
        found = re.search(r"^Found (\d+) test", output, re.M)
        if found and found[1] == "0":
            # Options select tests that are elsewhere.
            return
        if summary and found:
            self.passed += max(int(found[1]) - skipped - failed, 0)
        self.skipped += skipped
        self.failed += failed or bool(status)
        if status:
            self.failed_steps.append(title)


def runner(*args, checkout=None):
    return [(checkout or CHECKOUT) / "tests" / "runtests.py", "--noinput", *args]


def run_labels(args, databases):
    """Run Django's runner, once for each database."""
    status = 0
    for database in databases:
        if len(databases) > 1:
            print(f"\n=== {database}", flush=True)
        command = [str(arg) for arg in [sys.executable, *runner(*args)]]
        with lock_database(database):
            env = environment(database)
            status |= bool(subprocess.run(command, env=env).returncode)
    return status


def lock_database(database):
    """The test databases of a server have the same names in each run."""
    if database in (None, "sqlite"):
        return contextlib.nullcontext()
    return lock(f"tests-{database}", f"is testing on {database}")


def run_all(args, databases, left_out, steps):
    run = Run()
    add_steps(run, args, databases, steps)
    # Some of the tests or of the databases don't reach every line.
    if steps == STEPS and databases == list(SETTINGS) and not args:
        add_coverage(run)
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock("tests", "is running all tests"))
        for database in databases:
            stack.enter_context(lock_database(database))
        COVERAGE.mkdir(exist_ok=True)
        for path in COVERAGE.glob("*"):
            path.unlink()
        with measure_time(run, databases, steps, args):
            run.run()
    return summarize(run, left_out, steps)


@contextlib.contextmanager
def measure_time(run, databases, steps, args):
    """Say how long it takes, as known from the last time."""
    times = BUILD / "times.json"
    key = " ".join([*map(str, databases), *steps, *args])
    known = json.loads(times.read_text()) if times.exists() else {}
    if key in known:
        expected = f", which took {get_duration(known[key])} the last time"
    elif steps == STEPS:
        expected = ", which take 10 to 40 minutes"
    else:
        expected = ""
    print(f"Steps: {len(run.steps)}{expected}", flush=True)
    start = time.monotonic()
    yield
    known[key] = round(time.monotonic() - start)
    times.write_text(json.dumps(known))


def summarize(run, left_out, steps):
    has_tests = TEST_STEPS & set(steps)
    if has_tests and not (run.passed or run.failed or run.skipped):
        run.failed_steps.append("no test is selected by the given options")
    for title in run.failed_steps:
        print(f"\nFAILED: {title}")
    without = f", without {', '.join(left_out)}" if left_out else ""
    numbers = f"{run.passed} passed, {run.failed} failed, {run.skipped} skipped"
    print(f"\n{numbers}{without}")
    return bool(run.failed_steps)


def add_steps(run, args, databases, steps):
    if "series" in steps:
        run.add_step("series", [ROOT / "django_checkout.sh", "--check"])
    if "lint" in steps:
        add_lint(run)
    if "docs" in steps:
        docs = CHECKOUT / "docs"
        run.add_step("docs lint", [sys.executable, "lint.py"], cwd=docs)
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={ROOT}/tox.ini"]
    for database in databases if "upstream" in steps else []:
        run.add_step(
            f"upstream's tests on {database or 'the given settings'}",
            [*command, *runner(*args, *get_upstream_labels(database))],
            env=environment(database),
        )
    if "own" in steps:
        run.add_step(
            "tests of the series",
            [*command, *runner(*args, *OUR_LABELS)],
            env=environment("sqlite"),
        )
    for database in databases if "own" in steps else []:
        if database in ("postgresql", "mysql"):
            run.add_step(
                f"tests of the series on {database}",
                [*command, *runner(*args, *OUR_DATABASE_LABELS)],
                env=environment(database),
            )
    if "bases" in steps:
        add_bases(run, args, databases)


def add_bases(run, args, databases):
    """Test the long-term support release, which other Pythons run, too."""
    release = get_lts_release()
    checkout = get_checkout(release)
    run.add_step(
        f"series on Django {release}",
        [ROOT / "django_checkout.sh", "--django", release, "--check"],
    )
    for database in databases:
        if database not in LTS_LABELS:
            continue
        # On servers, one is enough.
        pythons = {"{}.{}".format(*sys.version_info): sys.executable}
        if database == "sqlite":
            pythons = prepare_lts_pythons(release)
        for version, python in pythons.items():
            run.add_step(
                f"Django {release} on {database} with Python {version}",
                [python, *runner(*args, *LTS_LABELS[database], checkout=checkout)],
                env=environment(database, checkout),
            )


def get_lts_release():
    """Return the release that is pinned."""
    return re.search(r"django-(.+)\.tar\.gz", (LTS / "SHA256SUMS").read_text())[1]


def prepare_lts_pythons(release):
    """
    Return the oldest and the newest Python that the release supports and that
    are there, by version, in virtual environments of their own.
    """
    found = [python for python in map(find_python, LTS_PYTHONS) if python]
    chosen = {version: python for python, version in (*found[:1], *found[-1:])}
    missing = [v for v in (LTS_PYTHONS[0], LTS_PYTHONS[-1]) if v not in chosen]
    if missing:
        note(
            f"Django {release}: found no Python {' or '.join(missing)}, tested with "
            f"{' and '.join(chosen) or 'none'}"
        )
    return {
        version: prepare_venv(python, version) for version, python in chosen.items()
    }


def add_lint(run):
    changed = subprocess.check_output(
        ["git", "diff", "--name-only", "--diff-filter=d", SERIES, "--", "*.py"],
        cwd=CHECKOUT,
    )
    for whose, files, cwd, settings in [
        ("of the project", OUR_FILES, ROOT, ROOT / "tox.ini"),
        (
            "of what the patches touch",
            changed.decode().split(),
            CHECKOUT,
            CHECKOUT / "pyproject.toml",
        ),
    ]:
        for command in [
            ["black", "--check", "--diff", "--quiet"],
            ["isort", "--check", "--diff", "--settings-path", settings],
            ["flake8", "--config", ROOT / "tox.ini"],
        ]:
            if files:
                title = f"{command[0]} {whose}"
                run.add_step(title, [sys.executable, "-m", *command, *files], cwd=cwd)


def add_coverage(run):
    xml = COVERAGE / "coverage.xml"
    coverage = [sys.executable, "-m", "coverage"]
    rcfile = f"--rcfile={ROOT}/tox.ini"
    run.add_step("coverage data", [*coverage, "combine", "--quiet", rcfile])
    run.add_step("coverage report", [*coverage, "xml", "--quiet", "-o", xml, rcfile])
    run.add_step(
        "coverage of the lines that the series adds",
        [
            *[sys.executable, "-m", "diff_cover.diff_cover_tool", xml],
            *["--compare-branch", "upstream", "--diff-range-notation", ".."],
            *["--fail-under", "100", "--show-uncovered"],
            *["--exclude", *NOT_COVERED],
        ],
        cwd=CHECKOUT,
    )


def main():
    global CHECKOUT
    options, args = parse_args()
    if not options.no_venv:
        enter_venv(options.python)
    if options.checkout:
        CHECKOUT = options.checkout.resolve()
    else:
        make_checkout(options.django, options.topic)
    databases, left_out = choose_databases(options)
    if options.has_label:
        return run_labels(args, databases)
    return run_all(args, databases, left_out, options.only or STEPS)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("error: interrupted")
