"""
Unapplying migrations leaves the schema of a database that never had them, and
the values in all columns that remain.
"""

import re

from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from .projects import projects
from .test_states import get_settings


def drop_all_tables():
    with connection.cursor() as cursor:
        tables = [
            table
            for table in connection.introspection.table_names(cursor)
            if re.match(r"r[abc]_", table)
        ]
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        for table in tables:
            cascade = " CASCADE" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(table)}{cascade}")


def describe_schema():
    """
    Return all tables with their columns, indexes and constraints, up to the
    order of columns and to the names of what Django names.
    """
    schema = {}
    introspection = connection.introspection
    with connection.cursor() as cursor:
        for table in introspection.table_names(cursor):
            if not re.match(r"r[abc]_", table):
                continue
            description = introspection.get_table_description(cursor, table)
            # MySQL's display_size, the third item, is that of the values.
            columns = sorted(
                tuple(map(str, column[:2] + column[3:8])) for column in description
            )
            if [name[-2:] for name, *_ in columns] == ["id"] * 3:
                # Altering a primary key doesn't always alter the columns of
                # many-to-many tables that refer to it, remaking them does.
                columns = [name for name, *_ in columns]
            constraints = sorted(
                (
                    name if re.match(r"[iu]\d+$", name) else "",
                    sorted((key, str(value)) for key, value in constraint.items()),
                )
                for name, constraint in introspection.get_constraints(
                    cursor, table
                ).items()
            )
            schema[table] = columns, constraints
    return schema


def read_values():
    """Return {(table, column): {primary_key: value}}."""
    values = {}
    introspection = connection.introspection
    with connection.cursor() as cursor:
        for table in introspection.table_names(cursor):
            if not re.match(r"r[abc]_", table):
                continue
            key = introspection.get_primary_key_column(cursor, table)
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
