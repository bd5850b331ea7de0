"""
Squash apps of a project with squashmigrations --verify, and with nothing else.

    DJANGO_SETTINGS_MODULE=oscar_settings PYTHONPATH=DJANGO:projects \\
    python squash_command.py [--database] [app_label ...]

Works on copies of the migrations of all apps. If the command finds a circular
dependency, the commands that it offers are run one after the other, with data
operations elided so that what they write can be imported by the next one, and
the result of all of them has to load. --database verifies on the database of
the settings. Takes all apps with at least three migrations if none is named.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django
from django.db.migrations.loader import MigrationLoader

SETTINGS = """
from {} import *  # NOQA

MIGRATION_MODULES = {!r}
"""


class Copies:
    """Copies of the migrations of all apps, and settings that use them."""

    def __init__(self, loader, directory):
        self.directory = Path(directory)
        self.packages = {}
        package = self.directory / "squash_copies"
        package.mkdir()
        (package / "__init__.py").touch()
        modules = {}
        for app_label in loader.migrated_apps:
            module = sys.modules[MigrationLoader.migrations_module(app_label)[0]]
            self.packages[app_label] = package / app_label
            shutil.copytree(
                module.__path__[0],
                package / app_label,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
            modules[app_label] = f"squash_copies.{app_label}"
        (self.directory / "squash_copies_settings.py").write_text(
            SETTINGS.format(os.environ["DJANGO_SETTINGS_MODULE"], modules)
        )
        paths = [*os.environ["PYTHONPATH"].split(os.pathsep), directory]
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "squash_copies_settings",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, *args):
        """Return the status and the output of a management command."""
        process = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "django", *args, "--skip-checks"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process.returncode, process.stdout

    def clean(self, app_label, names):
        """Remove what wasn't there before."""
        for path in self.packages[app_label].glob("*.py"):
            if path.stem not in {"__init__", *names}:
                path.unlink()


def squash(copies, loader, app_label, options):
    """Yield lines of the table."""
    keys = [key for key in loader.graph.nodes if key[0] == app_label]
    (leaf,) = loader.graph.leaf_nodes(app_label)
    command = ["squashmigrations", app_label]
    verify = ["--noinput", *options]
    status, output = copies.run(*command, leaf[1], *verify)
    offered = re.findall(r"^  python manage.py (squashmigrations .*)$", output, re.M)
    names = {name for label, name in loader.disk_migrations if label == app_label}
    if not offered:
        yield describe(status, output), len(keys)
        copies.clean(app_label, names)
        return
    print(output.rstrip())
    for number, line in enumerate(offered, 1):
        args = line.split()
        _, listed = copies.run(*args, "--elide")
        migrations = dict.fromkeys(re.findall(r"^(\w+):\d+ ", listed, re.M))
        elide = ["--elide", *migrations] if migrations else []
        status, output = copies.run(*args, *verify, *elide)
        count = len(re.findall("^ - ", output, re.M))
        note = f"range {number} of {len(offered)}: {' '.join(args[2:])}"
        if migrations:
            note += ", data operations elided"
        yield describe(status, output) + f"  {note}", count
    for args in (["showmigrations", app_label], ["migrate", "--verbosity", "0"]):
        status, output = copies.run(*args)
        if status:
            yield f"{args[0]} failed: {output.splitlines()[-1]}", 0
    copies.clean(app_label, names)


def describe(status, output):
    if status:
        return output.strip().splitlines()[-1]
    counts = re.search(r"from (\d+) operations to (\d+)", output)
    same = re.search(r"Same models and same (\d+) tables on (\w+)", output)
    before, after = counts.groups() if counts else ("", "=")
    return f"{before:>6} -> {after:>4}  {same[1]} tables the same on {same[2]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app_labels", nargs="*")
    parser.add_argument("--database", action="store_true")
    options = parser.parse_args()
    django.setup()
    loader = MigrationLoader(None)
    app_labels = options.app_labels or [
        app_label
        for app_label in sorted(loader.migrated_apps)
        if sum(key[0] == app_label for key in loader.graph.nodes) > 2
    ]
    verify = ["--verify", "default"] if options.database else ["--verify"]
    with tempfile.TemporaryDirectory() as directory:
        copies = Copies(loader, directory)
        for app_label in app_labels:
            for line, count in squash(copies, loader, app_label, verify):
                print(f"{app_label:20} {count:3} migrations {line}", flush=True)


if __name__ == "__main__":
    main()
