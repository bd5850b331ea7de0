#!/usr/bin/env python3
"""
Run Django's tests in the patched checkout, and the tests of the series.

Without a test label this runs all that CI runs: the checks of the series and
of style, upstream's tests that the series is about, the tests in tests/, and
the coverage of the lines that the series adds. With labels it is Django's own
runner: its labels, options and output. Packages in tests/ are labels, too.

    ./runtests.py --db all
    ./runtests.py migrations schema
    ./runtests.py migrations.test_state --db postgresql -k rename --failfast

This makes the checkout and a virtual environment in build/ if they're missing.
"""

# This file has to start in old versions of Python, in which it looks for a
# newer one.
import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
CHECKOUT = BUILD / "django-6.1.3"
SERIES = "upstream..HEAD"
TESTS = ROOT / "tests"
COVERAGE = BUILD / "coverage"

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
    "reversal_tests.test_databases",
    "reversal_tests.test_interruptions",
]

SETTINGS = {
    "sqlite": "test_sqlite",
    "postgresql": "settings_postgresql",
    "mysql": "settings_mysql",
    "postgis": "settings_postgis",
}
SERVERS = {
    "postgresql": "PostgreSQL server, or set PGHOST, PGPORT, PGUSER, PGPASSWORD",
    "mysql": "MariaDB or MySQL server, or set MYSQL_HOST, MYSQL_TCP_PORT, "
    "MYSQL_USER, MYSQL_PWD",
    "postgis": "PostgreSQL server that has PostGIS, and install GDAL, in Debian: "
    "apt-get install postgresql-postgis gdal-bin",
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

# What only runs on databases or with libraries that aren't there.
NOT_COVERED = ["*/backends/oracle/*", "*/contrib/gis/*"]

# The parts of what CI runs.
STEPS = ["series", "lint", "docs", "upstream", "own", "coverage"]

# The options of Django's runner that are followed by a value, which is not to
# be taken for a label.
VALUE_OPTIONS = (
    "-v --verbosity --settings --selenium --selenium-hub --external-host --tag "
    "--exclude-tag -k --durations"
).split()
# These say what to run, like a label.
LABEL_OPTIONS = "--bisect --pair --start-at --start-after".split()


def error(message):
    sys.exit(f"error: {message}")


def parse_args():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All other options are those of Django's own runner.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--db",
        choices=[*SETTINGS, "all"],
        help="the database to test on, sqlite by default",
    )
    parser.add_argument(
        "--only",
        choices=STEPS,
        action="append",
        help="of all that CI runs, run only this",
    )
    parser.add_argument(
        "--no-venv",
        action="store_true",
        help="use the Python that runs this as it is, as tox does",
    )
    options, args = parser.parse_known_args()
    has_settings = any(arg.split("=")[0] == "--settings" for arg in args)
    if options.db and has_settings:
        parser.error("--db and --settings exclude each other")
    if has_settings:
        options.databases = [None]
    else:
        options.databases = (
            list(SETTINGS) if options.db == "all" else [options.db or "sqlite"]
        )
    return options, args


def has_label(args):
    previous = ""
    for arg in args:
        if arg.split("=")[0] in LABEL_OPTIONS:
            return True
        is_value = previous in VALUE_OPTIONS or (
            previous in ("--parallel", "--shuffle") and re.match(r"auto$|\d+$", arg)
        )
        if not arg.startswith("-") and not is_value:
            return True
        previous = arg
    return False


def enter_venv(databases):
    """
    Run this script again with the Python of the project's own virtual
    environment, which is made first if need be.
    """
    output = subprocess.run(
        [ROOT / "django_checkout.sh", "--python"], stdout=subprocess.PIPE
    )
    if output.returncode:
        sys.exit(output.returncode)
    python = output.stdout.decode().strip()
    version = subprocess.check_output(
        [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    )
    venv = BUILD / f"venv-{version.decode().strip()}"
    if Path(sys.prefix) != venv:
        if not (venv / "bin" / "pip").exists():
            subprocess.run([python, "-m", "venv", "--clear", venv], check=True)
        executable = venv / "bin" / "python"
        os.execv(executable, [executable, *sys.argv])
    install("requirements.txt", "is there a network?")
    if "mysql" in databases:
        install(
            "requirements-mysql.txt",
            "mysqlclient is built with a C compiler, pkg-config and the client "
            "library of MariaDB, in Debian: apt-get install pkg-config "
            "libmariadb-dev",
        )


def install(name, advice):
    requirements = TESTS / name
    stamp = Path(sys.prefix) / name
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return
    log = BUILD / "pip-install.log"
    print(f"Installing tests/{name} into build/{Path(sys.prefix).name}.", flush=True)
    with log.open("wb") as stream:
        pip = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-r", requirements],
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    if pip.returncode:
        error(f"pip could not install tests/{name}, see build/{log.name}: {advice}")
    stamp.write_bytes(requirements.read_bytes())


def make_checkout():
    """Bring the checkout up to date, unless there is work in it."""
    status = subprocess.run(
        [ROOT / "django_checkout.sh"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    message = status.stderr.decode().strip()
    # 3 says that there is work in the checkout: that's what to test then.
    if status.returncode == 3:
        print("note: tested as it is:", message.partition(" ")[2], file=sys.stderr)
    elif status.returncode:
        sys.exit(message)


def environment(database=None):
    # Our packages and settings can be imported beside upstream's.
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(TESTS)]),
    }
    if database:
        env["DJANGO_SETTINGS_MODULE"] = SETTINGS[database]
    return env


def check_server(database):
    if database not in SERVERS:
        return
    check = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CONNECT],
        # Upstream's settings module is the base of ours.
        env=environment(database),
        cwd=CHECKOUT / "tests",
        stderr=subprocess.PIPE,
    )
    if check.returncode:
        reason = check.stderr.decode().strip()
        error(f"--db {database}: {reason}: start a {SERVERS[database]}")


def get_upstream_labels(database):
    return GIS_LABELS if database == "postgis" else UPSTREAM_LABELS


class Run:
    """All that CI runs, step by step, and what came out of it."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failed_steps = []

    def step(self, title, command, **kwargs):
        print(f"\n=== {title}", flush=True)
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
        if summary and found:
            self.passed += max(int(found[1]) - skipped - failed, 0)
        self.skipped += skipped
        self.failed += failed or bool(status)
        if status:
            self.failed_steps.append(title)


def runner(*args):
    return [CHECKOUT / "tests" / "runtests.py", "--noinput", *args]


def run_labels(args, databases):
    """Run Django's runner, once for each database."""
    status = 0
    for database in databases:
        if len(databases) > 1:
            print(f"\n=== {database}", flush=True)
        command = [str(arg) for arg in [sys.executable, *runner(*args)]]
        env = environment(database)
        status |= bool(subprocess.run(command, env=env).returncode)
    return status


def run_all(args, databases, steps):
    run = Run()
    if "series" in steps:
        run.step("series", [ROOT / "django_checkout.sh", "--check"])
    if "lint" in steps:
        lint(run)
    if "docs" in steps:
        run.step("docs lint", [sys.executable, "lint.py"], cwd=CHECKOUT / "docs")
    COVERAGE.mkdir(exist_ok=True)
    for path in COVERAGE.glob("*"):
        path.unlink()
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={ROOT}/tox.ini"]
    for database in databases if "upstream" in steps else []:
        run.step(
            f"upstream's tests on {database or 'the given settings'}",
            [*command, *runner(*args, *get_upstream_labels(database))],
            env=environment(database),
        )
    if "own" in steps:
        run.step(
            "tests of the series",
            [*command, *runner(*args, *OUR_LABELS)],
            env=environment("sqlite"),
        )
    for database in databases if "own" in steps else []:
        if database in ("postgresql", "mysql"):
            run.step(
                f"tests of the series on {database}",
                [*command, *runner(*args, *OUR_DATABASE_LABELS)],
                env=environment(database),
            )
    # Some of the tests or of the databases don't reach every line.
    if steps == STEPS and databases == list(SETTINGS) and not args:
        report_coverage(run)
    for title in run.failed_steps:
        print(f"\nFAILED: {title}")
    print(f"\n{run.passed} passed, {run.failed} failed, {run.skipped} skipped")
    return bool(run.failed_steps)


def lint(run):
    changed = subprocess.check_output(
        ["git", "diff", "--name-only", "--diff-filter=d", SERIES, "--", "*.py"],
        cwd=CHECKOUT,
    )
    flake8 = ["flake8", "--config", ROOT / "tox.ini"]
    for whose, files, cwd in [
        ("of the project", ["runtests.py", "patches", "tests", "benchmarks"], ROOT),
        ("of what the patches touch", changed.decode().split(), CHECKOUT),
    ]:
        for command in [
            ["black", "--check", "--diff", "--quiet"],
            ["isort", "--check", "--diff", "--profile", "black"],
            flake8,
        ]:
            if files:
                title = f"{command[0]} {whose}"
                run.step(title, [sys.executable, "-m", *command, *files], cwd=cwd)


def report_coverage(run):
    xml = COVERAGE / "coverage.xml"
    rcfile = f"--rcfile={ROOT}/tox.ini"
    for command in [["combine", "--quiet"], ["xml", "--quiet", "-o", xml]]:
        command = [sys.executable, "-m", "coverage", *command, rcfile]
        subprocess.run(command, cwd=ROOT, check=True)
    run.step(
        "coverage of the lines that the series adds",
        [
            *[Path(sys.executable).with_name("diff-cover"), xml],
            *["--compare-branch", "upstream", "--diff-range-notation", ".."],
            *["--fail-under", "100", "--show-uncovered"],
            *["--exclude", *NOT_COVERED],
        ],
        cwd=CHECKOUT,
    )


def main():
    options, args = parse_args()
    if not options.no_venv:
        enter_venv(options.databases)
    make_checkout()
    for database in options.databases:
        check_server(database)
    if has_label(args):
        sys.exit(run_labels(args, options.databases))
    sys.exit(run_all(args, options.databases, options.only or STEPS))


if __name__ == "__main__":
    main()
