import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from checkout_tests.utils import CHECKOUT

from .utils import (
    MIGRATIONS,
    CheckTestCase,
    FileThatNotices,
    ServerThatNotices,
    make_tree,
    write_project,
)

BREAK_COLUMN = """
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

column_sql = BaseDatabaseSchemaEditor.column_sql

def break_column_sql(self, model, field, include_default=False):
    sql, params = column_sql(self, model, field, include_default)
    return sql.replace(" NOT NULL", "") if field.name == "c20" else sql, params

BaseDatabaseSchemaEditor.column_sql = break_column_sql
"""
BREAK_INDEXES = """
def do_nothing(self, app_label, schema_editor, from_state, to_state):
    pass

AddIndex.database_forwards = do_nothing
"""
CONFIGURED = """{{
    "default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {path!r}}},
    "server": {{
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "HOST": "127.0.0.1",
        "PORT": {port},
        "OPTIONS": {{"dbname": "shop"}},
        "TEST": {{"NAME": "shop_test"}},
    }},
    "replica": {{
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": {path!r},
        "TEST": {{"MIRROR": "default"}},
    }},
}}"""
# Tries everything to get at the configured databases, when it's imported, when
# it's ready and in each of its migrations.
INTRUDER = """
import sqlite3
import threading
from django.apps import AppConfig
from django.db import connections
from django.db.utils import ConnectionHandler

DATABASES = {databases}

def by_alias():
    for alias in DATABASES:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")

def by_settings():
    from django.conf import settings
    settings.DATABASES = DATABASES
    ConnectionHandler()["default"].ensure_connection()

def by_handler():
    ConnectionHandler(DATABASES)["default"].ensure_connection()

def by_name(alias):
    connection = connections[alias].copy("intruder")
    connection.settings_dict = {{
        **connection.settings_dict, **DATABASES[alias], "USER": "", "PASSWORD": ""
    }}
    connection.ensure_connection()

def by_option():
    connection = connections["default"].copy("intruder")
    connection.settings_dict["OPTIONS"] = {{"database": DATABASES["default"]["NAME"]}}
    connection.ensure_connection()

def by_driver():
    sqlite3.connect(DATABASES["default"]["NAME"])

def by_uri():
    sqlite3.connect("file:" + DATABASES["default"]["NAME"] + "?mode=ro", uri=True)

def try_all(*args):
    for attempt in [
        by_alias,
        by_settings,
        by_handler,
        lambda: by_name("default"),
        lambda: by_name("server"),
        by_option,
        by_driver,
        by_uri,
    ]:
        def run():
            try:
                attempt()
            except Exception:
                pass
        run()
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

class Config(AppConfig):
    name = "intruder"

    def ready(self):
        try_all()

class Router:
    def allow_migrate(self, db, app_label, **hints):
        try_all()
        return None
"""


class CheckTests(CheckTestCase):
    def read_report(self):
        return json.loads((self.path / "work" / "report.json").read_text())

    def get_kinds(self):
        return {step["step"]: step["kind"] for step in self.read_report()["steps"]}

    def test_same(self):
        write_project(self.folder)
        before = sorted(self.folder.rglob("*"))
        output = self.check()
        self.assertIn("No unexplained difference in 6 steps.", output)
        self.assertEqual(
            self.get_kinds(),
            {
                "forward": "same",
                "makemigrations": "same",
                "newest": "same",
                "tests": "same",
                "app-blog": "same",
                "app-shop": "same",
            },
        )
        # Nothing was written there, not even what is compiled.
        self.assertEqual(sorted(self.folder.rglob("*")), before)
        report = self.read_report()
        self.assertIs(report["complete"], True)
        [forward] = [step for step in report["steps"] if step["step"] == "forward"]
        for tree in ("unpatched", "patched"):
            totals = forward["totals"][tree]
            self.assertGreater(totals["statements"], 10)
            self.assertGreater(totals["seconds"], 0)
            self.assertGreater(totals["rss"], 10)
        page = (self.path / "work" / "report.html").read_text()
        charts = page.split("<svg")[1:]
        self.assertEqual(len(charts), 2)
        for chart in charts:
            ElementTree.fromstring("<svg" + chart.partition("</svg>")[0] + "</svg>")
        self.assertNotIn("http", page.replace("http://www.w3.org/2000/svg", ""))

    def test_broken_patch(self):
        write_project(self.folder)
        tree = make_tree(self.path / "tree", BREAK_INDEXES)
        output = self.check("--patched", tree, status=1)
        self.assertIn("DIFFERENT in 5 of 6 steps.", output)
        self.assertIn("first difference: SQL in apply blog.0002", output)
        self.assertIn('  - CREATE INDEX "i2" ON "blog_post" ("text")', output)
        page = (self.path / "work" / "report.html").read_text()
        self.assertIn("CREATE INDEX &quot;i2&quot;", page)

    def test_marked_difference(self):
        """The page marks what differs, wherever a long statement is cut."""
        columns = ",".join(f'("c{n}", models.IntegerField())' for n in range(30))
        operations = f"""[
            migrations.CreateModel(
                "Wide",
                [("id", models.AutoField(primary_key=True)), {columns}],
            ),
        ]"""
        write_project(self.folder, {"shop.0001": ([], operations)})
        tree = make_tree(self.path / "tree", BREAK_COLUMN)
        self.check("--patched", tree, "--newest", "0", status=1)
        page = (self.path / "work" / "report.html").read_text()
        self.assertIn("&quot;c20&quot; integer<mark> NOT NULL</mark>, ", page)
        self.assertIn("+ …", page)
        self.assertEqual(page.count("<mark>"), page.count("<mark> NOT NULL</mark>"))

    def test_states_of_applied_migrations(self):
        """
        What blog.0003 deletes when it's unapplied has to be deleted from a
        table that comes later in the full plan.
        """
        migrations = {
            **MIGRATIONS,
            "blog.0003": (
                [("blog", "0002")],
                """[
                    migrations.RunPython(
                        lambda apps, schema_editor: apps.get_model(
                            "shop", "Item"
                        ).objects.create(name="x"),
                        lambda apps, schema_editor: apps.get_model(
                            "shop", "Item"
                        ).objects.all().delete(),
                    ),
                ]""",
            ),
            "tags.0001": (
                [("shop", "0002")],
                """[
                    migrations.CreateModel(
                        "Tag",
                        [
                            ("id", models.AutoField(primary_key=True)),
                            (
                                "item",
                                models.ForeignKey("shop.Item", models.CASCADE),
                            ),
                        ],
                    ),
                ]""",
            ),
        }
        write_project(self.folder, migrations)
        output = self.check("--apps", "blog", "--newest", "0")
        self.assertEqual(self.get_kinds()["app-blog"], "states")
        self.assertIn("on purpose", output)
        text = (self.path / "work" / "report.txt").read_text()
        self.assertIn("on purpose: states of all applied migrations.", text)

    def test_configured_databases_stay_closed(self):
        file = FileThatNotices(str(self.path / "configured.sqlite3"))
        server = ServerThatNotices()
        self.addCleanup(server.socket.close)
        databases = CONFIGURED.format(path=file.path, port=server.port)
        run = """[
            migrations.RunPython(
                __import__("intruder").try_all, __import__("intruder").try_all
            ),
        ]"""
        write_project(
            self.folder,
            {**MIGRATIONS, "intruder.0001": ([("blog", "0001")], run)},
            databases,
            ["intruder.Router"],
        )
        module = INTRUDER.format(databases=databases)
        (self.folder / "intruder" / "__init__.py").write_text(module)
        self.check("--newest", "2")
        kinds = self.get_kinds()
        self.assertEqual(set(kinds.values()), {"same"})
        [forward] = [s for s in self.read_report()["steps"] if s["step"] == "forward"]
        # The other aliases have scratch databases, too, but for the mirror.
        commands = [command["command"] for command in forward["commands"]]
        self.assertEqual(
            commands,
            [["migrate", "--database", alias] for alias in ("default", "server")],
        )
        refused = set(self.read_report()["refused"])
        self.assertTrue(any(file.path in message for message in refused))
        self.assertTrue(any("database shop," in message for message in refused))
        self.assertIs(file.opened.is_set(), False)
        self.assertIs(server.opened.is_set(), False)
        # They would have noticed.
        with self.assertRaises(sqlite3.OperationalError):
            sqlite3.connect(file.path)
        self.assertIs(file.opened.wait(10), True)

    def test_interruption(self):
        # nohup has commands ignore it, and those that they start.
        self.addCleanup(
            signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_DFL)
        )
        write_project(self.folder)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                self.check_interruption(number)
                shutil.rmtree(self.path / "work")

    def check_interruption(self, number):
        process = subprocess.Popen(
            self.get_command(),
            env=self.get_env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.assertIn("all forward", process.stdout.readline())
        process.send_signal(number)
        _, errors = process.communicate()
        self.assertEqual(process.returncode, 130)
        message = "Interrupted: the same command goes on from here.\n"
        self.assertEqual(errors, message)
        self.assertIs(self.read_report()["complete"], False)
        records = self.path / "work" / "records"
        before = {path: path.stat().st_mtime_ns for path in records.rglob("*.json")}
        self.assertGreaterEqual(len(before), 2)
        self.check()
        self.assertIs(self.read_report()["complete"], True)
        for path, mtime in before.items():
            self.assertEqual(path.stat().st_mtime_ns, mtime)

    def test_time_limit(self):
        write_project(self.folder)
        output = self.check("--time-limit", "0.01s", status=3)
        self.assertIn("Nothing was compared", output)
        self.assertIs(self.read_report()["complete"], False)
        self.check()

    def test_wheel(self):
        with tempfile.TemporaryDirectory() as path:
            wheel = Path(path) / "django-0-py3-none-any.whl"
            command = ["zip", "-qr", str(wheel), "django", "-x", "*.po"]
            subprocess.run(command, cwd=CHECKOUT, check=True)
            write_project(self.folder)
            self.check("--patched", wheel, "--apps", "shop", "--newest", "0")

    def test_bad_input(self):
        write_project(self.folder)
        old = self.path / "python"
        old.write_text("#!/bin/sh\necho 3 9\n")
        old.chmod(0o755)
        empty = self.path / "empty"
        empty.mkdir()
        broken = self.path / "broken"
        broken.mkdir()
        write_project(broken)
        (broken / "settings.py").write_text("import missing")
        no_apps = self.path / "no_apps"
        no_apps.mkdir()
        write_project(no_apps, {})
        for args, message in [
            (("/missing",), "there is no folder /missing"),
            ((empty,), f"no --settings, and no manage.py in {empty}"),
            (("--settings", "missing"), "No module named 'missing'"),
            ((broken,), "No module named 'missing'"),
            ((no_apps,), "no app has migrations"),
            (("--python", "/missing"), "--python /missing is neither"),
            (("--python", old), f"{old} is Python 3.9, and Django 6.1 needs"),
            (("--python", "/bin/false"), "/bin/false is no Python"),
            (("--apps", "wrong"), "there is no app wrong with migrations"),
            (("--newest", "x"), "'x' is no number of migrations"),
            (("--time-limit", "soon"), "'soon' is no time such as"),
            (("--databases", "oracle"), "'oracle' is neither sqlite nor configured"),
            (("--databases", "{}"), "'{}' is neither sqlite nor configured"),
            (("--patched", empty), f"{empty} is neither a wheel nor a folder"),
            (("--bogus",), "unrecognized arguments: --bogus"),
        ]:
            with self.subTest(args=args):
                output = self.check(*args, status=2)
                self.assertIn(message, output)
                self.assertRegex(output, r"\Aerror: .*\n\Z")

    def test_migrations_that_fail(self):
        operations = """[
            migrations.CreateModel("M", [("id", models.AutoField(primary_key=True))]),
            migrations.RunSQL("SELECT x FROM nowhere"),
        ]"""
        write_project(self.folder, {"shop.0001": ([], operations)})
        output = self.check(status=2)
        self.assertIn("error: unpatched Django can't migrate this project", output)
        self.assertIn("no such table: nowhere", output)

    def test_environment_of_the_caller(self):
        """Neither the caller's settings nor other paths matter."""
        write_project(self.folder)
        other = self.path / "other"
        other.mkdir()
        write_project(other, {})
        self.check(
            *["--apps", "shop", "--newest", "0"],
            DJANGO_SETTINGS_MODULE="settings",
            PYTHONPATH=os.fspath(other),
        )
