"""Operations as other people write them."""

from django.db import models
from django.db.migrations import AddField, AlterField, CreateModel, RemoveField
from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.fields import FieldOperation


class SetOption(Operation):
    """Change a model state in place, and say so."""

    def __init__(self, model_name, option, value, delay=False):
        self.model_name = model_name
        self.option = option
        self.value = value
        self.delay = delay

    def state_forwards(self, app_label, state):
        key = app_label, self.model_name.lower()
        options = state.models[key].options
        state.models[key].options = {**options, self.option: self.value}
        state.reload_model(*key, delay=self.delay)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        pass

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        pass

    def describe(self):
        return f"Set {self.option} of {self.model_name}"


class SetOptionInPlace(SetOption):
    """Change even the dictionary of options."""

    def state_forwards(self, app_label, state):
        key = app_label, self.model_name.lower()
        state.models[key].options[self.option] = self.value
        state.reload_model(*key, delay=self.delay)


class AddColumn(Operation):
    """Add a field to a model state in place, and a column by the classes."""

    def __init__(self, model_name, name, field):
        self.model_name = model_name
        self.name = name
        self.field = field

    def state_forwards(self, app_label, state):
        key = app_label, self.model_name.lower()
        state.models[key].fields[self.name] = self.field.clone()
        state.reload_model(*key)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            old_model = from_state.apps.get_model(app_label, self.model_name)
            field = model._meta.get_field(self.name)
            schema_editor.add_field(old_model, field)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            schema_editor.remove_field(model, model._meta.get_field(self.name))


class SetBases(Operation):
    """Give a model other bases, without a change of the schema."""

    def __init__(self, model_name, bases):
        self.model_name = model_name
        self.bases = bases

    def state_forwards(self, app_label, state):
        key = app_label, self.model_name.lower()
        state.models[key].bases = self.bases
        state.reload_model(*key)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        pass

    database_backwards = database_forwards


class Wrapper(Operation):
    """Do what another operation does."""

    def __init__(self, operation):
        self.operation = operation

    def state_forwards(self, app_label, state):
        self.operation.state_forwards(app_label, state)

    def database_forwards(self, *args):
        self.operation.database_forwards(*args)

    def database_backwards(self, *args):
        self.operation.database_backwards(*args)

    def describe(self):
        return f"Wrapped: {self.operation.describe()}"


class AddFieldTwice(AddField):
    """Add a second field to the state and the database."""

    @property
    def second(self):
        name = f"{self.name}_twin"
        return AddField(self.model_name, name, models.IntegerField(null=True))

    def state_forwards(self, app_label, state):
        super().state_forwards(app_label, state)
        self.second.state_forwards(app_label, state)

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        for operation in (super(), self.second):
            operation.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label, schema_editor, from_state, to_state):
        for operation in (self.second, super()):
            operation.database_backwards(app_label, schema_editor, from_state, to_state)


class NoBackwards(Operation):
    """A base with a method that once had another meaning."""

    def state_backwards(self, *args, **kwargs):
        pass


class NoBackwardsAddField(NoBackwards, AddField):
    pass


class NoBackwardsAlterField(AlterField):
    def state_backwards(self, *args, **kwargs):
        pass

    def state_forwards(self, app_label, state):
        super().state_forwards(app_label, state)


class LoggedCreateModel(CreateModel):
    """Create a model, and a view of its table by hand."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        model = to_state.apps.get_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            table = schema_editor.quote_name(model._meta.db_table)
            schema_editor.execute(f"UPDATE {table} SET id = id")


class SoftRemoveField(RemoveField):
    """Write to the column before it's removed."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            manager = model._base_manager.using(schema_editor.connection.alias)
            manager.filter(**{f"{self.name}__isnull": True}).count()
        super().database_forwards(app_label, schema_editor, from_state, to_state)


class FillField(FieldOperation):
    """Write data, by the model class."""

    def __init__(self, model_name, name, value):
        self.value = value
        super().__init__(model_name, name)

    def state_forwards(self, app_label, state):
        pass

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            manager = model._base_manager.using(schema_editor.connection.alias)
            manager.update(**{self.name: self.value})

    database_backwards = database_forwards
