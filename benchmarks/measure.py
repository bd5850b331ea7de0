"""
Run one management command and measure what Django does meanwhile.

    python measure.py [--stats FILE] [--record FILE] COMMAND [ARGUMENT ...]

``PYTHONPATH`` chooses the Django tree, ``DJANGO_SETTINGS_MODULE`` the project
and ``DATABASE`` (the value of ``DATABASES["default"]`` in JSON) the database.
Besides management commands there are:

floor
    what every command pays: ``setup()``, system checks, migration graph
create_test_db
    create and destroy a test database
plan
    print the sizes of the plans to unapply each migration, in JSON
rows
    print the rows that receivers of post_migrate wrote, in JSON
replay FILE
    send recorded statements again

``--stats`` writes counters in JSON. ``--record`` writes the statements, one a
line, to FILE, and to FILE.pickle for ``replay``.
"""

import argparse
import datetime
import json
import pickle
import random
import secrets
import sys
import uuid
from functools import partial
from time import perf_counter

# Stand in for calls that aren't made through a cursor.
COMMIT = "-- commit"
ROLLBACK = "-- rollback"
AUTOCOMMIT = "-- autocommit"


class Meter:
    """
    Count and time what is sent to the database, and the models rendered.

    ``statements`` has (SQL, parameters, whether executemany) of each statement
    if ``keep`` is true, and is None otherwise.
    """

    def __init__(self, keep=False):
        self.statements = [] if keep else None
        self.counts = {"renders": 0, "statements": 0, "db_seconds": 0.0}

    def install(self):
        from django.db import connections
        from django.db.migrations.state import ModelState

        render = ModelState.render

        def counted_render(*args, **kwargs):
            self.counts["renders"] += 1
            return render(*args, **kwargs)

        ModelState.render = counted_render
        for connection in connections.all():
            connection.execute_wrappers.append(self.execute)
            for name, marker in [
                ("_commit", COMMIT),
                ("_rollback", ROLLBACK),
                ("_set_autocommit", AUTOCOMMIT),
            ]:
                call = partial(self.transact, getattr(connection, name), marker)
                setattr(connection, name, call)

    def execute(self, execute, sql, params, many, context):
        start = perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.counts["db_seconds"] += perf_counter() - start
            self.counts["statements"] += 1
            if self.statements is not None:
                self.statements.append((sql, params, many))

    def transact(self, call, marker, *args):
        start = perf_counter()
        try:
            return call(*args)
        finally:
            self.counts["db_seconds"] += perf_counter() - start
            if self.statements is not None:
                self.statements.append((marker, args, False))


def freeze():
    """Make the current time, UUIDs and secrets the same in each run."""
    from django.utils import timezone

    now = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)
    timezone.now = lambda: now
    generator = random.Random(0)
    secrets.choice = generator.choice
    uuid.uuid4 = lambda: uuid.UUID(int=generator.getrandbits(128), version=4)


def save(statements, path):
    with open(path, "w") as file:
        for sql, params, _ in statements:
            line = str(sql) if params in (None, ()) else f"{sql} <- {params!r}"
            file.write(line.replace("\n", "\\n") + "\n")
    with open(f"{path}.pickle", "wb") as file:
        pickle.dump(statements, file)


def floor():
    from django.core import checks
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    checks.run_checks(databases=["default"])
    MigrationLoader(connection)


def create_test_db():
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    connection.creation.destroy_test_db(name, verbosity=0)


def plan():
    """
    Print {"app.name": [previous migration or "zero", plan's length], …} and,
    as "leaves", the migrations that nothing else depends on and, as "renames",
    those that rename a model.
    """
    from django.db.migrations import RenameModel
    from django.db.migrations.loader import MigrationLoader

    graph = MigrationLoader(None).graph
    plans = {}
    leaves = []
    renames = []
    for key in graph.nodes:
        previous = [parent for parent in graph.node_map[key].parents]
        previous = [parent[1] for parent in previous if parent[0] == key[0]]
        plans[".".join(key)] = [
            previous[0] if previous else "zero",
            len(graph.backwards_plan(key)),
        ]
        if not graph.node_map[key].children:
            leaves.append(".".join(key))
        if any(isinstance(op, RenameModel) for op in graph.nodes[key].operations):
            renames.append(".".join(key))
    print(json.dumps({"plans": plans, "leaves": leaves, "renames": renames}))


def rows():
    """Print {table: rows in the order of their primary keys}."""
    from django.db import connection

    tables = {}
    with connection.cursor() as cursor:
        existing = connection.introspection.table_names(cursor)
        for table in ("django_content_type", "auth_permission", "django_site"):
            if table in existing:
                cursor.execute(f"SELECT * FROM {table} ORDER BY id")
                tables[table] = cursor.fetchall()
    print(json.dumps(tables))


def replay(path):
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


COMMANDS = {
    "floor": floor,
    "create_test_db": create_test_db,
    "plan": plan,
    "rows": rows,
    "replay": replay,
}


def main():
    # The project's modules come first, not those next to this file.
    sys.path[0] = ""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--stats")
    parser.add_argument("--record")
    parser.add_argument("command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()

    import django
    from django.core.management import call_command

    if options.record:
        freeze()
    django.setup()
    meter = Meter(keep=bool(options.record))
    meter.install()
    counts = {}
    start = perf_counter()
    try:
        if options.command in COMMANDS:
            counts = COMMANDS[options.command](*options.arguments) or {}
        else:
            call_command(options.command, *options.arguments, skip_checks=False)
    except BaseException as error:
        counts["error"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        counts = {**meter.counts, "seconds": perf_counter() - start, **counts}
        if options.record:
            save(meter.statements, options.record)
        if options.stats:
            with open(options.stats, "w") as file:
                json.dump(counts, file)


if __name__ == "__main__":
    main()
