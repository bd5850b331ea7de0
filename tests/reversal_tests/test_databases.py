"""
Unapplying migrations leaves the schema of a database that never had them, and
the values in all columns that remain.
"""

import os
import re
import subprocess

from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from .projects import projects
from .test_states import get_settings

# An index, constraint or sequence and its name in SQL.
NAMED = re.compile(
    r"\b(CONSTRAINT|INDEX|SEQUENCE NAME|KEY(?= `)) ([\"`]?)([\w.]+)\2",
)
# A column that is a key or refers to one, and its type.
KEY_COLUMN = re.compile(r"^([\"`]?\w*id[\"`]?) \w+(\(\d+\))?")


def get_tables(cursor):
    names = connection.introspection.table_names(cursor)
    return [name for name in names if re.match(r"r[abc]_", name)]


def drop_all_tables():
    cascade = " CASCADE" if connection.vendor == "postgresql" else ""
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for table in get_tables(cursor):
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}{cascade}")


def dump_schema():
    """Return the statements to create all tables as the database has them."""
    if connection.vendor == "postgresql":
        command, env = connection.client.settings_to_cmd_args_env(
            connection.settings_dict, []
        )
        dump = subprocess.run(
            ["pg_dump", *command[1:], "--schema-only", "--no-owner"],
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
        dump = re.sub(r"^(--|SET |SELECT |\\).*\n", "", dump, flags=re.M)
        return filter(None, map(str.strip, dump.split(";\n")))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND "
                "tbl_name GLOB 'r[abc]_*'"
            )
            return [sql for (sql,) in cursor.fetchall()]
        statements = []
        for table in get_tables(cursor):
            cursor.execute(f"SHOW CREATE TABLE {connection.ops.quote_name(table)}")
            statements.append(cursor.fetchone()[1])
        return [re.sub(r" AUTO_INCREMENT=\d+", "", sql) for sql in statements]


def split_definition(sql):
    """
    Return what a statement to create a table is made of: what's around the
    parentheses, and what's between their commas.
    """
    start, end = sql.index("("), sql.rindex(")")
    head, body, tail = sql[:start], sql[start + 1 : end], sql[end + 1 :]
    parts = [""]
    depth = 0
    for token in re.findall(r"'[^']*'|.", body, flags=re.S):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and not depth:
            parts.append("")
        else:
            parts[-1] += token
    parts = list(map(str.strip, parts))
    columns = [part for part in parts if re.match(r"[\"`a-z]", part)]
    if len(columns) == 3 and all(map(KEY_COLUMN.match, columns)):
        # Altering a primary key doesn't always alter the type of the columns
        # of many-to-many tables that refer to it, remaking them does.
        parts = [KEY_COLUMN.sub(r"\1", part) for part in parts]
    return [head + tail, *(f"{head}: {part}" for part in parts)]


def describe_schema():
    """
    Return the definitions of all tables, columns, indexes and constraints, up
    to their order and to the names that Django makes up.
    """

    def leave_out(match):
        return match[0] if re.match(r"[iu]\d+$", match[3]) else match[1]

    definitions = []
    for sql in dump_schema():
        sql = NAMED.sub(leave_out, sql)
        definitions += split_definition(sql) if "CREATE TABLE" in sql else [sql]
    return sorted(definitions)


def read_values():
    """Return {(table, column): {primary_key: value}}."""
    values = {}
    with connection.cursor() as cursor:
        for table in get_tables(cursor):
            key = connection.introspection.get_primary_key_column(cursor, table)
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                row = dict(zip(names, row))
                for name, value in row.items():
                    values.setdefault((table, name), {})[row[key]] = value
    return values


def fill(state):
    """
    Add two rows to each table, with a value of its own in each column, and
    with references from each row to another one.
    """
    models = [model for model in state.apps.get_models() if not model._meta.proxy]
    with connection.constraint_checks_disabled():
        for model in models:
            for index in (1, 2):
                obj = model(pk=model._meta.pk.to_python(index))
                for number, field in enumerate(model._meta.concrete_fields):
                    if field.is_relation and not field.primary_key:
                        continue
                    if field.get_internal_type() == "CharField":
                        setattr(obj, field.attname, f"{model.__name__} {index}")
                    elif not field.primary_key:
                        setattr(obj, field.attname, 1000 * number + index)
                obj.save()
        for model in models:
            for index, obj in enumerate(model._default_manager.order_by("pk"), 1):
                for field in model._meta.local_concrete_fields:
                    if field.is_relation and not field.primary_key:
                        related = field.remote_field.model
                        other = related._default_manager.order_by("pk")[2 - index]
                        setattr(obj, field.name, other)
                obj.save()
                for field in model._meta.local_many_to_many:
                    related = field.remote_field.model
                    getattr(obj, field.name).set(related._default_manager.all())


class DatabaseTests(TransactionTestCase):
    maxDiff = None
    available_apps = []

    def migrate(self, project, plan, state=None):
        executor = project.get_executor()
        executor.loader.build_graph()
        graph = executor.loader.graph
        plan = [(graph.nodes[key], backwards) for key, backwards in plan]
        return executor.migrate(None, plan=plan, state=state)

    def reset(self):
        drop_all_tables()
        with connection.cursor() as cursor:
            if "django_migrations" in connection.introspection.table_names(cursor):
                cursor.execute("DELETE FROM django_migrations")

    def setUp(self):
        self.addCleanup(self.reset)

    # Servers take much longer to create tables.
    @get_settings(200 if connection.vendor == "sqlite" else 20)
    @given(projects(), st.data())
    def test_schema_and_data(self, project, data):
        self.reset()
        full_plan = project.get_full_plan()
        graph = project.get_graph()
        first = data.draw(st.sampled_from(full_plan), label="first")
        backwards_plan = graph.backwards_plan(first)
        remaining = [key for key in full_plan if key not in backwards_plan]

        self.migrate(project, [(key, False) for key in full_plan])
        fill(project.get_state())
        values = read_values()
        self.migrate(project, [(key, True) for key in backwards_plan])
        schema, new_values = describe_schema(), read_values()
        for column in values.keys() & new_values.keys():
            self.assertEqual((column, new_values[column]), (column, values[column]))

        self.reset()
        self.migrate(project, [(key, False) for key in remaining])
        self.assertEqual(schema, describe_schema())
