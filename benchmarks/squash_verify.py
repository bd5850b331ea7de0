"""
Squash all apps of a project with at least three migrations in memory, and
compare with the originals: state, schema, changes, and applied migrations.

    SQUASH_PROJECT=oscar DJANGO_SETTINGS_MODULE=settings_squash \\
    PYTHONPATH=DJANGO:DIRECTORY_OF_THE_SETTINGS python squash_verify.py
"""

import django

django.setup()

from django.core.management import call_command  # NOQA
from django.db import connection, migrations  # NOQA
from django.db.migrations.autodetector import MigrationAutodetector  # NOQA
from django.db.migrations.exceptions import CircularDependencyError  # NOQA
from django.db.migrations.executor import MigrationExecutor  # NOQA
from django.db.migrations.loader import MigrationLoader  # NOQA
from squash import get_operations, optimize  # NOQA

originals = MigrationLoader(None)
load_disk = MigrationLoader.load_disk
squashes = {}


def load_disk_and_squashes(loader):
    load_disk(loader)
    loader.disk_migrations.update(squashes)


def squash(app_label):
    plan, state, operations = get_operations(originals, app_label, False)
    nodes = [originals.graph.nodes[key] for key in plan]
    dependencies = {
        dependency
        for node in nodes
        for dependency in node.dependencies
        if dependency[0] != app_label
    }
    attrs = {
        "operations": optimize(operations, app_label, state),
        "dependencies": list(dependencies),
        "replaces": [
            pair for key, node in zip(plan, nodes) for pair in [*node.replaces, key]
        ],
        "initial": True,
        "atomic": all(node.atomic for node in nodes),
    }
    name = f"0001_squashed_{plan[-1][1]}"
    return (app_label, name), type("Migration", (migrations.Migration,), attrs)(
        name, app_label
    )


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
apps = sorted({app for app, _ in originals.disk_migrations})
for app_label in apps:
    if sum(app == app_label for app, _ in originals.disk_migrations) < 3:
        continue
    key, migration = squash(app_label)
    squashes[key] = migration
    MigrationLoader.load_disk = load_disk_and_squashes
    try:
        MigrationLoader(None)
    except CircularDependencyError:
        print(app_label, "would make a circle of dependencies")
        del squashes[key]
print("squashed", len(squashes), "apps")
loader = MigrationLoader(connection)
print("seen as applied:", squashes.keys() <= loader.applied_migrations.keys())
state = MigrationLoader(None).project_state()
old_state = originals.project_state()
print("same state:", state == old_state)
changes = MigrationAutodetector(old_state.clone(), state.clone()).changes(loader.graph)
print("changes:", {app: [m.operations for m in ms] for app, ms in changes.items()})
actual = migrate()
print("same schema:", actual == expected, len(expected), "tables")
for table in sorted(expected.keys() | actual.keys()):
    if expected.get(table) != actual.get(table):
        print(table)
        for a, b in zip(expected.get(table, ((), ())), actual.get(table, ((), ()))):
            print("  originals:", [item for item in a if item not in b])
            print("  squash:   ", [item for item in b if item not in a])
