"""
Fields as other people write them: each overrides something that Django's own
fields leave alone, and migrations of generated projects use them.
"""

from django.db import models
from django.db.models.fields.related_descriptors import (
    ForwardManyToOneDescriptor,
    ReverseOneToOneDescriptor,
)

# Columns.


class FormCharField(models.CharField):
    """Differs from CharField in forms only."""

    def formfield(self, **kwargs):
        return super().formfield(**{"strip": False, **kwargs})


class StatusField(models.CharField):
    """Sets its own arguments, and leaves them out of migrations."""

    def __init__(self, *args, **kwargs):
        kwargs["max_length"] = 12
        kwargs["default"] = "new"
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_length"], kwargs["default"]
        return name, path, args, kwargs


class DefaultIntegerField(models.IntegerField):
    def get_default(self):
        return 7


class UpperDescriptor:
    def __init__(self, field):
        self.field = field

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        return instance.__dict__.get(self.field.name)

    def __set__(self, instance, value):
        if isinstance(value, str):
            value = value.upper()
        instance.__dict__[self.field.name] = value


class DescriptorField(models.CharField):
    """Sets a descriptor of its own on the class."""

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, name, UpperDescriptor(self))


class DescriptorClassField(models.CharField):
    descriptor_class = UpperDescriptor


class ChoicesField(models.IntegerField):
    """Adds a method and an attribute to the class."""

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, f"is_{name}", lambda obj: bool(getattr(obj, name)))
        cls.CHOICES_FIELD = self


class MoneyField(models.IntegerField):
    """
    Adds a field for the currency, unless the model has one, which is the case
    if migrations have been made with makemigrations.
    """

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        currency = f"{name}_currency"
        if not any(field.name == currency for field in cls._meta.local_fields):
            field = models.CharField(max_length=3, default="EUR", editable=False)
            cls.add_to_class(currency, field)


class OwnedField(models.IntegerField):
    """Adds a foreign key to the class."""

    def __init__(self, *args, owner=None, **kwargs):
        self.owner = owner
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        if self.owner is not None:
            kwargs["owner"] = self.owner
        return name, path, args, kwargs

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        if self.owner is not None:
            field = models.ForeignKey(
                self.owner, models.CASCADE, null=True, related_name=f"owned_{name}"
            )
            cls.add_to_class(f"{name}_owner", field)


def make_companion(model, name):
    """Make a model with a foreign key to another."""
    meta = {
        "app_label": model._meta.app_label,
        "apps": model._meta.apps,
        "db_table": f"companion_{name.lower()}",
    }
    attrs = {
        "Meta": type("Meta", (), meta),
        "__module__": model.__module__,
        "owner": models.ForeignKey(
            model, models.CASCADE, related_name=f"{name.lower()}_companions"
        ),
        "text": models.CharField(max_length=10, default=""),
    }
    return type(f"{model.__name__}{name.title()}", (models.Model,), attrs)


class CompanionField(models.CharField):
    """
    Makes a model with a foreign key to the model that has the field, as
    packages for histories and translations do.
    """

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        if not cls._meta.abstract:
            make_companion(cls, name)


class LateCompanionField(models.CharField):
    """Makes such a model once the model that has the field is prepared."""

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        if not cls._meta.abstract:
            models.signals.class_prepared.connect(self.finalize, sender=cls, weak=False)

    def finalize(self, sender, **kwargs):
        make_companion(sender, self.name)


class DbTypeField(models.Field):
    def db_type(self, connection):
        return "varchar(30)"


class DbParametersField(models.CharField):
    def db_parameters(self, connection):
        return {**super().db_parameters(connection), "type": "varchar(40)"}


class InternalTypeField(models.Field):
    def get_internal_type(self):
        return "BigIntegerField"


class CodeField(models.IntegerField):
    """Tells keys that refer to it which type to have."""

    def rel_db_type(self, connection):
        return "bigint"

    def cast_db_type(self, connection):
        return "bigint"


class LazyLengthField(models.CharField):
    """Leaves a setting out of migrations, and decides the type by it."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("max_length", 15)
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("max_length") == 15:
            del kwargs["max_length"]
        return name, "django.db.models.CharField", args, {**kwargs, "max_length": 15}


class ColumnNameField(models.IntegerField):
    def get_attname_column(self):
        attname, column = super().get_attname_column()
        return attname, f"{column}_col"


class AttnameField(models.IntegerField):
    """Has an attribute that isn't named as the field is."""

    def get_attname(self):
        return f"{self.name}_raw"


class PrefixedField(models.CharField):
    def set_attributes_from_name(self, name):
        super().set_attributes_from_name(name)
        self.column = f"p_{self.name}"


class StampField(models.IntegerField):
    def pre_save(self, model_instance, add):
        value = 1 if add else 2
        setattr(model_instance, self.attname, value)
        return value


class EncodedField(models.CharField):
    def from_db_value(self, value, expression, connection):
        return value and value.removeprefix("x:")

    def get_db_prep_save(self, value, connection):
        value = super().get_db_prep_save(value, connection)
        return value and f"x:{value}"


class CheckedField(models.IntegerField):
    def db_check(self, connection):
        return f"{connection.ops.quote_name(self.column)} >= 0"


class CastField(models.CharField):
    def cast_db_type(self, connection):
        return "varchar(99)"

    def select_format(self, compiler, sql, params):
        return f"({sql})", params


class NoColumnField(models.Field):
    """Has no column, as fields that are computed."""

    def db_type(self, connection):
        return None

    def get_attname_column(self):
        return self.get_attname(), None

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, private_only=True)


class FakeAwareField(models.CharField):
    """Adds a field to models other than those of migrations."""

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        if cls.__module__ != "__fake__":
            cls.add_to_class(f"{name}_shadow", models.IntegerField(null=True))


class OptionField(models.IntegerField):
    """Changes the options of the model that it's added to."""

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        if not cls._meta.ordering:
            cls._meta.ordering = [f"-{name}"]


# Relations.


class CustomForeignKey(models.ForeignKey):
    """Adds an attribute to the class."""

    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        setattr(cls, f"get_{name}_id", lambda obj: getattr(obj, self.attname))


class RelatedForeignKey(models.ForeignKey):
    """Adds an attribute to the class that it refers to."""

    def contribute_to_related_class(self, cls, related):
        super().contribute_to_related_class(cls, related)
        names = [*getattr(cls, "referred_by", ()), self.name]
        cls.referred_by = sorted(set(names))


class CustomRel(models.ManyToOneRel):
    def get_accessor_name(self, model=None):
        name = super().get_accessor_name(model)
        return name and f"{name}_all"


class RelForeignKey(models.ForeignKey):
    rel_class = CustomRel


class CustomForwardDescriptor(ForwardManyToOneDescriptor):
    pass


class DescriptorForeignKey(models.ForeignKey):
    forward_related_accessor_class = CustomForwardDescriptor


class ParentForeignKey(models.ForeignKey):
    """Sets its own arguments, and adds a counter to its target."""

    def __init__(self, to="self", on_delete=models.SET_NULL, **kwargs):
        kwargs["null"] = True
        super().__init__(to, on_delete, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("null", None)
        return name, path, args, kwargs


class ColumnForeignKey(models.ForeignKey):
    def get_attname_column(self):
        attname, column = super().get_attname_column()
        return attname, self.db_column or f"{self.name}_ref".lower()


class UnconstrainedForeignKey(models.ForeignKey):
    def __init__(self, *args, **kwargs):
        kwargs["db_constraint"] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_constraint", None)
        return name, path, args, kwargs


class CustomReverseDescriptor(ReverseOneToOneDescriptor):
    pass


class AutoOneToOneField(models.OneToOneField):
    related_accessor_class = CustomReverseDescriptor


class CustomOneToOneField(models.OneToOneField):
    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        cls.one_to_one_name = name

    def contribute_to_related_class(self, cls, related):
        super().contribute_to_related_class(cls, related)
        cls.one_to_one_related = related.name


class CustomManyToManyField(models.ManyToManyField):
    def contribute_to_class(self, cls, name, **kwargs):
        super().contribute_to_class(cls, name, **kwargs)
        cls.many_name = name

    def contribute_to_related_class(self, cls, related):
        super().contribute_to_related_class(cls, related)
        cls.many_related = related.name


class SortedManyToManyField(models.ManyToManyField):
    """Makes its own intermediary model, with a column for the order."""

    def contribute_to_class(self, cls, name, **kwargs):
        if not self.remote_field.through and not cls._meta.abstract:
            self.name = self.name or name
            self.remote_field.through = self.make_through(cls, name)
        super().contribute_to_class(cls, name, **kwargs)

    def make_through(self, cls, name):
        meta = {
            "app_label": cls._meta.app_label,
            "apps": cls._meta.apps,
            "auto_created": cls,
            "db_table": f"{cls._meta.db_table}_{name}".lower(),
            "db_tablespace": cls._meta.db_tablespace,
        }
        attrs = {
            "Meta": type("Meta", (), meta),
            "__module__": cls.__module__,
            "source": models.ForeignKey(cls, models.CASCADE, related_name="+"),
            "target": models.ForeignKey(
                self.remote_field.model, models.CASCADE, related_name="+"
            ),
            "sort_value": models.IntegerField(default=0),
        }
        return type(f"{cls.__name__}_{name}", (models.Model,), attrs)
