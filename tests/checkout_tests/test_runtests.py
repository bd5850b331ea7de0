import importlib.util
import os
import subprocess
import sys

from django.test import SimpleTestCase

from .utils import ROOT

spec = importlib.util.spec_from_file_location("project_runner", ROOT / "runtests.py")
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)


class LabelTests(SimpleTestCase):
    def test_has_label(self):
        for args in (
            "migrations",
            "-v 2 migrations.test_state",
            "--parallel 1 migrations",
            "--parallel migrations",
            "-k rename migrations",
            "--settings=test_sqlite migrations",
            "--bisect migrations.test_state",
            "--start-at=migrations",
        ):
            with self.subTest(args=args):
                self.assertIs(runner.has_label(args.split()), True)

    def test_has_no_label(self):
        for args in (
            "",
            "-v 2",
            "-k rename",
            "--parallel 1",
            "--parallel auto",
            "--shuffle 42 --failfast",
            "--settings test_sqlite --tag slow",
        ):
            with self.subTest(args=args):
                self.assertIs(runner.has_label(args.split()), False)

    def test_own_packages_are_labels(self):
        self.assertIn("checkout_tests", runner.OUR_LABELS)


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

    def test_step_without_tests(self):
        self.assertEqual(self.count(("", 0)), (0, 0, 0))
        self.assertEqual(self.count(("would reformat", 1)), (0, 1, 0))


class ServerTests(SimpleTestCase):
    def assertNoServer(self, database, message, **env):
        process = subprocess.run(
            [sys.executable, ROOT / "runtests.py", "--no-venv", "--db", database]
            + ["version"],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
        )
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

    def test_settings_and_database(self):
        process = subprocess.run(
            [sys.executable, ROOT / "runtests.py", "--db=all", "--settings=x"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(process.returncode, 2)
        self.assertIn("--db and --settings exclude each other", process.stderr)
