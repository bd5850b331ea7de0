import json
from unittest import skipIf

from django.db import connection

from .utils import CheckTestCase, write_project


@skipIf(connection.vendor == "sqlite", "needs a server")
class ServerTests(CheckTestCase):
    """Scratch databases on a project's own server, beside the configured."""

    databases = {"default"}

    def count_sessions(self):
        """Return how often somebody connected, if the server knows."""
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT sessions FROM pg_stat_database WHERE datname = %s",
                    [connection.settings_dict["NAME"]],
                )
                return cursor.fetchone()[0]

    def get_databases(self):
        sql = {
            "postgresql": "SELECT datname FROM pg_database",
            "mysql": "SHOW DATABASES",
        }[connection.vendor]
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return {name for (name,) in cursor.fetchall()}

    def write_project(self, *args):
        settings = {
            key: str(value)
            for key, value in connection.settings_dict.items()
            if key in ("ENGINE", "HOST", "PORT", "USER", "PASSWORD", "NAME")
        }
        write_project(self.folder, *args, databases=repr({"default": settings}))

    def read_report(self):
        return json.loads((self.path / "work" / "report.json").read_text())

    def test_configured_database_stays_closed(self):
        self.write_project()
        sessions, databases = self.count_sessions(), self.get_databases()
        self.check("--databases", "configured", "--newest", "2")
        self.assertEqual(self.count_sessions(), sessions)
        self.assertEqual(self.get_databases(), databases)
        report = self.read_report()
        self.assertEqual({step["kind"] for step in report["steps"]}, {"same"})
        engine = connection.settings_dict["ENGINE"]
        self.assertEqual(report["engines"], {"default": engine})

    def test_deferred_sql(self):
        """Unpatched Django creates an index that was altered away."""
        operations = """[
            migrations.CreateModel(
                "Tag",
                [
                    ("id", models.AutoField(primary_key=True)),
                    ("name", models.CharField(max_length=10, db_index=True)),
                ],
            ),
            migrations.AlterField("Tag", "name", models.CharField(max_length=10)),
        ]"""
        self.write_project({"tags.0001": ([], operations)})
        self.check("--databases", "configured", "--newest", "0")
        steps = self.read_report()["steps"]
        kinds = {step["step"]: step["kind"] for step in steps}
        self.assertEqual(kinds["forward"], "deferred")
        self.assertEqual(kinds["tests"], "deferred")
        # In the databases of unpatched Django the index is there.
        self.assertEqual(kinds["app-tags"], "fails")
