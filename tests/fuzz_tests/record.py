"""
Migrate generated projects back and forth and print a record of each.

    python -m fuzz_tests.record FIRST COUNT [--db sqlite] [--drop SEED:N.M,…]

Django is the one in PYTHONPATH. Each record is a line of JSON: what each step
executed, printed, raised and left behind.
"""

import argparse
import io
import json
import os
import random
import re
import signal
import sys
import types
import warnings
from contextlib import contextmanager

import django
from django.apps import AppConfig
from django.apps import apps as global_apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.models import F, Q, Value
from django.db.models.functions import Abs, Lower
from django.db.models.signals import class_prepared
from migration_comparison.recorder import (
    get_rows,
    get_schema,
    leave_transactions,
    render_afresh,
)

from .projects import APP_LABELS, make_project

CONTRIB = ["contenttypes", "auth"]
# Seconds that a step may take.
TIMEOUT = 30
LEFT_OUT = re.compile(
    r"BEGIN|SAVEPOINT|RELEASE|ROLLBACK|PRAGMA foreign_keys"
    r"|SELECT .* FROM .(django_content_type|auth_permission)\b"
    r"|.*django_migrations"
)
# MariaDB's errors name the database, whose name has the process.
DATABASE = re.compile(r"\bfuzz_\d+_(default|other)\b")
# They also name the copy that ALTER TABLE makes of a table.
TABLE_COPY = re.compile(r"#sql-alter-[0-9a-f]+-[0-9a-f]+")
ADDRESS = re.compile(r"0x[0-9a-f]+")
TIME = re.compile(r"datetime\.datetime\([^)]*\)|\b\d{4}-\d\d-\d\d[ T][\d:.]+")
SAVEPOINT = re.compile(r"\bs\d+_x(\d+)\b")


class Timeout(BaseException):
    pass


class FuzzConfig(AppConfig):
    """An app without files, whose module isn't named as its label."""

    path = os.path.dirname(__file__)
    default_auto_field = "django.db.models.BigAutoField"


def get_databases(kind):
    if kind == "sqlite":
        return {
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            for alias in ("default", "other")
        }
    options = {
        "postgresql": {
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "USER": os.environ.get("PGUSER", "postgres"),
        },
        "mysql": {
            "HOST": os.environ.get("MYSQL_HOST", ""),
            "PORT": os.environ.get("MYSQL_TCP_PORT", ""),
            "USER": os.environ.get("MYSQL_USER", "root"),
            "PASSWORD": os.environ.get("MYSQL_PWD", ""),
        },
    }[kind]
    return {
        alias: {
            "ENGINE": f"django.db.backends.{kind}",
            "NAME": f"fuzz_{os.getpid()}_{alias}",
            **options,
        }
        for alias in ("default", "other")
    }


def make_app(label):
    """Make the module of an app and return the path of its configuration."""
    name = f"fuzz_{label}_app"
    module = types.ModuleType(name)
    module.__path__ = []
    module.models = types.ModuleType(f"{name}.models")
    module.Config = type(
        "Config", (FuzzConfig,), {"name": name, "label": label, "__module__": name}
    )
    sys.modules[name] = module
    return f"{name}.Config"


def set_up(kind):
    """Configure Django for all projects."""
    warnings.simplefilter("ignore")
    settings.configure(
        DATABASES=get_databases(kind),
        DATABASE_ROUTERS=[],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        FUZZ_SWAPPABLE="fa.Elsewhere",
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            *map(make_app, APP_LABELS),
        ],
        SECRET_KEY="fuzz",
        USE_TZ=False,
    )
    django.setup()
    for label in APP_LABELS:
        config = global_apps.get_app_config(label)
        config.models_module = config.module.models


def get_namespace():
    """Return the names that the source of operations uses."""
    from . import bases, data, fields, operations

    return {
        "Abs": Abs,
        "F": F,
        "Lower": Lower,
        "Q": Q,
        "Value": Value,
        "bases": bases,
        "data": data,
        "fields": fields,
        "migrations": migrations,
        "models": models,
        "operations": operations,
        "settings": settings,
    }


def load(project):
    """Return {key: migration}."""
    namespace = get_namespace()
    loaded = {}
    for source in project.migrations:
        migration = migrations.Migration(source.name, source.app_label)
        migration.dependencies = list(source.dependencies)
        migration.operations = [
            eval(operation, namespace) for operation in source.operations
        ]
        vars(migration).update(source.attrs)
        loaded[source.key] = migration
    return loaded


class Databases:
    """Make and empty the databases of this process."""

    def __init__(self, kind):
        self.kind = kind
        if kind != "sqlite":
            for connection in connections.all():
                self.execute_outside(connection, "CREATE DATABASE {}")

    def execute_outside(self, connection, sql):
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        with connection._nodb_cursor() as cursor:
            cursor.execute(sql.format(name))

    def clear(self):
        for connection in connections.all():
            connection.execute_wrappers.clear()
            leave_transactions(connection)
            if self.kind == "sqlite":
                # close() keeps databases in memory.
                if connection.connection is not None:
                    connection.connection.close()
                    connection.connection = None
                continue
            connection.close()
            if self.kind == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            else:
                self.execute_outside(connection, "DROP DATABASE {0}")
                self.execute_outside(connection, "CREATE DATABASE {0}")

    def drop(self):
        if self.kind != "sqlite":
            for connection in connections.all():
                connection.close()
                self.execute_outside(connection, "DROP DATABASE {}")


def describe(value):
    """Return an object as something to compare, without addresses."""
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(str(describe(item)) for item in value)
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, models.Field):
        return describe(value.deconstruct()[1:])
    if hasattr(value, "deconstruct"):
        return describe(value.deconstruct())
    return ADDRESS.sub("0x…", repr(value) if not isinstance(value, str) else value)


def describe_state(state):
    """Return what a project state consists of."""
    described = {}
    for (app_label, name), model_state in sorted(state.models.items()):
        described[f"{app_label}.{name}"] = {
            "name": model_state.name,
            "fields": [[key, describe(f)] for key, f in model_state.fields.items()],
            "options": describe(
                {key: item for key, item in sorted(model_state.options.items())}
            ),
            "bases": describe(model_state.bases),
            "managers": describe(model_state.managers),
        }
    return described


class Recorder:
    """Record what one project does."""

    def __init__(self, project, kind):
        self.project = project
        self.kind = kind
        settings.FUZZ_SWAPPABLE = project.settings["swappable"]
        self.migrations = load(project)
        self.random = random.Random(project.seed)
        self.steps = []
        self.step = None
        self.state = None
        # The plan to follow instead of the one of the command, if any.
        self.plan = None
        self.counts = [0, 0]

    def wrap(self, alias):
        def wrapper(execute, sql, params, many, context):
            text = SAVEPOINT.sub("savepoint", str(sql))
            if not LEFT_OUT.match(text):
                self.step["sql"].append(f"{alias}: {text} <- {params!r}")
            return execute(sql, params, many, context)

        return wrapper

    @contextmanager
    def environment(self):
        """Have settings, receivers and the loader that the project needs."""
        from . import data, receivers

        options = self.project.settings
        data.LOG.clear()
        receivers.LOG.clear()
        settings.DATABASE_ROUTERS = []
        django.db.router.__dict__.pop("routers", None)
        django.db.router._routers = None
        if options["router"]:
            django.db.router._routers = [
                f"fuzz_tests.receivers.{options['router']}",
            ]
        global_apps.clear_cache()
        if options["contrib"]:
            ContentType = global_apps.get_model("contenttypes", "ContentType")
            ContentType.objects.clear_cache()
        # Some fields connect a receiver for each class that they're part of.
        connected = list(class_prepared.receivers)
        receivers.connect(options["receiver"])
        originals = (
            MigrationLoader.load_disk,
            MigrationExecutor.migration_plan,
            MigrationExecutor.migrate,
        )
        self.patch(*originals)
        for alias in connections:
            connections[alias].execute_wrappers.append(self.wrap(alias))
        try:
            yield
        finally:
            receivers.disconnect(options["receiver"])
            class_prepared.receivers = connected
            (
                MigrationLoader.load_disk,
                MigrationExecutor.migration_plan,
                MigrationExecutor.migrate,
            ) = originals

    def patch(self, load_disk, migration_plan, migrate):
        """Give loaders our migrations, and note states of executors."""
        recorder = self

        def load_ours(loader):
            labels = {app_label for app_label, _ in recorder.migrations}
            loader.disk_migrations = dict(recorder.migrations)
            loader.migrated_apps, loader.unmigrated_apps = labels, set()
            if recorder.project.settings["contrib"]:
                loader.disk_migrations |= recorder.load_contrib(load_disk)
                loader.migrated_apps |= set(CONTRIB)

        def plan_ours(executor, targets, clean_start=False):
            if recorder.plan is None or clean_start:
                return migration_plan(executor, targets, clean_start)
            nodes = executor.loader.graph.nodes
            return [(nodes[key], True) for key in recorder.plan]

        def migrate_noting_state(executor, *args, **kwargs):
            state = migrate(executor, *args, **kwargs)
            recorder.step["state"] = describe_state(state)
            return state

        MigrationLoader.load_disk = load_ours
        MigrationExecutor.migration_plan = plan_ours
        MigrationExecutor.migrate = migrate_noting_state

    def load_contrib(self, load_disk):
        loader = MigrationLoader.__new__(MigrationLoader)
        loader.disk_migrations = {}
        load_disk(loader)
        return {
            key: migration
            for key, migration in loader.disk_migrations.items()
            if key[0] in CONTRIB
        }

    # Steps.

    def record(self):
        with self.environment():
            for alias in connections:
                if alias == "default" or self.project.settings["router"]:
                    self.record_database(alias)
        return {
            "seed": self.project.seed,
            "steps": self.steps,
            "applied": self.counts[0],
            "unapplied": self.counts[1],
        }

    def record_database(self, alias):
        self.run(alias, "forward")
        plan = self.get_plan(alias)
        if not plan:
            return
        size = self.random.randint(1, len(plan))
        self.run(alias, f"tail {size}", plan=plan[:size])
        self.run(alias, "forward again")
        self.run(alias, "all", plan=self.get_plan(alias))
        self.run(alias, "forward again")
        if self.project.seed % 3:
            return
        # Where stock may lose data.
        for _ in range(2):
            app_label, name = self.random.choice(sorted(self.migrations))
            target = self.random.choice([name, "zero"])
            self.run(alias, f"random {app_label} {target}", app_label, target)
        self.run(alias, "random forward")

    def get_plan(self, alias):
        """Return the keys of applied migrations, the last one first."""
        executor = MigrationExecutor(connections[alias])
        plan, self.plan = self.plan, None
        leaves = executor.loader.graph.leaf_nodes()
        full_plan = executor.migration_plan(leaves, clean_start=True)
        self.plan = plan
        applied = executor.loader.applied_migrations
        keys = [(m.app_label, m.name) for m, _ in full_plan]
        return [key for key in reversed(keys) if key in applied]

    def run(self, alias, name, *targets, plan=None):
        """Run the command, and note all there is to note."""
        from . import data, receivers

        self.step = {"name": f"{alias} {name}", "sql": [], "error": None}
        self.steps.append(self.step)
        self.plan = plan
        before = self.get_applied(alias)
        output = io.StringIO()
        signal.alarm(TIMEOUT)
        try:
            call_command("migrate", *targets, database=alias, stdout=output)
        except Timeout:
            self.step["error"] = "timeout"
        except Exception as e:
            self.step["error"] = self.describe_error(e)
            self.step["traceback"] = self.describe_traceback(e)
        finally:
            signal.alarm(0)
            self.plan = None
        statements = self.step["sql"]
        self.step["sql"] = []
        connection = connections[alias]
        if self.step["error"]:
            leave_transactions(connection)
        after = self.get_applied(alias)
        self.counts[0] += len(after - before)
        self.counts[1] += len(before - after)
        self.step |= {
            "output": [
                line
                for line in ADDRESS.sub("0x…", output.getvalue()).splitlines()
                if "Rendering model states" not in line
            ],
            "seen": [entry for entry in data.LOG if entry[0] not in ORDERS],
            "orders": [entry for entry in data.LOG if entry[0] in ORDERS],
            "signals": [e for e in receivers.LOG if e[0] not in ORDERS],
            "signal_orders": [e for e in receivers.LOG if e[0] in ORDERS],
            "schema": get_schema(connection),
            "rows": get_rows(connection),
        }
        if self.project.settings["receiver"] == "collect_prepared":
            # All models are only rendered in the end if someone asks.
            receivers.PREPARED.clear()
        self.step["sql"] = statements
        data.LOG.clear()
        receivers.LOG.clear()

    def get_applied(self, alias):
        loader = MigrationLoader(connections[alias])
        return set(loader.applied_migrations)

    @staticmethod
    def describe_error(error):
        text = f"{type(error).__name__}: {error}"
        return ADDRESS.sub("0x…", text)

    @staticmethod
    def describe_traceback(error):
        lines = []
        traceback = error.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            path = code.co_filename.rpartition("/django/")[2]
            lines.append(f"{path}:{traceback.tb_lineno} {code.co_name}")
            traceback = traceback.tb_next
        return lines[-12:]


ORDERS = {"order", "hidden"}


def on_alarm(signum, frame):
    raise Timeout


def parse_dropped(text):
    """Return {(migration, operation), …} from "0.1,3.2"."""
    return {tuple(map(int, item.split("."))) for item in filter(None, text.split(","))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--db", default="sqlite")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="Render all models after each change (unpatched Django only).",
    )
    parser.add_argument(
        "--stdin",
        action="store_true",
        help='Read lines of "SEED" or "SEED N.M,…", the operations to drop.',
    )
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, on_alarm)
    set_up(options.db)
    if options.fresh:
        render_afresh()
    databases = Databases(options.db)
    lines = sys.stdin if options.stdin else map(str, options.seeds)
    # What operations print isn't a record.
    stream, sys.stdout = sys.stdout, sys.stderr
    try:
        for line in lines:
            seed, _, dropped = line.strip().partition(" ")
            databases.clear()
            project = make_project(int(seed)).without(parse_dropped(dropped))
            record = Recorder(project, options.db).record()
            text = TIME.sub("<time>", json.dumps(record, default=str))
            text = DATABASE.sub(r"fuzz_\1", text)
            text = TABLE_COPY.sub("#sql-alter", text)
            print(text, file=stream, flush=True)
    finally:
        databases.clear()
        databases.drop()


if __name__ == "__main__":
    main()
