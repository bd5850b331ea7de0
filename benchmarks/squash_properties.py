"""
Properties of the migration optimizer, with Hypothesis.

Lists of operations that can be applied are generated, on a database that has
tables or on an empty one. They are applied to a SQLite database as they are
and optimized.

    PYTHONPATH=DJANGO python -m unittest squash_properties
"""

import copy
import os
import unittest
from contextlib import contextmanager

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        },
        INSTALLED_APPS=[],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=False,
    )
    django.setup()

from django.db import DatabaseError, connection, migrations, models
from django.db.migrations.optimizer import MigrationOptimizer
from django.db.migrations.state import ProjectState
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

MODELS = ["A", "B", "C", "D"]
FIELDS = ["f", "g", "h", "i"]
EXAMPLES = int(os.environ.get("EXAMPLES", 300))


SEEN = []


def look(apps, schema_editor):
    """Add a row to each table, and note what can be seen."""
    seen = []
    for model in sorted(apps.get_models(), key=lambda model: model.__name__):
        if model._meta.parents:
            continue
        model._base_manager.create()
        fields = sorted(model._meta.concrete_fields, key=lambda field: field.name)
        rows = [
            tuple(getattr(row, field.attname) for field in fields)
            for row in model._base_manager.order_by("pk")
        ]
        seen.append((model.__name__, [field.name for field in fields], rows))
    SEEN.append(seen)


class ListBuilder:
    """Draw operations that can follow each other."""

    def __init__(self, draw, with_data):
        self.draw = draw
        self.with_data = with_data
        self.state = ProjectState()
        self.operations = []
        self.counter = 0

    def models(self):
        return [model for key, model in self.state.models.items() if key[0] == "app"]

    def choose(self, values):
        return self.draw(st.sampled_from(list(values)))

    def plain_field(self, to_null=True):
        kind = self.draw(st.integers(0, 5))
        if kind == 0:
            return models.IntegerField(default=self.draw(st.integers(1, 2)))
        if kind == 1:
            return models.IntegerField(null=True)
        if kind == 2:
            return models.CharField(
                max_length=self.draw(st.integers(5, 7)), default="x"
            )
        if kind == 3:
            return models.CharField(max_length=9, blank=True)
        if kind == 4:
            return models.IntegerField(null=True, db_column="c1")
        return models.IntegerField(db_default=7)

    def relation(self):
        to = "app.%s" % self.choose(self.models()).name
        kind = self.draw(st.integers(0, 3))
        if kind == 3:
            return models.ManyToManyField(to, related_name="+")
        return models.ForeignKey(to, models.CASCADE, null=True, related_name="+")

    def field(self):
        if self.models() and self.draw(st.integers(0, 2)) == 0:
            return self.relation()
        return self.plain_field()

    def columns(self, model):
        names = set()
        for name, field in model.fields.items():
            names |= {name, f"{name}_id", field.db_column}
        return names - {None}

    def used(self, model, name):
        """Whether something would break without a field."""
        for index in model.options["indexes"] + model.options["constraints"]:
            if name in index.fields:
                return True
        if any(name in names for names in model.options.get("unique_together") or ()):
            return True
        return model.options.get("order_with_respect_to") == name

    def referenced(self, model):
        key = ("app", model.name_lower)
        for other in self.models():
            for field in other.fields.values():
                if field.remote_field and field.related_model.lower() == ".".join(key):
                    if other is not model:
                        return True
            if ".".join(key) in [str(base).lower() for base in other.bases]:
                return True
        return False

    def draw_operation(self):
        kinds = ["create"]
        if self.models():
            kinds += (
                "create add add add alter alter remove rename_field options index "
                "remove_index rename_index constraint remove_constraint together "
                "rename delete table owrt child managers"
            ).split()
            if self.with_data:
                kinds += ["data"] * 2
        kind = self.choose(kinds)
        return getattr(self, f"draw_{kind}")()

    def free_name(self):
        names = [n for n in MODELS if ("app", n.lower()) not in self.state.models]
        return self.choose(names) if names else None

    def draw_create(self):
        if name := self.free_name():
            fields = [("id", models.AutoField(primary_key=True))]
            for field_name in FIELDS[: self.draw(st.integers(0, 2))]:
                field = self.field()
                if field.db_column is None:
                    fields.append((field_name, field))
            return migrations.CreateModel(name, fields)

    def draw_child(self):
        base = self.choose(self.models())
        if (name := self.free_name()) and base.bases == (models.Model,):
            return migrations.CreateModel(
                name,
                [
                    (
                        f"{base.name_lower}_ptr",
                        models.OneToOneField(
                            f"app.{base.name}",
                            models.CASCADE,
                            parent_link=True,
                            primary_key=True,
                            auto_created=True,
                            serialize=False,
                        ),
                    )
                ],
                bases=(f"app.{base.name_lower}",),
            )

    def family(self, model):
        keys = {str(base).lower() for base in model.bases}
        keys.add(f"app.{model.name_lower}")
        return [
            other
            for other in self.models()
            if f"app.{other.name_lower}" in keys
            or keys & {str(base).lower() for base in other.bases}
        ]

    def draw_add(self):
        model = self.choose(self.models())
        taken = set()
        for other in self.family(model):
            taken |= self.columns(other)
        names = [name for name in FIELDS if name not in taken]
        if names:
            field = self.field()
            if field.db_column in taken:
                return
            preserve_default = not (field.default == 2 and self.draw(st.booleans()))
            return migrations.AddField(
                model.name, self.choose(names), field, preserve_default
            )

    def draw_existing(self):
        model = self.choose(self.models())
        names = [name for name in model.fields if name in FIELDS]
        return (model, self.choose(names)) if names else (model, None)

    def draw_alter(self):
        model, name = self.draw_existing()
        if name is None:
            return
        field = model.fields[name]
        if field.remote_field:
            if field.many_to_many:
                return
            new = models.ForeignKey(
                "app.%s" % self.choose(self.models()).name,
                models.CASCADE,
                null=True,
                related_name="+",
                db_index=self.draw(st.booleans()),
            )
        else:
            new = self.plain_field()
            # Values must be convertible.
            if isinstance(new, models.CharField) != isinstance(field, models.CharField):
                return
            if new.db_column and new.db_column != field.db_column:
                return
        preserve_default = not (new.default == 2 and self.draw(st.booleans()))
        return migrations.AlterField(model.name, name, new, preserve_default)

    def draw_remove(self):
        model, name = self.draw_existing()
        if name and not self.used(model, name):
            return migrations.RemoveField(model.name, name)

    def draw_rename_field(self):
        model, name = self.draw_existing()
        taken = set()
        for other in self.family(model):
            taken |= self.columns(other)
        names = [new for new in FIELDS if new not in taken]
        if name and names and not self.used(model, name):
            return migrations.RenameField(model.name, name, self.choose(names))

    def draw_options(self):
        model = self.choose(self.models())
        return migrations.AlterModelOptions(
            model.name, self.choose([{}, {"verbose_name": "v"}, {"ordering": ["pk"]}])
        )

    def draw_managers(self):
        model = self.choose(self.models())
        return migrations.AlterModelManagers(
            model.name, self.choose([[], [("objects", models.Manager())]])
        )

    def column_names(self, model):
        return [
            name
            for name, field in model.fields.items()
            if not field.many_to_many and name in FIELDS
        ]

    def draw_index(self):
        model = self.choose(self.models())
        if names := self.column_names(model):
            self.counter += 1
            return migrations.AddIndex(
                model.name,
                models.Index(fields=[self.choose(names)], name=f"i{self.counter}"),
            )

    def draw_remove_index(self):
        model = self.choose(self.models())
        if indexes := model.options["indexes"]:
            return migrations.RemoveIndex(model.name, self.choose(indexes).name)

    def draw_rename_index(self):
        model = self.choose(self.models())
        if indexes := model.options["indexes"]:
            self.counter += 1
            return migrations.RenameIndex(
                model.name, f"i{self.counter}", old_name=self.choose(indexes).name
            )

    def draw_constraint(self):
        model = self.choose(self.models())
        names = self.column_names(model)
        # Rows have equal values.
        if names and not self.with_data:
            self.counter += 1
            return migrations.AddConstraint(
                model.name,
                models.UniqueConstraint(
                    fields=[self.choose(names)], name=f"i{self.counter}"
                ),
            )

    def draw_remove_constraint(self):
        model = self.choose(self.models())
        if constraints := model.options["constraints"]:
            return migrations.RemoveConstraint(
                model.name, self.choose(constraints).name
            )

    def draw_together(self):
        model = self.choose(self.models())
        names = self.column_names(model)
        if self.with_data or len(names) < 2:
            return
        value = self.choose([set(), {tuple(names[:2])}])
        return migrations.AlterUniqueTogether(model.name, value)

    def draw_owrt(self):
        model = self.choose(self.models())
        names = [
            name
            for name, field in model.fields.items()
            if name in FIELDS and field.many_to_one
        ]
        if model.bases != (models.Model,) or len(self.family(model)) > 1:
            return
        return migrations.AlterOrderWithRespectTo(
            model.name, self.choose([None, *names])
        )

    def draw_rename(self):
        model = self.choose(self.models())
        # Renames don't reach the bases of other models.
        if len(self.family(model)) == 1 and (name := self.free_name()):
            return migrations.RenameModel(model.name, name)

    def draw_delete(self):
        model = self.choose(self.models())
        if not self.referenced(model):
            return migrations.DeleteModel(model.name)

    def draw_table(self):
        model = self.choose(self.models())
        return migrations.AlterModelTable(
            model.name, self.choose([f"t_{model.name_lower}", None])
        )

    def draw_data(self):
        return migrations.RunPython(look, migrations.RunPython.noop)

    def build(self, size):
        for _ in range(size):
            operation = self.draw_operation()
            if operation is not None:
                self.operations.append(operation)
                copy.deepcopy(operation).state_forwards("app", self.state)
        return self


@st.composite
def lists(draw, max_size=25, with_data=False):
    builder = ListBuilder(draw, with_data)
    return builder.build(draw(st.integers(1, max_size)))


def get_state(operations, state=None):
    state = state.clone() if state else ProjectState()
    for operation in copy.deepcopy(operations):
        operation.state_forwards("app", state)
    return state


def describe(model_state):
    return {
        "fields": {
            name: field.deconstruct()[1:] for name, field in model_state.fields.items()
        },
        "options": model_state.options,
        "bases": model_state.bases,
        "managers": model_state.managers,
    }


def get_schema(cursor):
    """Return a description of the tables that ignores the order of columns."""
    introspection = connection.introspection
    schema = {}
    for table in introspection.get_table_list(cursor):
        columns = frozenset(
            (column.name, column.type_code, column.null_ok, column.default)
            for column in introspection.get_table_description(cursor, table.name)
        )
        constraints = set()
        for name, info in introspection.get_constraints(cursor, table.name).items():
            constraints.add(
                (
                    name if name.startswith("i") and name[1:].isdigit() else "",
                    tuple(info["columns"]),
                    info["primary_key"],
                    info["unique"],
                    info["foreign_key"],
                    info["index"],
                )
            )
        schema[table.name] = columns, frozenset(constraints)
    return schema


def empty_database():
    # DatabaseWrapper.close() keeps databases in memory.
    if connection.connection is not None:
        connection.connection.close()
    connection.connection = None
    connection.in_atomic_block = connection.needs_rollback = False
    connection.closed_in_transaction = False
    connection.savepoint_ids = []
    connection.atomic_blocks = []


def get_database(operations, state=None):
    """Return what a database is like after the operations."""
    state = state.clone() if state else ProjectState()
    empty_database()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys = OFF")
    with connection.schema_editor() as editor:
        for operation in copy.deepcopy(operations):
            old_state = state.clone()
            operation.state_forwards("app", state)
            operation.database_forwards("app", editor, old_state, state)
    with connection.cursor() as cursor:
        return get_schema(cursor)


profile = hypothesis_settings(
    max_examples=EXAMPLES,
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class SquashProperties(unittest.TestCase):
    def check(self, builder, split=None):
        operations = builder.operations
        before = get_state(operations[:split]) if split is not None else ProjectState()
        operations = operations[split or 0 :]
        expected = get_state(operations, before)
        for kwargs in ({}, {"state": before}):
            optimized = MigrationOptimizer().optimize(operations, "app", **kwargs)
            with self.explain(kwargs, operations, optimized):
                self.assertLessEqual(len(optimized), len(operations))
                self.assert_same_state(get_state(optimized, before), expected)
                self.assertEqual(
                    MigrationOptimizer().optimize(optimized, "app", **kwargs), optimized
                )
        return before, operations

    @contextmanager
    def explain(self, kwargs, operations, optimized):
        try:
            yield
        except Exception as e:
            e.add_note("\n".join(map(str, (kwargs, *operations, "became", *optimized))))
            raise

    def assert_same_state(self, state, expected):
        self.assertEqual(sorted(state.models), sorted(expected.models))
        for key, model_state in expected.models.items():
            if state.models[key] != model_state:
                self.assertEqual(describe(state.models[key]), describe(model_state))

    @profile
    @given(lists())
    def test_state_from_nothing(self, builder):
        self.check(builder)

    @profile
    @given(lists(max_size=40), st.integers(0, 20))
    def test_state_from_somewhere(self, builder, split):
        self.check(builder, split)

    @profile
    @given(lists(with_data=True))
    def test_data_operations_see_the_same(self, builder):
        operations = builder.operations
        SEEN.clear()
        try:
            expected = get_database(operations)
        except DatabaseError:
            # NULL has to be replaced before a field can be made NOT NULL.
            assume(False)
        seen = list(SEEN)
        for kwargs in ({}, {"state": ProjectState()}):
            optimized = MigrationOptimizer().optimize(operations, "app", **kwargs)
            with self.explain(kwargs, operations, optimized):
                SEEN.clear()
                self.assertEqual(get_database(optimized), expected)
                self.assertEqual(SEEN, seen)

    @profile
    @given(lists(max_size=20), st.integers(0, 10))
    def test_schema(self, builder, split):
        operations = builder.operations
        expected = get_database(operations)
        before = get_state(operations[:split])
        for kwargs in ({}, {"state": before}):
            optimized = MigrationOptimizer().optimize(
                operations[split:], "app", **kwargs
            )
            with self.explain(kwargs, operations, optimized):
                self.assertEqual(
                    get_database([*operations[:split], *optimized]), expected
                )


if __name__ == "__main__":
    unittest.main()
