"""
Run a job under the Django of PYTHONPATH and write a record of it.

    python -m migration_comparison.recorder < JOB

The job is a JSON object:

commands   lists of a management command and its arguments, or of one of those
           in COMMANDS; what follows a command that fails isn't run
guard      [server, digest, folder], see guard.py
start      the state whose databases to start from, or null for empty ones
keep       the state to keep databases as, or null to drop them
drop       states whose databases to drop, in the end
freeze     whether the time, UUIDs and secrets are the same in each run
compare    whether to note what commands print, and the schema and rows that
           they leave
variant    what to correct in unpatched Django, see VARIANTS
record     where to write statements, or null
replayable whether to write them so that "replay" can send them again
result     where to write the result

The record has one statement a line, and a line before and after what each
migration does.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import inspect
import io
import json
import os
import pickle
import random
import re
import resource
import secrets
import shutil
import sys
import traceback
import uuid
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time

from .guard import PREFIX, Guard, is_sqlite

# Stand in for calls that aren't made through a cursor.
COMMIT = "-- commit"
ROLLBACK = "-- rollback"
AUTOCOMMIT = "-- autocommit"
# Lines of a record that aren't statements.
APPLY = "-- apply "
UNAPPLY = "-- unapply "
END = "-- end"

ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
SAVEPOINT = re.compile(r"\bs\d+_x(\d+)\b")
# What isn't frozen is the time of a server, or read without Django.
NOW = re.compile(
    r"datetime\.datetime\((20\d\d), [^)]*\)?\)"
    r"|\b(20\d\d)-\d\d-\d\d[ T][\d:.]+(\+[\d:]+)?"
)
FROZEN = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)


def normalize(text):
    """Leave out what no two runs have in common."""

    def leave_out(match):
        year = int(match[1] or match[2])
        return "<now>" if year >= THIS_YEAR else match[0]

    text = ADDRESS.sub("0x…", text)
    return NOW.sub(leave_out, SAVEPOINT.sub(r"savepoint_\1", text))


THIS_YEAR = datetime.date.today().year


class Meter:
    """
    Count, time and record what is sent to databases, and the models rendered.
    """

    def __init__(self, record=None, replayable=False):
        self.record = record and open(record, "w", encoding="utf-8")
        self.statements = [] if replayable else None
        self.paused = False
        self.reset()

    def reset(self):
        self.counts = {"renders": 0, "statements": 0, "db_seconds": 0.0}
        # The migration at work.
        self.migration = None

    def install(self):
        from django.db.backends.base.base import BaseDatabaseWrapper
        from django.db.migrations.executor import MigrationExecutor
        from django.db.migrations.state import ModelState

        meter = self
        render = ModelState.render
        init = BaseDatabaseWrapper.__init__

        def counted_render(*args, **kwargs):
            meter.counts["renders"] += 1
            return render(*args, **kwargs)

        def init_measured(self, *args, **kwargs):
            # Each thread has connections of its own.
            init(self, *args, **kwargs)
            self.execute_wrappers.append(meter.get_wrapper(self))

        ModelState.render = counted_render
        BaseDatabaseWrapper.__init__ = init_measured
        for name, marker in [
            ("_commit", COMMIT),
            ("_rollback", ROLLBACK),
            ("_set_autocommit", AUTOCOMMIT),
        ]:
            self.measure_call(name, marker)
        for name, mark in [("apply_migration", APPLY), ("unapply_migration", UNAPPLY)]:
            self.mark_migrations(MigrationExecutor, name, mark)

    def measure_call(self, name, marker):
        """Measure a call of all backends, which may override it."""
        from django.db import connections

        for cls in {type(connection) for connection in connections.all()}:
            original = getattr(cls, name)

            def measured(connection, *args, original=original):
                start = perf_counter()
                try:
                    return original(connection, *args)
                finally:
                    if not self.paused:
                        self.counts["db_seconds"] += perf_counter() - start
                        if self.statements is not None:
                            self.statements.append((marker, args, False))

            setattr(cls, name, measured)

    def mark_migrations(self, cls, name, mark):
        original = getattr(cls, name)

        def marked(executor, state, migration, *args, **kwargs):
            self.migration = f"{migration.app_label}.{migration.name}"
            self.write(mark + self.migration)
            result = original(executor, state, migration, *args, **kwargs)
            self.write(END)
            self.migration = None
            return result

        setattr(cls, name, marked)

    def write(self, line):
        if self.record:
            self.record.write(line.replace("\n", "\\n") + "\n")

    def get_wrapper(self, connection):
        prefix = "" if connection.alias == "default" else f"[{connection.alias}] "

        def execute_measured(execute, sql, params, many, context):
            if self.paused:
                return execute(sql, params, many, context)
            if self.record:
                text = str(sql) if params in (None, ()) else f"{sql} <- {params!r}"
                self.write(normalize(prefix + text))
            if self.statements is not None:
                self.statements.append((sql, params, many))
            start = perf_counter()
            try:
                return execute(sql, params, many, context)
            finally:
                self.counts["db_seconds"] += perf_counter() - start
                self.counts["statements"] += 1

        return execute_measured

    @contextmanager
    def pause(self):
        self.paused = True
        try:
            yield
        finally:
            self.paused = False

    def save(self, path):
        if self.record:
            self.record.close()
        if self.statements is not None:
            with open(f"{path}.pickle", "wb") as file:
                pickle.dump(self.statements, file)


def freeze():
    """Make the current time, UUIDs and secrets the same in each run."""
    from django.utils import timezone

    timezone.now = lambda: FROZEN
    generator = random.Random(0)
    secrets.choice = generator.choice
    uuid.uuid4 = lambda: uuid.UUID(int=generator.getrandbits(128), version=4)


# What unpatched Django does if a defect is taken away.


def use_states_of_applied_migrations():
    """
    Have the states of all migrations that are applied when unapplying.

    Those that stay come first: nothing that they depend on is unapplied.
    Unpatched Django takes the order of the full plan, and so lacks those that
    come later in it.
    """
    from django.db.migrations.executor import MigrationExecutor

    original = MigrationExecutor._migrate_all_backwards

    def migrate_all_backwards(executor, plan, full_plan, *args, **kwargs):
        unapplied = [migration for migration, _ in reversed(plan)]
        stay = [migration for migration, _ in full_plan if migration not in unapplied]
        full_plan = [(migration, False) for migration in [*stay, *unapplied]]
        return original(executor, plan, full_plan, *args, **kwargs)

    MigrationExecutor._migrate_all_backwards = migrate_all_backwards


def render_afresh():
    """
    Render all models anew after each change, instead of those that unpatched
    Django takes for related: its registries are what they should be.
    """
    from django.db.migrations.state import ProjectState

    remove_model = ProjectState.remove_model

    def forget(state, *args):
        state.__dict__.pop("apps", None)

    def forget_and_remove(state, *args):
        forget(state)
        remove_model(state, *args)

    ProjectState._reload = forget
    ProjectState.remove_model = forget_and_remove


def execute_deferred_sql():
    """
    Execute deferred SQL after each operation, instead of after the migration:
    unpatched Django creates indexes and constraints for what later operations
    have removed, renamed or altered.
    """
    from django.db.migrations import Migration

    def execute_after(method):
        def executed(app_label, schema_editor, *args):
            method(app_label, schema_editor, *args)
            for sql in schema_editor.deferred_sql:
                schema_editor.execute(sql, None)
            schema_editor.deferred_sql.clear()

        return executed

    def wrap(run):
        def run_wrapped(migration, *args, **kwargs):
            for operation in migration.operations:
                for name in ("database_forwards", "database_backwards"):
                    vars(operation).pop(name, None)
                    setattr(operation, name, execute_after(getattr(operation, name)))
            return run(migration, *args, **kwargs)

        return run_wrapped

    Migration.apply = wrap(Migration.apply)
    Migration.unapply = wrap(Migration.unapply)


# Several are joined by "+".
VARIANTS = {
    "applied": use_states_of_applied_migrations,
    "deferred": execute_deferred_sql,
    "fresh": render_afresh,
}


# What's in a database.


def get_schema(connection):
    """Return {table: lines that describe it}."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND "
                "name NOT LIKE 'sqlite_%' ORDER BY tbl_name, type DESC, name"
            )
            schema = {}
            for table, sql in cursor.fetchall():
                schema.setdefault(table, []).append(sql)
            return schema
        introspection = connection.introspection
        schema = {}
        for table in sorted(introspection.table_names(cursor)):
            if connection.vendor == "mysql":
                # What introspection asks for makes MariaDB open each table
                # of the database, for each table.
                schema[table] = get_mysql_definition(connection, cursor, table)
                continue
            columns = introspection.get_table_description(cursor, table)
            constraints = introspection.get_constraints(cursor, table)
            schema[table] = [
                *(str(tuple(column)) for column in columns),
                *sorted(f"{name}: {value}" for name, value in constraints.items()),
            ]
        return schema


def get_mysql_definition(connection, cursor, table):
    """
    Return the lines of CREATE TABLE: columns in their order, then indexes and
    constraints, sorted, as their order says when they were made.
    """
    cursor.execute(f"SHOW CREATE TABLE {connection.ops.quote_name(table)}")
    head, *lines, options = cursor.fetchone()[1].splitlines()
    lines = [line.strip().rstrip(",") for line in lines]
    columns = [line for line in lines if line.startswith("`")]
    others = [line for line in lines if not line.startswith("`")]
    options = re.sub(r" AUTO_INCREMENT=\d+", "", options)
    return [head, *columns, *sorted(others), options]


def get_rows(connection):
    """Return {table: rows}, primary keys included."""
    rows = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            # The order of migrations and the time are not what matters.
            columns = "app, name" if table == "django_migrations" else "*"
            name = connection.ops.quote_name(table)
            cursor.execute(f"SELECT {columns} FROM {name}")
            rows[table] = sorted(normalize(repr(row)) for row in cursor.fetchall())
    return {table: content for table, content in rows.items() if content}


def leave_transactions(connection):
    """Leave the transactions that an error may have left open."""
    connection.run_on_commit = []
    connection.atomic_blocks, connection.savepoint_ids = [], []
    connection.in_atomic_block = connection.needs_rollback = False
    connection.closed_in_transaction = False
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        # It lives as long as its connection.
        if connection.connection is not None:
            connection.connection.rollback()
            connection.connection.execute("PRAGMA foreign_keys = ON")
    else:
        connection.close()


def get_contents():
    """Return {"schema" or "rows": what's in all databases}."""
    from django.db import connections

    contents = {"schema": {}, "rows": {}}
    for connection in connections.all():
        if connection.vendor == "unknown":
            continue
        prefix = "" if connection.alias == "default" else f"[{connection.alias}] "
        for name, get in [("schema", get_schema), ("rows", get_rows)]:
            for table, lines in get(connection).items():
                contents[name][prefix + table] = lines
    return contents


# The databases of a job.


class Databases:
    """Make, copy and drop scratch databases."""

    def __init__(self, guard):
        self.guard = guard

    def get_connections(self):
        """Return [(alias, connection)] of databases that aren't mirrors."""
        from django.db import connections

        return [
            (alias, connections[alias])
            for alias in self.guard.scratch
            if not connections[alias].settings_dict["TEST"]["MIRROR"]
        ]

    def execute(self, connection, sql, *names):
        names = [
            name if name.startswith(f"{PREFIX}{self.guard.digest}_") else 1 / 0
            for name in names
        ]
        quoted = [connection.ops.quote_name(name) for name in names]
        with connection._nodb_cursor() as cursor:
            cursor.execute(sql.format(*quoted))

    def path(self, name):
        return self.guard.folder / f"{name}.sqlite3"

    def drop(self, state):
        for alias, connection in self.get_connections():
            connection.close()
            name = self.guard.get_name(alias, state)
            if is_sqlite(connection.settings_dict["ENGINE"]):
                self.path(name).unlink(missing_ok=True)
                continue
            force = " WITH (FORCE)" if connection.vendor == "postgresql" else ""
            self.execute(connection, f"DROP DATABASE IF EXISTS {{}}{force}", name)

    def create(self, state, start=None):
        """Make databases, empty or with the content of those of a state."""
        self.drop(state)
        for alias, connection in self.get_connections():
            name = self.guard.get_name(alias, state)
            source = start and self.guard.get_name(alias, start)
            if is_sqlite(connection.settings_dict["ENGINE"]):
                if start and self.path(source).exists():
                    shutil.copyfile(self.path(source), self.path(name))
            elif connection.vendor == "postgresql":
                template = " TEMPLATE {1}" if start else ""
                names = [name, source] if start else [name]
                self.execute(connection, f"CREATE DATABASE {{0}}{template}", *names)
            elif connection.vendor == "mysql":
                sql = "CREATE DATABASE {} CHARACTER SET utf8mb4"
                self.execute(connection, sql, name)
                if start:
                    connection.creation._clone_db(source, name)
            else:
                raise SystemExit(
                    f"no scratch databases can be made on {connection.display_name}"
                )


# Commands that aren't management commands.


def floor():
    """What every command pays: setup(), system checks, migration graph."""
    from django.core import checks
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    checks.run_checks(databases=["default"])
    MigrationLoader(connection)


def get_version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_own(module, path):
    """Return whether a module is the project's own, not one of a package."""
    packages = {"site-packages", "dist-packages"}
    return module.partition(".")[0] != "django" and not packages & {*Path(path).parts}


def hash_modules(left_out):
    """Return a hash that changes with any module that was imported."""
    digest = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and not path.startswith(left_out) and os.path.exists(path):
            stat = os.stat(path)
            digest.update(f"{path} {stat.st_mtime_ns} {stat.st_size}\n".encode())
    return digest.hexdigest()


def get_info(guard):
    """
    Return what is known of a project before it's migrated.

    "migrations" has for each migration the previous one of its app or "zero",
    how many are unapplied with it and before it, and the operations in it.
    """
    import django
    from django.apps import apps
    from django.db import connections
    from django.db.migrations import RenameModel
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(None).graph
    migrations = {}
    for key in sorted(graph.nodes):
        node = graph.node_map[key]
        migration = graph.nodes[key]
        previous = [parent.key[1] for parent in node.parents if parent.key[0] == key[0]]
        path = inspect.getfile(type(migration))
        migrations[".".join(key)] = {
            "previous": previous[0] if previous else "zero",
            "descendants": len(graph.backwards_plan(key)),
            "ancestors": len(graph.forwards_plan(key)),
            "parents": sorted(".".join(parent.key) for parent in node.parents),
            "own": is_own(type(migration).__module__, path),
            "renames": any(isinstance(op, RenameModel) for op in migration.operations),
        }
    aliases = [
        alias
        for alias in guard.scratch
        if not connections[alias].settings_dict["TEST"]["MIRROR"]
    ]
    return {
        "migrations": migrations,
        # Those that nothing else depends on.
        "leaves": [
            ".".join(key) for key in graph.nodes if not graph.node_map[key].children
        ],
        "digest": hash_modules(os.path.dirname(django.__file__)),
        "aliases": aliases,
        "engines": {
            alias: connections[alias].settings_dict["ENGINE"] for alias in aliases
        },
        "configured": {
            alias: configured["ENGINE"]
            for alias, configured in guard.configured.items()
        },
        "apps": len(apps.app_configs),
        "models": len(apps.get_models(include_auto_created=True)),
        "django": django.get_version(),
        "django_path": os.path.dirname(django.__file__),
        "installed": get_version("django"),
        "python": sys.version.split()[0],
    }


def create_test_db():
    """Create and destroy one test database, without a test runner."""
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.creation.destroy_test_db(name, verbosity=0)


def set_up_test_databases(recorder):
    """Have the project's test runner create its databases and destroy them."""
    from django.conf import settings
    from django.test.utils import get_runner

    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases()
    try:
        # Before they are gone.
        recorder.note_contents()
    finally:
        with recorder.meter.pause():
            runner.teardown_databases(databases)


def replay(path):
    """Send recorded statements again."""
    from django.db import connection

    with open(path, "rb") as file:
        statements = pickle.load(file)
    connection.ensure_connection()
    start = perf_counter()
    for sql, params, many in statements:
        if sql == COMMIT:
            connection._commit()
        elif sql == ROLLBACK:
            connection._rollback()
        elif sql == AUTOCOMMIT:
            connection._set_autocommit(*params)
        else:
            with connection.cursor() as cursor:
                (cursor.executemany if many else cursor.execute)(sql, params)
                if cursor.description:
                    cursor.fetchall()
    return {"replay_seconds": perf_counter() - start}


class Recorder:
    """Run a job."""

    def __init__(self, job):
        self.job = job
        self.guard = Guard(*job["guard"])
        self.meter = Meter(job.get("record"), job.get("replayable"))
        self.databases = Databases(self.guard)
        self.result = {"commands": [], "refused": self.guard.refused}
        self.contents = None

    def set_up(self):
        """Prepare databases, then Django, and return the CPU seconds of it."""
        import django
        from django.conf import settings

        for name in filter(None, (self.job.get("variant") or "").split("+")):
            VARIANTS[name]()
        self.guard.install()
        if self.job.get("freeze"):
            freeze()
        settings.DATABASES
        self.meter.install()
        self.guard.install_in_drivers()
        # It isn't what is measured.
        start, cpu = perf_counter(), process_time()
        with self.meter.pause():
            if self.job["commands"]:
                self.databases.create(self.guard.work, self.job.get("start"))
        self.result["prepare"] = [perf_counter() - start, process_time() - cpu]
        if not self.job["commands"]:
            return
        if "DJANGO_CONFIGURATION" in os.environ:
            import configurations

            configurations.setup()
        else:
            django.setup()
        self.guard.install_in_drivers()

    def run(self):
        """Run all, and write the result whatever happens."""
        failed = False
        try:
            self.set_up()
            for command in self.job["commands"]:
                result = self.run_command(*command)
                self.result["commands"].append(result)
                if "error" in result:
                    failed = True
                    break
            self.finish(failed)
        except BaseException as error:
            self.result.update(describe_error(error))
            raise
        finally:
            self.meter.save(self.job.get("record"))
            self.result["rss"] = get_peak_memory()
            path = Path(self.job["result"])
            new = path.with_suffix(".new")
            new.write_text(json.dumps(self.result))
            new.replace(path)

    def finish(self, failed):
        """Keep or drop databases."""
        from django.db import connections

        with self.meter.pause():
            for connection in connections.all(initialized_only=True):
                leave_transactions(connection)
            if self.job.get("keep") and not failed:
                self.databases.create(self.job["keep"], self.guard.work)
            drop = self.job.get("drop", [])
            if self.job["commands"]:
                drop = [*drop, self.guard.work]
            for state in drop:
                self.databases.drop(state)

    def run_command(self, name, *arguments):
        from django.core.management import call_command

        output = io.StringIO()
        self.meter.reset()
        self.contents = None
        self.meter.write(f"-- command {' '.join([name, *arguments])}")
        result = {"command": [name, *arguments]}
        reset_peak_memory()
        start, cpu = perf_counter(), process_time()
        try:
            if name == "info":
                result["info"] = get_info(self.guard)
            elif name == "floor":
                floor()
            elif name == "create_test_db":
                create_test_db()
            elif name == "set_up_test_databases":
                set_up_test_databases(self)
            elif name == "replay":
                result.update(replay(*arguments))
            else:
                call_command(
                    name,
                    *arguments,
                    *([] if name == "sqlmigrate" else ["--no-input"]),
                    stdout=output,
                    stderr=output,
                    no_color=True,
                    skip_checks=False,
                )
        except (Exception, SystemExit) as error:
            if name == "makemigrations" and isinstance(error, SystemExit):
                # What --check found isn't an error.
                result["exit"] = error.code
            else:
                result.update(describe_error(error))
                result["migration"] = self.meter.migration
        result["seconds"] = perf_counter() - start
        result["cpu"] = process_time() - cpu
        result["rss"] = get_peak_memory()
        result.update(self.meter.counts)
        if self.job.get("compare"):
            lines = normalize(output.getvalue()).splitlines()
            # Which operations new migrations have depends on the optimizer.
            matters = re.compile(r"Migrations for|No changes").match
            result["output"] = [
                line
                for line in lines
                if "Rendering model states" not in line
                and (name != "makemigrations" or matters(line))
            ]
            if self.contents is None:
                self.note_contents("error" in result)
            result.update(self.contents)
        return result

    def note_contents(self, failed=False):
        from django.db import connections

        with self.meter.pause():
            if failed:
                for connection in connections.all(initialized_only=True):
                    leave_transactions(connection)
            self.contents = get_contents() if self.job.get("compare") else {}


def describe_error(error):
    import django

    text = normalize(f"{type(error).__name__}: {error}")
    frames = [
        f"{os.sep.join(frame.filename.split(os.sep)[-3:])}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return {
        # Where the tree is doesn't matter.
        "error": text.replace(os.path.dirname(django.__file__), "django"),
        "traceback": frames[-12:],
    }


# Where the kernel tells the peak of a program alone.
STATUS, CLEAR = "/proc/self/status", "/proc/self/clear_refs"


def reset_peak_memory():
    try:
        Path(CLEAR).write_text("5")
    except OSError:
        pass


def get_peak_memory():
    """Return the peak of the resident set in MB."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(STATUS).read_text())
        return int(found[1]) / 1024
    except (OSError, TypeError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024**2 if sys.platform == "darwin" else 1024)


def main():
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    job = json.load(sys.stdin)
    # Nobody answers questions.
    sys.stdin = open(os.devnull)
    # Other modules next to this package are none of the project's.
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [
        path for path in sys.path if not path or os.path.abspath(path) != root
    ]
    sys.argv = ["manage.py"]
    Recorder(job).run()


if __name__ == "__main__":
    main()
