import ast
import contextlib
import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from django.test import SimpleTestCase

from .utils import CHECKOUT, RELEASE, ROOT, ProjectTestCase

spec = importlib.util.spec_from_file_location("project_runner", ROOT / "runtests.py")
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)


def run_tests(*args, path=ROOT, **env):
    # Neither how this is run nor its coverage matters.
    ignored = ("COVERAGE_", "DJANGO_", "RUNTESTS_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ignored)}
    return subprocess.run(
        [sys.executable, path / "runtests.py", *args],
        env={**inherited, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


class OptionTests(SimpleTestCase):
    def test_has_label(self):
        for args in (
            "migrations",
            "-v 2 migrations.test_state",
            "--parallel 1 migrations",
            "--parallel=auto migrations --db mysql",
            "-k rename migrations",
            "--settings=test_sqlite migrations",
            "migrations schema -k rename --failfast",
            "--bisect migrations.test_state",
            "--start-at=migrations",
        ):
            with self.subTest(args=args):
                options, _ = runner.parse_args(args.split())
                self.assertIs(options.has_label, True)

    def test_django(self):
        options, args = runner.parse_args(["--django", "5.2.19", "migrations"])
        self.assertEqual((options.django, args), ("5.2.19", ["migrations"]))
        for django in ("5.2.19", "/srv/5.2.19.git", "../5.2.19"):
            with self.subTest(django=django):
                self.assertEqual(runner.get_checkout(django).name, "django-5.2.19")

    def test_django_without_label(self):
        process = run_tests("--django", "5.2.19", "--only", "lint")
        self.assertEqual(process.returncode, 2)
        self.assertIn("error: --django needs the labels of tests", process.stderr)

    def test_has_no_label(self):
        for args in (
            "",
            "-v 2",
            "-k rename",
            "--parallel 1",
            "--parallel auto",
            "--shuffle 42 --failfast",
            "--settings test_sqlite --tag slow",
            "--only lint --only series",
        ):
            with self.subTest(args=args):
                options, _ = runner.parse_args(args.split())
                self.assertIs(options.has_label, False)

    def test_passed_on(self):
        args = "migrations --db mysql -k rename --no-venv --parallel 1".split()
        options, args = runner.parse_args(args)
        self.assertEqual(options.db, "mysql")
        self.assertEqual(args, "migrations -k rename --parallel 1".split())

    def test_errors(self):
        for args, message in [
            ("--bogus", "unrecognized arguments: --bogus"),
            ("migrations --bogus", "unrecognized arguments: --bogus"),
            ("--fail", "unrecognized arguments: --fail"),
            ("--db oracle", "argument --db: invalid choice: 'oracle'"),
            ("--parallel migrations", "argument --parallel: invalid"),
            ("-k", "argument -k: expected one argument"),
            ("--db=all --settings=x", "--db and --settings exclude each other"),
            ("--python=3.12 --only=lint", "--python needs the labels of tests"),
            ("version --python=3.12 --no-venv", "--python and --no-venv exclude"),
        ]:
            with self.subTest(args=args):
                process = subprocess.run(
                    [sys.executable, ROOT / "runtests.py", *args.split()],
                    capture_output=True,
                    text=True,
                )
                self.assertEqual(process.returncode, 2)
                self.assertEqual(process.stdout, "")
                self.assertRegex(process.stderr, r"\Aerror: .*\n\Z")
                self.assertIn(message, process.stderr)

    def test_options_of_upstream(self):
        """The options that are passed on are those of Django's runner."""
        path = CHECKOUT / "tests" / "runtests.py"
        names = {"flag": set(), "value": set(), "optional": set()}
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "add_argument(" in ast.unparse(node):
                option = "/".join(arg.value for arg in node.args)
                keywords = {kw.arg: ast.unparse(kw.value) for kw in node.keywords}
                if "store_" in keywords.get("action", ""):
                    names["flag"].add(option)
                elif keywords.get("nargs") == "'?'":
                    names["optional"].add(option)
                elif option.startswith("-"):
                    names["value"].add(option)
        self.assertEqual(names["flag"], set(runner.FLAGS))
        self.assertEqual(names["value"], set(runner.VALUE_OPTIONS))
        self.assertEqual(names["optional"], set(runner.OPTIONAL_VALUE_OPTIONS))

    def test_own_packages_are_labels(self):
        self.assertIn("checkout_tests", runner.OUR_LABELS)


class PythonTests(SimpleTestCase):
    def setUp(self):
        self.home = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        self.bin = self.home / "bin"
        self.versions = self.home / ".pyenv" / "versions"
        env = {"HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin"}
        self.enterContext(mock.patch.dict(os.environ, env))

    def fake_python(self, path, answer="", status=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\nprintf '{answer}'\nexit {status}\n")
        path.chmod(0o755)
        return path

    def test_version_is_looked_for(self):
        """A command that exists may not run, and a Python may lack modules."""
        self.fake_python(self.bin / "python3.99", status=127)
        self.fake_python(self.versions / "3.99.1/bin/python3.99", status=1)
        self.fake_python(self.versions / "3.9.9/bin/python3.99", "wrong\n3\n9\n")
        path = self.versions / "3.99.2/bin/python3.99"
        self.fake_python(path, f"{path}\n3\n99\n")
        self.assertEqual(runner.choose_python("3.99"), (str(path), "3.99"))

    def test_path(self):
        path = self.fake_python(self.home / "mine", "/my/python\n3\n99\n")
        self.assertEqual(runner.choose_python(str(path)), ("/my/python", "3.99"))

    def test_real_python(self):
        version = "{}.{}".format(*sys.version_info)
        self.assertEqual(runner.ask_python(sys.executable), (sys.executable, version))

    def test_not_found(self):
        for name in ("3.99", "/nonexistent/python", str(self.home), "/bin/false"):
            with self.subTest(name=name):
                process = run_tests("version", "--python", name)
                self.assertEqual(process.returncode, 1)
                self.assertEqual(
                    process.stderr,
                    f"error: --python {name}: found no such Python with pip and venv\n",
                )


class BasesTests(SimpleTestCase):
    """What is tested on the long-term support release."""

    release = runner.get_lts_release()

    def get_steps(self, databases, *versions):
        """Return the steps when these Pythons are found, and what is said."""
        run = runner.Run()
        found = {version: (f"/bin/{version}", version) for version in versions}
        with (
            mock.patch.object(runner, "find_python", found.get),
            mock.patch.object(runner, "prepare_venv", lambda *python: "-".join(python)),
            contextlib.redirect_stderr(io.StringIO()) as stderr,
        ):
            runner.add_steps(run, ["--failfast"], databases, ["bases"])
        return run.steps, stderr.getvalue()

    def get_titles(self, *args):
        steps, message = self.get_steps(*args)
        start = f"Django {self.release} on sqlite with Python "
        titles = [title for title, *_ in steps if title.startswith(start)]
        return [title.removeprefix(start) for title in titles], message

    def test_steps(self):
        versions = ("3.9", "3.10", "3.12", "3.14", "3.15")
        steps, message = self.get_steps(list(runner.SETTINGS), *versions)
        own = "{}.{}".format(*sys.version_info)
        self.assertEqual(
            [title for title, *_ in steps],
            [
                f"series on Django {self.release}",
                f"Django {self.release} on sqlite with Python 3.10",
                f"Django {self.release} on sqlite with Python 3.14",
                f"Django {self.release} on postgresql with Python {own}",
                f"Django {self.release} on mysql with Python {own}",
            ],
        )
        self.assertEqual(message, "")
        checkout = runner.BUILD / f"django-{self.release}"
        _, command, kwargs = steps[1]
        self.assertEqual(
            list(map(str, command)),
            ["/bin/3.10-3.10", f"{checkout}/tests/runtests.py", "--noinput"]
            + ["--failfast", "migrations", "migrate_signals", "schema"],
        )
        path = kwargs["env"]["PYTHONPATH"].split(os.pathsep)
        self.assertEqual(path, [str(checkout), str(runner.TESTS)])
        self.assertEqual(steps[3][1][0], sys.executable)
        self.assertEqual(steps[3][1][-2:], ["migrations", "schema"])

    def test_pythons(self):
        for versions, tested, message in [
            (["3.10", "3.14"], ["3.10", "3.14"], ""),
            (["3.10", "3.13"], ["3.10", "3.13"], "no Python 3.14, tested with 3.10 "),
            (["3.11", "3.14"], ["3.11", "3.14"], "no Python 3.10, tested with 3.11 "),
            (["3.12"], ["3.12"], "no Python 3.10 or 3.14, tested with 3.12\n"),
            ([], [], "no Python 3.10 or 3.14, tested with none\n"),
        ]:
            with self.subTest(versions=versions):
                titles, stderr = self.get_titles(["sqlite"], *versions)
                self.assertEqual(titles, tested)
                self.assertIn(message, stderr)
                self.assertEqual(stderr.count("\n"), bool(message))

    def test_one_server(self):
        steps, message = self.get_steps(["postgresql"])
        self.assertEqual(len(steps), 2)
        self.assertEqual(message, "")

    def test_other_settings(self):
        """Those that --settings gives may be for anything."""
        steps, _ = self.get_steps([None])
        self.assertEqual([title for title, *_ in steps[1:]], [])


class CountTests(SimpleTestCase):
    def count(self, *outputs):
        run = runner.Run()
        for output, status in outputs:
            run.count(output, status, "title")
        return run.passed, run.failed, run.skipped

    def test_passed(self):
        output = (
            "Found 10 test(s).\n..\nRan 8 tests in 0.1s\n\n"
            "OK (skipped=3, expected failures=2)\n"
        )
        self.assertEqual(self.count((output, 0), (output, 0)), (14, 0, 6))

    def test_failed(self):
        output = (
            "Found 10 test(s).\n..\nRan 10 tests in 0.1s\n\n"
            "FAILED (failures=1, errors=2, skipped=3)\n"
        )
        self.assertEqual(self.count((output, 1)), (4, 3, 3))

    def test_crash(self):
        """A runner that doesn't get to its summary has passed nothing."""
        self.assertEqual(self.count(("Found 10 test(s).\n...", 1)), (0, 1, 0))

    def test_no_test_is_selected(self):
        output = "Found 0 test(s).\n\nRan 0 tests in 0.0s\n\nNO TESTS RAN\n"
        self.assertEqual(self.count((output, 1)), (0, 0, 0))

    def test_step_without_tests(self):
        self.assertEqual(self.count(("", 0)), (0, 0, 0))
        self.assertEqual(self.count(("would reformat", 1)), (0, 1, 0))


class ServerTests(SimpleTestCase):
    def assertNoServer(self, database, message, **env):
        process = run_tests("--no-venv", "--db", database, "version", **env)
        self.assertEqual(process.returncode, 1)
        # The checkout may hold work, which is noted.
        line = process.stderr.splitlines()[-1]
        self.assertNotIn("Traceback", process.stderr)
        self.assertRegex(line, rf"^error: --db {database}: .*: start a ")
        self.assertIn(message, line)

    def test_postgresql(self):
        self.assertNoServer("postgresql", "set PGHOST", PGPORT="9")

    def test_mysql(self):
        try:
            import MySQLdb  # noqa: F401
        except ImportError:
            self.skipTest("mysqlclient is installed for MySQL only")
        env = {"MYSQL_HOST": "127.0.0.1", "MYSQL_TCP_PORT": "9"}
        self.assertNoServer("mysql", "set MYSQL_HOST", **env)


class LeftOutTests(ProjectTestCase):
    """Without a choice, servers that don't answer are left out."""

    def setUp(self):
        super().setUp()
        # The checkout is the real one, which is left alone.
        for name in ("patches", f"build/django-{RELEASE}"):
            shutil.rmtree(self.project.path / name)
            (self.project.path / name).symlink_to(ROOT / name)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "tests", self.project.path / "tests", ignore=ignore)
        shutil.copy(ROOT / "tox.ini", self.project.path)

    def run_tests(self, *args):
        process = run_tests(
            *["--no-venv", "--only", "upstream", *args],
            path=self.project.path,
            **{"PGPORT": "9", "MYSQL_HOST": "127.0.0.1", "MYSQL_TCP_PORT": "9"},
        )
        (line,) = (line for line in process.stderr.splitlines() if "left out" in line)
        self.assertRegex(
            line,
            r"^note: left out postgresql: .*; "
            r"mysql: 127.0.0.1, port 9: Connection refused; postgis: ",
        )
        self.assertIn("Steps: 1\n", process.stdout)
        self.assertIn("upstream's tests on sqlite (1 of 1, after", process.stdout)
        self.assertNotIn("on postgresql", process.stdout)
        return process

    def test_success(self):
        process = self.run_tests("-k", "test_get_version_tuple")
        self.assertEqual(process.returncode, 0, process.stdout)
        self.assertIn(
            "\n1 passed, 0 failed, 0 skipped, without postgresql, mysql, postgis\n",
            process.stdout,
        )

    def test_no_test_is_selected(self):
        process = self.run_tests("-k", "nothingmatches")
        self.assertEqual(process.returncode, 1)
        self.assertIn("\nFAILED: no test is selected by the given", process.stdout)
        self.assertIn("\n0 passed, 0 failed, 0 skipped, without", process.stdout)


class SelectionTests(SimpleTestCase):
    def test_pattern(self):
        for pattern, status in [("nothingmatches", 1), ("test_get_version", 0)]:
            with self.subTest(pattern=pattern):
                process = run_tests("--no-venv", "version", "-k", pattern)
                self.assertEqual(process.returncode, status)


class CheckoutOptionTests(SimpleTestCase):
    def test_other_checkout(self):
        process = run_tests(
            *["--no-venv", "--checkout", str(CHECKOUT)],
            *["version.tests.VersionTests.test_get_version_tuple"],
        )
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("Ran 1 test", process.stderr)

    def test_bad_options(self):
        for args, message in [
            (["--checkout", str(CHECKOUT)], "--checkout needs a test label"),
            (["--checkout", "/nowhere", "version"], "/nowhere: no checkout of Django"),
        ]:
            with self.subTest(args=args):
                process = run_tests("--no-venv", *args)
                self.assertEqual(process.returncode, 2)
                self.assertIn(message, process.stderr)
