"""
Generated projects: apps whose migrations create, change, rename and remove
models that refer to each other, in graphs with branches.
"""

from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from hypothesis import strategies as st

APP_LABELS = ["ra", "rb", "rc"]


class Project:
    """The migrations of a project, by (app_label, name)."""

    def __init__(self, migrations=()):
        self.migrations = dict(migrations)

    def add(self, app_label, name, dependencies, operations):
        migration = migrations.Migration(name, app_label)
        migration.dependencies = list(dependencies)
        migration.operations = list(operations)
        self.migrations[app_label, name] = migration
        return app_label, name

    def copy(self):
        return Project(self.migrations)

    def get_graph(self):
        graph = MigrationGraph()
        for key, migration in self.migrations.items():
            graph.add_node(key, migration)
        for key, migration in self.migrations.items():
            for parent in migration.dependencies:
                graph.add_dependency(migration, key, parent)
        graph.validate_consistency()
        return graph

    def get_full_plan(self, graph=None):
        graph = graph or self.get_graph()
        plan = []
        for leaf in graph.leaf_nodes():
            for key in graph.forwards_plan(leaf):
                if key not in plan:
                    plan.append(key)
        return plan

    def get_state(self, plan=None, check=False):
        """Return the state after a plan, all of the migrations by default."""
        state = ProjectState()
        for key in self.get_full_plan() if plan is None else plan:
            migration = self.migrations[key]
            for operation in migration.operations:
                if check:
                    check_names(migration.app_label, operation, state)
                operation.state_forwards(migration.app_label, state)
                if check:
                    check_state(state)
        return state

    def get_leaves(self, app_label):
        graph = self.get_graph()
        return graph.leaf_nodes(app_label) if app_label in self.app_labels else []

    @property
    def app_labels(self):
        return {app_label for app_label, _ in self.migrations}

    def is_valid(self, key):
        """
        Return whether a migration can be applied with no more than what it
        depends on, and both before and after all others.
        """
        try:
            graph = self.get_graph()
            full_plan = self.get_full_plan(graph)
            needed = graph.forwards_plan(key)
            others = [other for other in full_plan if other not in needed]
            for plan in (full_plan, needed + others, needed):
                self.get_state(plan, check=True)
        except (LookupError, ValueError, KeyError, AttributeError):
            return False
        except Exception as e:  # FieldDoesNotExist, FieldError, ...
            if type(e).__module__.startswith("django"):
                return False
            raise
        return True

    def get_loader(self, connection):
        project = self

        class Loader(MigrationLoader):
            def load_disk(self):
                self.disk_migrations = dict(project.migrations)
                self.unmigrated_apps = set()
                self.migrated_apps = project.app_labels

        return Loader(connection)

    def get_executor(self, connection=connection):
        executor = MigrationExecutor(connection)
        executor.loader = self.get_loader(connection)
        return executor

    def __repr__(self):
        lines = []
        for key in self.get_full_plan():
            migration = self.migrations[key]
            lines.append(f"{'.'.join(key)} after {migration.dependencies}:")
            lines += [f"    {operation!r}" for operation in migration.operations]
        return "\n".join(lines)


def save_all(apps, schema_editor):
    """Write every row as it is, which needs a state with all columns."""
    for model in apps.get_models():
        for obj in model._default_manager.using(schema_editor.connection.alias).all():
            obj.save()


def check_names(app_label, operation, state):
    """Raise ValueError if an operation's names are taken or missing."""
    new_name = getattr(operation, "new_name", "")
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for state_operation in operation.state_operations:
            check_names(app_label, state_operation, state)
    elif isinstance(operation, migrations.CreateModel):
        if (app_label, operation.name_lower) in state.models:
            raise ValueError
    elif isinstance(operation, migrations.RenameModel):
        if (app_label, operation.new_name_lower) in state.models:
            raise ValueError
    elif isinstance(operation, migrations.AddField | migrations.RenameField):
        model_state = state.models[(app_label, operation.model_name_lower)]
        if (new_name or operation.name) in model_state.fields:
            raise ValueError
    elif isinstance(operation, migrations.AddIndex | migrations.AddConstraint):
        name = operation.deconstruct()[2].popitem()[1].name
        options = state.models[(app_label, operation.model_name_lower)].options
        if name in [obj.name for obj in options["indexes"] + options["constraints"]]:
            raise ValueError
    elif isinstance(operation, migrations.AlterField):
        model_state = state.models[(app_label, operation.model_name_lower)]
        if operation.name not in model_state.fields:
            raise ValueError
    elif isinstance(operation, migrations.RemoveIndex | migrations.RemoveConstraint):
        options = state.models[(app_label, operation.model_name_lower)].options
        if operation.name not in [obj.name for obj in options[operation.option_name]]:
            raise ValueError
    elif isinstance(operation, migrations.RenameIndex):
        options = state.models[(app_label, operation.model_name_lower)].options
        names = [index.name for index in options["indexes"]]
        if new_name in names or operation.old_name not in names:
            raise ValueError


def get_field_names(state, model_key):
    """Return the names of a model's fields, those of its parents included."""
    names = []
    model_state = state.models[model_key]
    for base in model_state.bases:
        if isinstance(base, str):
            names += get_field_names(state, tuple(base.lower().split(".")))
    return names + list(model_state.fields)


def check_state(state):
    """Raise an exception if the state has no models or can't have a schema."""
    for model_key, model_state in state.models.items():
        names = get_field_names(state, model_key)
        if len(names) != len(set(names)):
            raise ValueError("Fields clash.")
        for field in model_state.fields.values():
            if field.is_relation:
                label = field.remote_field.model
                related_key = (
                    model_key if label == "self" else tuple(label.lower().split("."))
                )
                related_names = get_field_names(state, related_key)
                if (getattr(field, "to_fields", None) or [None])[0] not in [
                    None,
                    *related_names,
                ]:
                    raise ValueError("A referenced field is missing.")
        options = model_state.options
        used = [name for obj in options["indexes"] for name in obj.fields]
        used += [name for obj in options["constraints"] for name in obj.fields]
        used += [name for names in options.get("unique_together", ()) for name in names]
        used += [options.get("order_with_respect_to") or "id"]
        if set(used) - {*names, "id"}:
            raise ValueError("An option names a missing field.")


class ProjectBuilder:
    """Adds operations that suit what there is, as told by draw()."""

    def __init__(self, draw, reuse_names=False, operations=None):
        self.draw = draw
        self.reuse_names = reuse_names
        self.project = Project()
        self.counter = 0
        self.allowed = operations or [
            name.removeprefix("op_") for name in vars(type(self)) if name[:3] == "op_"
        ]

    def choose(self, values):
        return self.draw(st.sampled_from(list(values)))

    def new_name(self, prefix):
        if self.reuse_names:
            return prefix + self.choose("xyz")
        self.counter += 1
        return f"{prefix}{self.counter}"

    def build(self, size):
        for app_label in APP_LABELS[:2]:
            create = self.op_create_model(app_label, ProjectState())
            self.project.add(app_label, "0001", [], [create])
        for _ in range(size):
            self.add_migration()
        return self.project

    def add_migration(self):
        app_label = self.choose(APP_LABELS)
        own_keys = [key for key in self.project.migrations if key[0] == app_label]
        name = f"{len(own_keys) + 1:04}"
        if own_keys and self.draw(st.integers(0, 4)) == 0:
            parents = [self.choose(own_keys)]
        else:
            parents = self.project.get_leaves(app_label)
        others = {
            leaf
            for other in self.project.app_labels - {app_label}
            for leaf in self.project.get_leaves(other)
        }
        state = self.project.get_state()
        operations = []
        for _ in range(self.draw(st.integers(1, 3))):
            operation = getattr(self, "op_" + self.choose(self.allowed))(
                app_label, state
            )
            if operation is None:
                continue
            for dependencies in (parents, [*parents, *sorted(others)]):
                project = self.project.copy()
                new = [*operations, operation]
                key = project.add(app_label, name, dependencies, new)
                if project.is_valid(key):
                    self.project = project
                    state = project.get_state()
                    operations, parents = new, dependencies
                    break

    # Choices from a state.

    def some_model(self, app_label, state, **options):
        model_states = [
            model_state
            for (label, _), model_state in state.models.items()
            if label == app_label
            and all(
                bool(model_state.options.get(name)) is value
                for name, value in options.items()
            )
        ]
        return self.choose(model_states) if model_states else None

    def some_field(self, model_state, condition=lambda field: True):
        names = [
            name
            for name, field in model_state.fields.items()
            if not field.primary_key and condition(field)
        ]
        return self.choose(names) if names else None

    def any_target(self, state):
        keys = [
            key
            for key, model_state in state.models.items()
            if not model_state.options.get("proxy")
        ]
        return state.models[self.choose(keys)] if keys else None

    def column(self):
        kind = self.choose(["char", "int", "unique"])
        if kind == "char":
            return models.CharField(
                max_length=self.choose([20, 30]),
                null=self.draw(st.booleans()),
                db_index=self.draw(st.booleans()),
                default="c",
            )
        if kind == "unique":
            return models.IntegerField(null=True, unique=True)
        return models.IntegerField(null=True, default=1)

    def relation(self, state):
        target = self.any_target(state)
        if target is None:
            return None
        label = f"{target.app_label}.{target.name}"
        kind = self.choose(["fk", "fk", "o2o", "m2m", "to_field"])
        if kind == "m2m":
            return models.ManyToManyField(label, related_name="+")
        kwargs = {"null": True, "related_name": "+", "on_delete": models.CASCADE}
        if kind == "to_field":
            unique = self.some_field(
                target, lambda field: field.unique and not field.is_relation
            )
            if unique:
                return models.ForeignKey(label, to_field=unique, **kwargs)
        if kind == "o2o":
            return models.OneToOneField(label, **kwargs)
        return models.ForeignKey(label, **kwargs)

    # Operations.

    def op_create_model(self, app_label, state):
        fields = [("id", models.BigAutoField(primary_key=True))]
        bases = None
        parent = self.any_target(state)
        if parent and self.draw(st.integers(0, 5)) == 0:
            bases = (f"{parent.app_label}.{parent.name_lower}",)
            fields = []
        for _ in range(self.draw(st.integers(0, 3))):
            field = self.column()
            if self.draw(st.booleans()):
                field = self.relation(state) or field
            fields.append((self.new_name("f"), field))
        return migrations.CreateModel(
            self.new_name("M"), list(dict(fields).items()), bases=bases
        )

    def op_create_proxy(self, app_label, state):
        if model_state := self.some_model(app_label, state, proxy=False):
            base = f"{app_label}.{model_state.name_lower}"
            name = self.new_name("P")
            return migrations.CreateModel(name, [], {"proxy": True}, (base,))

    def op_delete_model(self, app_label, state):
        if model_state := self.some_model(app_label, state):
            return migrations.DeleteModel(model_state.name)

    def op_rename_model(self, app_label, state):
        if model_state := self.some_model(app_label, state):
            return migrations.RenameModel(model_state.name, self.new_name("M"))

    def op_add_field(self, app_label, state):
        if model_state := self.some_model(app_label, state, proxy=False):
            field = self.column()
            # Without its default the field's removal couldn't be undone.
            preserve_default = not field.null or self.draw(st.booleans())
            return migrations.AddField(
                model_state.name, self.new_name("f"), field, preserve_default
            )

    def op_add_relation(self, app_label, state):
        model_state = self.some_model(app_label, state, proxy=False)
        if model_state and (field := self.relation(state)):
            return migrations.AddField(model_state.name, self.new_name("f"), field)

    def op_add_self_relation(self, app_label, state):
        if model_state := self.some_model(app_label, state, proxy=False):
            field = models.ForeignKey(
                "self", models.CASCADE, null=True, related_name="+"
            )
            return migrations.AddField(model_state.name, self.new_name("f"), field)

    def op_remove_field(self, app_label, state):
        model_state = self.some_model(app_label, state)
        if model_state and (name := self.some_field(model_state)):
            return migrations.RemoveField(model_state.name, name)

    def op_alter_field(self, app_label, state):
        if not (model_state := self.some_model(app_label, state)):
            return
        if self.draw(st.booleans()) and "id" in model_state.fields:
            field = self.choose([models.AutoField, models.BigAutoField])
            return migrations.AlterField(
                model_state.name, "id", field(primary_key=True)
            )
        name = self.some_field(model_state, lambda field: not field.many_to_many)
        if not name:
            return
        old_field = model_state.fields[name]
        field = old_field.clone()
        if old_field.is_relation:
            field.db_index = field._db_index = not old_field.db_index
        elif old_field.get_internal_type() == "CharField":
            field = self.column()
            if field.get_internal_type() != "CharField":
                return
        elif old_field.unique:
            field = models.BigIntegerField(null=True, unique=True)
        else:
            field = models.BigIntegerField(null=True, default=2)
        return migrations.AlterField(model_state.name, name, field)

    def op_rename_field(self, app_label, state):
        model_state = self.some_model(app_label, state)
        if model_state and (name := self.some_field(model_state)):
            return migrations.RenameField(model_state.name, name, self.new_name("f"))

    def op_add_index(self, app_label, state):
        model_state = self.some_model(app_label, state, proxy=False)
        if not model_state:
            return
        name = self.some_field(model_state, lambda field: not field.many_to_many)
        if name:
            index = models.Index(fields=[name], name=self.new_name("i"))
            if self.draw(st.booleans()):
                return migrations.AddIndex(model_state.name, index)
            constraint = models.UniqueConstraint(
                fields=[name, "id"], name=self.new_name("u")
            )
            if "id" in model_state.fields:
                return migrations.AddConstraint(model_state.name, constraint)

    def op_remove_index(self, app_label, state):
        if model_state := self.some_model(app_label, state, indexes=True):
            index = self.choose(model_state.options["indexes"])
            if self.draw(st.booleans()):
                return migrations.RenameIndex(
                    model_state.name, self.new_name("i"), index.name
                )
            return migrations.RemoveIndex(model_state.name, index.name)

    def op_remove_constraint(self, app_label, state):
        if model_state := self.some_model(app_label, state, constraints=True):
            constraint = self.choose(model_state.options["constraints"])
            return migrations.RemoveConstraint(model_state.name, constraint.name)

    def op_alter_unique_together(self, app_label, state):
        model_state = self.some_model(app_label, state, proxy=False)
        if model_state and "id" in model_state.fields:
            name = self.some_field(model_state, lambda field: not field.many_to_many)
            value = [("id", name)] if name and self.draw(st.booleans()) else []
            return migrations.AlterUniqueTogether(model_state.name, value)

    def op_alter_table(self, app_label, state):
        if model_state := self.some_model(app_label, state, proxy=False):
            table = self.choose([None, f"{app_label}_{self.new_name('t')}"])
            return migrations.AlterModelTable(model_state.name, table)

    def op_alter_options(self, app_label, state):
        if model_state := self.some_model(app_label, state):
            options = self.choose([{}, {"ordering": ["pk"]}, {"verbose_name": "v"}])
            return migrations.AlterModelOptions(model_state.name, options)

    def op_alter_managers(self, app_label, state):
        if model_state := self.some_model(app_label, state):
            managers = self.choose([[], [("things", models.Manager())]])
            return migrations.AlterModelManagers(model_state.name, managers)

    def op_alter_order(self, app_label, state):
        model_state = self.some_model(app_label, state, proxy=False)
        if model_state and not model_state.options.get("order_with_respect_to"):
            if name := self.some_field(
                model_state, lambda field: field.many_to_one and not field.unique
            ):
                return migrations.AlterOrderWithRespectTo(model_state.name, name)
        elif model_state:
            return migrations.AlterOrderWithRespectTo(model_state.name, None)

    def op_run_python(self, app_label, state):
        return migrations.RunPython(migrations.RunPython.noop, save_all)

    def op_separate(self, app_label, state):
        operation = self.op_add_field(app_label, state)
        if operation:
            return migrations.SeparateDatabaseAndState([operation], [operation])

    def op_run_sql(self, app_label, state):
        operation = self.op_alter_options(app_label, state)
        return migrations.RunSQL(
            migrations.RunSQL.noop,
            migrations.RunSQL.noop,
            state_operations=[operation] if operation else [],
        )


@st.composite
def projects(draw, max_size=8, **kwargs):
    size = draw(st.integers(1, max_size))
    return ProjectBuilder(draw, **kwargs).build(size)
