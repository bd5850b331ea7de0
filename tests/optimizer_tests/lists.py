"""
Lists of operations that can follow each other, drawn by Hypothesis.

Each operation that is drawn is applied to a SQLite database at once, and left
out if that fails. There is hardly another rule, so that lists have all that a
database and the state accept.
"""

import datetime
from itertools import chain

from django.db import connections, migrations, models
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.migrations.utils import get_index_references
from django.db.models.functions import Lower
from django.db.utils import ConnectionHandler
from hypothesis import strategies as st

ALIAS = "optimizer"
MODELS = ["A", "B", "C", "D"]
FIELDS = ["f", "g", "h", "i"]


class Database:
    """A SQLite database of its own, and the state that belongs to it."""

    def __init__(self, state, content=None):
        self.state = state
        self.content = content
        # What the data operations saw.
        self.seen = []
        self.connect(content)

    def connect(self, content):
        handler = ConnectionHandler(
            {
                "default": {},
                ALIAS: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
            }
        )
        self.connection = handler[ALIAS]
        self.connection.ensure_connection()
        if content:
            self.connection.connection.deserialize(content)
        connections[ALIAS] = self.connection

    def close(self):
        # DatabaseWrapper.close() keeps databases in memory.
        self.connection.connection.close()

    def save(self):
        return self.connection.connection.serialize()

    def apply(self, operations, state=None):
        """Apply operations as one migration."""
        state = (self.state if state is None else state).clone()
        with self.connection.schema_editor() as editor:
            for operation in operations:
                if getattr(operation, "code", None) is add_rows:
                    self.seen.append((describe(state), self.get_rows()))
                old_state = state.clone()
                operation.state_forwards("app", state)
                operation.database_forwards("app", editor, old_state, state)
        self.state = state

    def query(self, sql):
        with self.connection.cursor() as cursor:
            return cursor.execute(sql).fetchall()

    def get_tables(self):
        sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return [name for (name,) in self.query(sql) if name != "sqlite_sequence"]

    def get_columns(self, table):
        # SQLite keeps the type of keys to an AutoField that is altered to a
        # BigAutoField.
        return sorted(
            (name, kind.replace("bigint", "INTEGER"), *others)
            for _, name, kind, *others in self.query(f'PRAGMA table_xinfo("{table}")')
        )

    def get_rows(self):
        rows = {}
        for table in self.get_tables():
            names = [f'"{name}"' for name, *_ in self.get_columns(table)]
            rows[table] = sorted(
                self.query(f'SELECT {", ".join(names)} FROM "{table}"'), key=repr
            )
        return rows

    def get_schema(self):
        """Return what doesn't depend on the order of columns."""
        schema = {}
        for table in self.get_tables():
            indexes = []
            index_list = self.query(f'PRAGMA index_list("{table}")')
            for _, name, unique, origin, _ in index_list:
                info = self.query(f'PRAGMA index_info("{name}")')
                columns = [column for *_, column in info]
                if name[0] == "_":
                    sql = "SELECT sql FROM sqlite_master WHERE name = %s"
                    [[sql]] = self.query(sql.replace("%s", f"'{name}'"))
                    indexes.append((unique, columns, sql.partition("(")[2], name))
                elif origin != "pk" and (unique or len(columns) == 1):
                    # The names that Django makes up depend on former names,
                    # and index_together gets lost when a table is remade.
                    indexes.append((unique, columns))
            [[sql]] = self.query(
                f"SELECT sql FROM sqlite_master WHERE name = '{table}'"
            )
            keys = self.query(f'PRAGMA foreign_key_list("{table}")')
            schema[table] = {
                "columns": self.get_columns(table),
                "indexes": sorted(indexes, key=repr),
                "keys": sorted(key[2:5] for key in keys),
                "checks": sql.count("CHECK"),
                "constraints": sorted(
                    part for part in sql.split('"') if part.startswith("_")
                ),
            }
        return schema


def describe(state):
    return {
        key: (
            model_state.name,
            {
                name: field.deconstruct()[1:]
                for name, field in model_state.fields.items()
            },
            dict(model_state.options),
            model_state.bases,
            model_state.managers,
        )
        for key, model_state in state.models.peek_items()
    }


def add_rows(apps, schema_editor):
    """Add a row to each table, every other one with values of its own."""
    for model in sorted(apps.get_models(), key=lambda model: model._meta.label):
        if model._meta.app_label != "app" or not model._meta.managed:
            continue
        manager = model._base_manager.using(ALIAS)
        number = manager.count()
        values = {}
        if number % 2:
            for field in model._meta.local_fields:
                if field.primary_key or field.generated or field.name == "_order":
                    continue
                if field.remote_field:
                    to = field.related_model._base_manager.using(ALIAS)
                    values[field.attname] = (
                        to.values_list(field.target_field.attname, flat=True)
                        .order_by("pk")
                        .last()
                    )
                elif isinstance(field, models.DateField):
                    values[field.name] = datetime.date(2000, 1, number % 28 + 1)
                else:
                    values[field.name] = number
        row = manager.create(**values)
        for field in model._meta.local_many_to_many:
            if field.remote_field.through._meta.auto_created:
                to = field.related_model._base_manager.using(ALIAS)
                getattr(row, field.name).set(to.order_by("pk")[:1])


class NoOperation(Operation):
    """An operation of another package that has no effect."""

    reduces_to = False

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        pass

    def reduce(self, operation, app_label):
        return super().reduce(operation, app_label) or self.reduces_to


class Passed(NoOperation):
    reduces_to = True


class Absorbed(NoOperation):
    def reduce(self, operation, app_label):
        return [operation]


class OnModel(NoOperation):
    def __init__(self, name):
        self.name = name

    def references_model(self, name, app_label):
        return name.lower() == self.name.lower()

    def reduce(self, operation, app_label):
        return super().reduce(operation, app_label) or not operation.references_model(
            self.name, app_label
        )


class AddIndex(migrations.AddIndex):
    """An operation of another package that is like one of Django's."""


class AddField(migrations.AddField):
    pass


class OtherApp(Operation):
    """What a migration of another app does in between."""

    def __init__(self, operation):
        self.operation = operation

    def state_forwards(self, app_label, state):
        self.operation.state_forwards("other", state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        self.operation.database_forwards("other", schema_editor, from_state, to_state)


class ListBuilder:
    """Draw operations that can follow each other."""

    def __init__(self, draw):
        self.draw = draw
        self.operations = []
        self.counter = 0
        state = ProjectState()
        self.database = Database(state)
        create = migrations.CreateModel(
            "O", [("id", models.AutoField(primary_key=True))]
        )
        self.apply(OtherApp(create))
        # The state, the database, and the number of data operations before
        # each operation.
        self.steps = [self.get_step()]

    def get_step(self):
        return self.database.state, self.database.save(), len(self.database.seen)

    @property
    def state(self):
        return self.database.state

    def apply(self, operation):
        self.database.apply([operation])

    def build(self, size):
        for _ in range(size):
            operation = self.draw_operation()
            if operation is None:
                continue
            state, content, seen = self.steps[-1]
            try:
                self.apply(operation)
                # Nothing is missing.
                for model in self.state.clone().apps.get_models():
                    for field in model._meta.get_fields():
                        if field.is_relation:
                            field.related_model._meta
                            if through := getattr(field.remote_field, "through", None):
                                through._meta
                self.database.get_rows()
            except Exception:
                self.database.close()
                self.database.connect(content)
                self.database.state = state
                del self.database.seen[seen:]
            else:
                self.operations.append(operation)
                self.steps.append(self.get_step())
        self.database.close()
        return self

    # What there is.

    def models(self):
        return [
            model for key, model in self.state.models.peek_items() if key[0] == "app"
        ]

    def choose(self, values):
        return self.draw(st.sampled_from(list(values)))

    def chance(self, n):
        """Return True once in n times, and False for simpler lists."""
        return self.draw(st.integers(0, n - 1)) == n - 1

    def free_field_name(self, model):
        names = [name for name in FIELDS if name not in model.fields]
        return self.choose(names) if names else None

    def new_name(self):
        self.counter += 1
        return f"_{self.counter}"

    def field_name(self, model, condition=lambda field: True):
        names = [
            name
            for name, field in model.fields.items()
            if (name in FIELDS or self.chance(8)) and condition(field)
        ]
        return self.choose(names) if names else None

    def column_name(self, model):
        return self.field_name(model, lambda field: not field.many_to_many)

    # Fields.

    def plain_field(self):
        kwargs = self.choose(
            [
                {"default": 1},
                {"null": True},
                {"default": 2},
                {"default": 3, "null": True},
                {"default": int},
                {"db_default": 7},
                {"db_default": 8, "default": 2},
                {"db_default": 7, "null": True},
                {"null": True, "unique": True},
                {"null": True, "db_index": True},
                {"null": True, "db_column": "c1"},
                {"default": 1, "db_column": "F"},
                {},
            ]
        )
        kind = self.draw(st.integers(0, 7))
        if kind < 4:
            return models.IntegerField(**kwargs)
        if kind < 6:
            if kind == 5:
                kwargs["blank"] = True
            return models.CharField(
                max_length=self.draw(st.integers(5, 6)),
                **{k: str(v) if v == 2 else v for k, v in kwargs.items()},
            )
        if kind == 6:
            return models.DateField(
                **self.choose(
                    [{"auto_now": True}, {"auto_now_add": True}, {"null": True}]
                )
            )
        return models.FloatField(**kwargs)

    def relation(self):
        # Nothing can refer to a composite primary key.
        names = [model.name for model in self.models() if "pk" not in model.fields]
        to = self.choose([*(f"app.{name}" for name in names), "other.O"])
        kind = self.draw(st.integers(0, 7))
        kwargs = {"related_name": "+"}
        if kind == 0:
            return models.ManyToManyField(to, **kwargs)
        if kind == 1:
            return models.ManyToManyField(to, db_table="m2m", **kwargs)
        if kind == 2:
            through = self.choose([model.name for model in self.models()])
            return models.ManyToManyField(to, through=f"app.{through}", **kwargs)
        kwargs["on_delete"] = models.CASCADE
        if kind == 3:
            return models.OneToOneField(to, null=True, **kwargs)
        if kind == 4:
            return models.ForeignKey(to, default=1, **kwargs)
        if kind == 5:
            return models.ForeignKey(
                to, null=True, to_field=self.choose(FIELDS), **kwargs
            )
        if kind == 6:
            return models.ForeignKey(to, null=True, db_column="c1", **kwargs)
        return models.ForeignKey(to, null=True, **kwargs)

    def field(self):
        if self.models() and self.chance(3):
            return self.relation()
        if self.chance(10):
            return models.GeneratedField(
                expression=models.F(self.choose(FIELDS)),
                output_field=models.IntegerField(),
                db_persist=self.chance(2),
            )
        return self.plain_field()

    # Operations.

    def draw_operation(self):
        kinds = ["create", "create", "python"]
        if self.models():
            kinds += (
                "add add add add alter alter alter remove rename_field rename_field "
                "options index remove_index rename_index constraint alter_constraint "
                "remove_constraint unique_together index_together rename rename "
                "delete table comment owrt child proxy managers alter_pk managed "
                "python python sql no_operation subclass separate "
                "other_app same_alter"
            ).split()
        return getattr(self, f"draw_{self.choose(kinds)}")()

    def free_name(self):
        names = [n for n in MODELS if ("app", n.lower()) not in self.state.models]
        return self.choose(names) if names else None

    def any_model(self):
        return self.choose(self.models())

    def model(self):
        """Return a model that isn't a proxy and has fields of its own."""
        models = [model for model in self.models() if "proxy" not in model.options]
        return self.choose(models)

    def draw_create(self):
        if not (model_name := self.free_name()):
            return
        pk = models.AutoField(primary_key=True)
        fields = [("id", pk)]
        if self.chance(12):
            fields = [
                ("pk", models.CompositePrimaryKey("f", "g")),
                ("f", models.IntegerField(default=1)),
                ("g", models.IntegerField(default=1)),
            ]
        else:
            for name in FIELDS[: self.draw(st.integers(0, 3))]:
                fields.append((name, self.field()))
        names = [name for name, _ in fields]
        options = {}
        if self.chance(8):
            options["indexes"] = [
                models.Index(fields=[self.choose(names)], name=self.new_name())
            ]
        if names[1:] and self.chance(8):
            options["unique_together"] = {(names[-1], names[0])}
        if names[1:] and self.chance(12):
            options["index_together"] = {(names[-1], names[0])}
        if self.chance(12):
            options["managed"] = False
        if self.chance(8):
            options["db_table"] = self.choose(["t1", "app_a"])
        if self.chance(8):
            options["order_with_respect_to"] = next(
                (name for name, field in fields if field.many_to_one), None
            )
        return migrations.CreateModel(model_name, fields, options)

    def draw_child(self):
        if not (name := self.free_name()):
            return
        base = self.model()
        pointer = models.OneToOneField(
            f"app.{base.name}",
            models.CASCADE,
            parent_link=True,
            primary_key=True,
            auto_created=True,
            serialize=False,
        )
        fields = [(f"{base.name_lower}_ptr", pointer)]
        for field_name in FIELDS[3 - self.draw(st.integers(0, 1)) : 3]:
            fields.append((field_name, self.field()))
        return migrations.CreateModel(name, fields, bases=(f"app.{base.name_lower}",))

    def draw_proxy(self):
        if name := self.free_name():
            return migrations.CreateModel(
                name, [], {"proxy": True}, (f"app.{self.any_model().name_lower}",)
            )

    def draw_add(self, operation_class=migrations.AddField):
        model = self.model()
        if name := self.free_field_name(model):
            return operation_class(model.name, name, self.field(), not self.chance(5))

    def draw_alter(self):
        model = self.model()
        name = self.field_name(model, lambda field: not field.primary_key)
        if name:
            return migrations.AlterField(
                model.name, name, self.field(), not self.chance(4)
            )

    def draw_same_alter(self):
        """Alter something about the field that isn't in the database."""
        model = self.model()
        if name := self.field_name(model):
            field = model.fields[name].clone()
            field.help_text = self.choose(["x", "y"])
            return migrations.AlterField(model.name, name, field)

    def draw_alter_pk(self):
        field_class = self.choose([models.BigAutoField, models.AutoField])
        return migrations.AlterField(
            self.model().name, "id", field_class(primary_key=True)
        )

    def draw_remove(self):
        model = self.model()
        name = self.field_name(model)
        # Such options would be left with names of fields that aren't there.
        names = {
            model.options.get("order_with_respect_to"),
            *chain.from_iterable(model.options.get("unique_together") or ()),
            *chain.from_iterable(model.options.get("index_together") or ()),
        }
        if name and name not in names and not model.fields[name].primary_key:
            record = model.fields[name] if self.chance(2) else None
            return migrations.RemoveField(model.name, name, record)

    def draw_rename_field(self):
        model = self.model()
        name, new_name = self.field_name(model), self.free_field_name(model)
        # The state wouldn't rename the field of an index.
        indexes = model.options["indexes"] + model.options["constraints"]
        if any(name in get_index_references(index) for index in indexes):
            return
        if name and new_name:
            return migrations.RenameField(model.name, name, new_name)

    def draw_options(self):
        return migrations.AlterModelOptions(
            self.any_model().name,
            self.choose(
                [
                    {},
                    {"verbose_name": "v"},
                    {"ordering": ["pk"]},
                    {"required_db_features": ["supports_transactions"]},
                ]
            ),
        )

    def draw_managed(self):
        return migrations.AlterModelOptions(
            self.model().name, self.choose([{"managed": False}, {}, {"managed": True}])
        )

    def draw_managers(self):
        managers = self.choose([[], [("objects", models.Manager())]])
        return migrations.AlterModelManagers(self.any_model().name, managers)

    def draw_index(self, operation_class=migrations.AddIndex):
        model = self.model()
        if not (name := self.column_name(model)):
            return
        kwargs = self.choose(
            [
                {"fields": [name]},
                {"fields": [f"-{name}"]},
                {"fields": [name], "condition": models.Q(**{f"{name}__gt": 1})},
            ]
        )
        args = ()
        if self.chance(5):
            args, kwargs = (Lower(name),), {}
        index = models.Index(*args, name=self.new_name(), **kwargs)
        return operation_class(model.name, index)

    def draw_remove_index(self):
        model = self.model()
        if indexes := model.options["indexes"]:
            return migrations.RemoveIndex(model.name, self.choose(indexes).name)

    def draw_rename_index(self):
        model = self.model()
        if (names := model.options.get("index_together")) and self.chance(2):
            return migrations.RenameIndex(
                model.name, self.new_name(), old_fields=self.choose(sorted(names))
            )
        if indexes := model.options["indexes"]:
            return migrations.RenameIndex(
                model.name, self.new_name(), old_name=self.choose(indexes).name
            )

    def draw_constraint(self):
        model = self.model()
        if not (name := self.column_name(model)):
            return
        kind = self.draw(st.integers(0, 3))
        kwargs = {"name": self.new_name()}
        q = models.Q(**{f"{name}__gt": -99})
        if kind == 0:
            constraint = models.CheckConstraint(condition=q, **kwargs)
        elif kind == 1:
            constraint = models.UniqueConstraint(fields=[name], **kwargs)
        elif kind == 2:
            constraint = models.UniqueConstraint(fields=[name], condition=q, **kwargs)
        else:
            constraint = models.UniqueConstraint(Lower(name), **kwargs)
        return migrations.AddConstraint(model.name, constraint)

    def draw_alter_constraint(self):
        model = self.model()
        if constraints := model.options["constraints"]:
            constraint = self.choose(constraints).clone()
            constraint.violation_error_message = self.choose(["x", "y"])
            return migrations.AlterConstraint(model.name, constraint.name, constraint)

    def draw_remove_constraint(self):
        model = self.model()
        if constraints := model.options["constraints"]:
            return migrations.RemoveConstraint(
                model.name, self.choose(constraints).name
            )

    def draw_unique_together(self, operation_class=migrations.AlterUniqueTogether):
        model = self.model()
        names = [name for name, field in model.fields.items() if not field.many_to_many]
        if len(names) > 1:
            values = [set(), {tuple(names[:2])}, {tuple(names[-2:])}]
            return operation_class(model.name, self.choose(values))

    def draw_index_together(self):
        return self.draw_unique_together(migrations.AlterIndexTogether)

    def draw_owrt(self):
        model = self.model()
        names = [name for name, field in model.fields.items() if field.many_to_one]
        return migrations.AlterOrderWithRespectTo(
            model.name, self.choose([None, *names])
        )

    def draw_rename(self):
        model = self.any_model()
        # Keys to the table would have its old or new name.
        if model.options.get("managed", True) and (name := self.free_name()):
            return migrations.RenameModel(model.name, name)

    def draw_delete(self):
        return migrations.DeleteModel(self.any_model().name)

    def draw_table(self):
        return migrations.AlterModelTable(
            self.model().name, self.choose([None, "t1", "t2", "app_b"])
        )

    def draw_comment(self):
        return migrations.AlterModelTableComment(
            self.model().name, self.choose([None, "x"])
        )

    def draw_python(self):
        if self.chance(3):
            return migrations.RunPython(migrations.RunPython.noop, elidable=True)
        return migrations.RunPython(add_rows)

    def draw_sql(self):
        operation = self.draw_options()
        model = self.model()
        return self.choose(
            [
                migrations.RunSQL("", elidable=True),
                migrations.RunSQL("", state_operations=[operation]),
                migrations.RunSQL("", state_operations=[operation], elidable=True),
                migrations.RunSQL(f'DELETE FROM "app_{model.name_lower}"'),
            ]
        )

    def draw_no_operation(self):
        return self.choose(
            [NoOperation(), Passed(), Absorbed(), OnModel(self.model().name)]
        )

    def draw_subclass(self):
        if self.chance(2):
            return self.draw_add(AddField)
        return self.draw_index(AddIndex)

    def draw_separate(self):
        if operation := self.draw_operation():
            return migrations.SeparateDatabaseAndState([operation], [operation])

    def draw_other_app(self):
        if ("other", "p") in self.state.models:
            return OtherApp(migrations.DeleteModel("P"))
        pk = ("id", models.AutoField(primary_key=True))
        return OtherApp(migrations.CreateModel("P", [pk, ("f", self.field())]))


@st.composite
def lists(draw, max_size=25):
    return ListBuilder(draw).build(draw(st.integers(1, max_size)))
