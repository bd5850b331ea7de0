"""
Squash all apps of a project with at least three migrations in memory, and
compare with the originals: state, schema, changes, and applied migrations.
An app that would make a circle of dependencies is cut.

    DJANGO_SETTINGS_MODULE=oscar_settings PYTHONPATH=DJANGO:projects \\
    python squash_verify.py
"""

from collections import Counter

import django

django.setup()

from django.core.management import call_command  # NOQA
from django.db import connection, migrations  # NOQA
from django.db.migrations.autodetector import MigrationAutodetector  # NOQA
from django.db.migrations.exceptions import CircularDependencyError  # NOQA
from django.db.migrations.executor import MigrationExecutor  # NOQA
from django.db.migrations.loader import MigrationLoader  # NOQA
from squash import get_plan, optimize  # NOQA

originals = MigrationLoader(None)
load_disk = MigrationLoader.load_disk
squashes = {}


def load_disk_and_squashes(loader):
    load_disk(loader)
    loader.disk_migrations.update(squashes)


def squash(app_label, start, stop, previous):
    """Squash some of an app's migrations, with an earlier squash of it."""
    plan = get_plan(originals, app_label)[start:stop]
    nodes = [originals.graph.nodes[key] for key in plan]
    state = originals.project_state(plan[0], at_end=False)
    operations = [operation for node in nodes for operation in node.operations]
    dependencies = {
        dependency
        for node in nodes
        for dependency in node.dependencies
        if dependency[0] != app_label
    }
    attrs = {
        "operations": optimize(operations, app_label, state),
        "dependencies": [*dependencies, *previous],
        "replaces": [
            pair for key, node in zip(plan, nodes) for pair in [*node.replaces, key]
        ],
        "initial": not start,
        "atomic": all(node.atomic for node in nodes),
    }
    name = f"{start + 1:04}_squashed_{plan[-1][1]}"
    return (app_label, name), type("Migration", (migrations.Migration,), attrs)(
        name, app_label
    )


def is_circular(key, migration):
    squashes[key] = migration
    try:
        MigrationLoader(None)
    except CircularDependencyError:
        return True
    finally:
        del squashes[key]
    return False


def squash_app(app_label):
    """Make as few squashes of an app as its dependencies allow."""
    total = len(get_plan(originals, app_label))
    start = 0
    previous = []
    while start < total:
        # The whole rest, or else the longest part, found by bisection.
        possible, stop, impossible = start + 1, total, total + 1
        while True:
            key, migration = squash(app_label, start, stop, previous)
            if is_circular(key, migration):
                impossible = stop
            else:
                possible, found = stop, (key, migration)
            if impossible - possible < 2:
                break
            stop = (possible + impossible) // 2
        if possible == start + 1:
            found = squash(app_label, start, possible, previous)
        if possible < total:
            print(app_label, "cut after", get_plan(originals, app_label)[possible - 1])
        key, migration = found
        squashes[key] = migration
        start, previous = possible, [key]


def get_schema():
    schema = {}
    with connection.cursor() as cursor:
        introspection = connection.introspection
        for table in introspection.get_table_list(cursor):
            columns = frozenset(
                (column.name, column.type_code, column.null_ok, column.default)
                for column in introspection.get_table_description(cursor, table.name)
            )
            constraints = sorted(
                str(
                    (
                        info["columns"],
                        info["primary_key"],
                        info["unique"],
                        info["foreign_key"],
                        info["index"],
                        info["check"],
                        info.get("orders"),
                    )
                )
                for info in introspection.get_constraints(cursor, table.name).values()
            )
            schema[table.name] = columns, constraints
    return schema


def migrate():
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    else:
        if connection.connection:
            connection.connection.close()
        connection.connection = None
    call_command("migrate", verbosity=0)
    return get_schema()


expected = migrate()
MigrationLoader.load_disk = load_disk_and_squashes
apps = sorted({app for app, _ in originals.disk_migrations})
for app_label in apps:
    if sum(app == app_label for app, _ in originals.disk_migrations) >= 3:
        squash_app(app_label)
print(len(squashes), "squashes of", len({app for app, _ in squashes}), "apps")
loader = MigrationLoader(connection)
print("seen as applied:", squashes.keys() <= loader.applied_migrations.keys())
state = MigrationLoader(None).project_state()
old_state = originals.project_state()
print("same state:", state == old_state)
for key, model_state in old_state.models.items():
    if state.models[key] != model_state:
        print(*key, "differs")
changes = MigrationAutodetector(old_state.clone(), state.clone()).changes(loader.graph)
print("changes:", {app: [m.operations for m in ms] for app, ms in changes.items()})
actual = migrate()
print("same schema:", actual == expected, len(expected), "tables")
for table in sorted(expected.keys() | actual.keys()):
    if expected.get(table) != actual.get(table):
        print(table)
        for a, b in zip(expected.get(table, ((), ())), actual.get(table, ((), ()))):
            # Something can be there twice.
            print("  originals:", *(Counter(a) - Counter(b)).elements())
            print("  squash:   ", *(Counter(b) - Counter(a)).elements())
