import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checkout_tests.utils import ROOT, ProjectTestCase, RealProject, run_command

from .record import normalize

HERE = Path(__file__).resolve().parent

# What is passed to migrate, one after the other, and how many migrations that
# (un)applies at least.
PLANS = [
    ((), 150),
    (("order", "0008"), 10),
    ((), 10),
    (("catalogue", "zero"), 100),
    ((), 100),
]


class Environment:
    """A virtual environment with django-oscar, and its database."""

    def __init__(self, path, django, env):
        self.path = path
        self.python = path / "venv" / "bin" / "python"
        self.database = path / "db.sqlite3"
        self.env = {
            **env,
            "DATABASE": json.dumps(
                {
                    "ENGINE": "django.db.backends.sqlite3",
                    "NAME": str(self.database),
                }
            ),
            "DJANGO_SETTINGS_MODULE": "oscar_settings",
            "PYTHONPATH": str(ROOT / "benchmarks" / "projects"),
            # The order of sets of strings gets into queries.
            "PYTHONHASHSEED": "0",
        }
        path.mkdir()
        self.run_command(sys.executable, "-m", "venv", path / "venv")
        self.run_command(
            *[self.python, "-m", "pip", "install", "--quiet", "--no-compile"],
            *[django, "-r", HERE / "requirements.txt"],
        )
        self.version = self.run_command(self.python, "-m", "django", "--version")

    def run_command(self, *args):
        return run_command(*args, cwd=self.path, env=self.env)

    def migrate(self, *args):
        """
        Return the output of the command, the statements that it executed, and
        what's in the database thereafter.
        """
        record = self.path / "statements"
        output = self.run_command(
            self.python, HERE / "record.py", record, "migrate", "--skip-checks", *args
        )
        connection = sqlite3.connect(self.database)
        dump = "\n".join(connection.iterdump())
        connection.close()
        statements = record.read_text().splitlines()
        return output, statements, normalize(dump).splitlines()


class OscarTests(ProjectTestCase):
    """The wheel does to a real project what upstream's release does."""

    project_class = RealProject

    def test_same_as_stock(self):
        process = self.project.script("--wheel")
        self.assertSucceeds(process)
        wheel = process.stdout.splitlines()[-1]
        path = self.project.path
        with ThreadPoolExecutor() as executor:
            stock, patched = executor.map(
                lambda args: Environment(*args, self.project.env),
                [(path / "stock", "Django==6.1.3"), (path / "patched", wheel)],
            )
            self.assertEqual(stock.version, "6.1.3")
            self.assertEqual(patched.version, "6.1.3+fastmigrations.1")
            for plan, minimum in PLANS:
                with self.subTest(plan=plan):
                    expected, actual = executor.map(
                        lambda environment: environment.migrate(*plan),
                        [stock, patched],
                    )
                    for name, a, b in zip(
                        ("output", "statements", "database"), actual, expected
                    ):
                        self.assertEqual(a, b, f"{name} differs from stock's")
                    output, statements, _ = actual
                    self.assertGreaterEqual(output.count("... OK"), minimum)
                    self.assertGreater(len(statements), minimum)
