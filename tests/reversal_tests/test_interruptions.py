"""
A process that is killed while it migrates leaves a schema that agrees with the
record of applied migrations, and the next run completes.
"""

import os
import random
import signal
import tempfile
import time
from pathlib import Path

from django.db import connection, connections, migrations, models
from django.test import TransactionTestCase, skipUnlessDBFeature

from .projects import Project
from .test_databases import describe_schema

KILLS = int(os.environ.get("KILLS", "20"))


def make_project(size=8):
    """Two apps with indexes, which are deferred SQL, keys and data."""

    def create_rows(apps, schema_editor):
        apps.get_model("ra", "Model").objects.create()

    project = Project()
    id_field = ("id", models.BigAutoField(primary_key=True))
    name = models.CharField(max_length=10, default="name", db_index=True)
    create = migrations.CreateModel("Model", [id_field, ("name", name)])
    previous = project.add("ra", "0001", [], [create])
    for number in range(2, size):
        key = models.ForeignKey("ra.Model", models.CASCADE, null=True)
        operations = [
            migrations.CreateModel(f"M{number}", [id_field, ("key", key)]),
            migrations.AddField("Model", f"f{number}", name),
            migrations.AlterField(
                "Model", "name", models.CharField(max_length=10 * number)
            ),
        ]
        previous = project.add("ra", f"{number:04}", [previous], operations)
        operation = migrations.RunPython(create_rows, migrations.RunPython.noop)
        previous = project.add("ra", f"{number:04}_data", [previous], [operation])
    return project


@skipUnlessDBFeature("can_rollback_ddl")
class InterruptionTests(TransactionTestCase):
    available_apps = []

    def setUp(self):
        if connection.vendor == "sqlite":
            # Processes can't share a database in memory.
            folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
            directory = tempfile.TemporaryDirectory(dir=folder)
            self.addCleanup(directory.cleanup)
            original = connections["default"]
            copy = original.copy()
            copy.settings_dict = {
                **original.settings_dict,
                "NAME": f"{directory.name}/db.sqlite3",
            }
            connections["default"] = copy
            self.addCleanup(connections.__setitem__, "default", original)
            self.addCleanup(copy.close)
        self.project = make_project()
        self.addCleanup(self.migrate, ("ra", None))

    def migrate(self, target):
        self.project.get_executor(connections["default"]).migrate([target])

    def get_applied(self):
        loader = self.project.get_loader(connections["default"])
        return sum(key in self.project.migrations for key in loader.applied_migrations)

    def migrate_and_get_killed(self, target, seconds):
        connection.close()
        pid = os.fork()
        if not pid:
            try:
                self.migrate(target)
            finally:
                os._exit(0)
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.wait_for_server()

    def wait_for_server(self):
        """Wait until the server has noticed that a client is gone."""
        while connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                if not cursor.fetchone()[0]:
                    break

    def test_killed(self):
        names = sorted(self.project.migrations)
        schemas = []
        for name in names:
            self.migrate(name)
            schemas.append(describe_schema())
        started = time.monotonic()
        self.migrate(("ra", None))
        duration = time.monotonic() - started
        schemas.insert(0, describe_schema())

        rng = random.Random(KILLS)
        interrupted = 0
        for _ in range(KILLS):
            for target, done in ((names[-1], len(names)), (("ra", None), 0)):
                self.migrate_and_get_killed(target, rng.uniform(0, duration))
                applied = self.get_applied()
                interrupted += applied not in (0, len(names))
                self.assertEqual(describe_schema(), schemas[applied])
                self.migrate(target)
                self.assertEqual(self.get_applied(), done)
                self.assertEqual(describe_schema(), schemas[done])
        self.assertGreater(interrupted, 0)
        if "KILLS" in os.environ:
            print(f"{2 * KILLS} runs were killed, {interrupted} of them midway.")
