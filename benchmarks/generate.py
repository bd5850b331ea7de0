"""
Generate a synthetic Django project with a long migration history.

The history is built as real operations on a ``ProjectState``, so that the
migrations, and the ``models.py`` files written from the state they end in,
agree: ``makemigrations --check`` finds nothing. The same options always give
the same files.

    python generate.py TARGET --apps 20 --models 150 --migrations 600
"""

import argparse
import datetime
import decimal
import itertools
import random
import shutil
import sys
import uuid
from collections import defaultdict
from pathlib import Path

import django
from django.conf import settings
from django.db import migrations, models
from django.db.migrations.serializer import serializer_factory
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import MigrationWriter
from django.db.models import Q

CONTRIB_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sites",
]
USER = ("auth", "user")
# Every app depends on it, since Django can't unapply a model's rename with a
# state in which the table of content types is an older one.
CONTENT_TYPES = ("contenttypes", "0002_remove_content_type_name")

# Kind of column: (field class, arguments, default). The defaults are constant
# since a default that changes from run to run would change the SQL.
COLUMNS = {
    "char": (models.CharField, {"max_length": 50}, ""),
    "slug": (models.SlugField, {}, ""),
    "integer": (models.IntegerField, {}, 0),
    "boolean": (models.BooleanField, {}, False),
    "date": (models.DateField, {}, datetime.date(2000, 1, 1)),
    "decimal": (
        models.DecimalField,
        {"max_digits": 9, "decimal_places": 2},
        decimal.Decimal("0"),
    ),
    "uuid": (models.UUIDField, {}, uuid.UUID(int=0)),
    "text": (models.TextField, {}, ""),
    "json": (models.JSONField, {}, dict),
}
NOT_INDEXABLE = ("text", "json")

# What a migration does, by weight.
WEIGHTS = {
    "add_column": 30,
    "add_foreign_key": 6,
    "add_many_to_many": 3,
    "alter_column": 14,
    "alter_foreign_key": 2,
    "alter_primary_key": 0.5,
    "alter_hub_key": 0.2,
    "remove_field": 8,
    "rename_field": 5,
    "rename_model": 1.5,
    "delete_model": 1.5,
    "alter_table": 0.5,
    "alter_options": 6,
    "alter_order_with_respect_to": 0.5,
    "alter_unique_together": 3,
    "add_index": 6,
    "rename_index": 1,
    "remove_index": 2,
    "add_constraint": 4,
    "remove_constraint": 2,
}

DATA_MIGRATION = """\
from django.db import migrations


def forwards(apps, schema_editor):
    {model} = apps.get_model("{app_label}", "{model}")
    for instance in {model}.objects.{related}order_by("pk"):
        instance.save()


def backwards(apps, schema_editor):
    {model} = apps.get_model("{app_label}", "{model}")
    {model}.objects.filter(pk__lt=0).delete()


class Migration(migrations.Migration):

    dependencies = [
{dependencies}
    ]

    operations = [
        migrations.RunPython(forwards, {reverse}),
    ]
"""

SETTINGS = """\
import json
import os

SECRET_KEY = "synthetic"
USE_TZ = True
SILENCED_SYSTEM_CHECKS = ["fields.W161"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = {apps}
DATABASES = {{
    "default": json.loads(
        os.environ.get(
            "DATABASE",
            '{{"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}',
        )
    )
}}
"""

MANAGE = """\
import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
"""


def target(field):
    """Return the key of the model that a relation in a state points at."""
    app_label, model_name = field.remote_field.model.lower().split(".")
    return app_label, model_name


def altered(field, **changes):
    """Return a copy of ``field`` with some of its arguments changed."""
    _, _, args, kwargs = field.deconstruct()
    return type(field)(*args, **{**kwargs, **changes})


class History:
    """
    A project's history in the making: the state so far and the graph.

    Dependencies are what ``makemigrations`` writes (the previous migration of
    the app, the latest one of each app referred to) and one thing more. An
    operation that rewrites the tables of *other* apps, for instance a model's
    rename, is ordered against all migrations of those apps, as otherwise
    Django may unapply it with a state that lacks some of their columns, and
    drop these.
    """

    def __init__(self, root, apps, models, migrations, data, seed):
        self.root = root
        self.labels = [f"app{i:02}" for i in range(apps)]
        self.size = {"models": models, "migrations": migrations}
        self.data = data
        self.random = random.Random(seed)
        self.serial = itertools.count(1)
        self.state = ProjectState()
        self.hubs = []
        self.through = set()
        self.bases = set()
        # Latest migration of each app.
        self.tails = {}
        # Migrations since then that rewrote tables of the app.
        self.rewrites = defaultdict(set)
        self.numbers = defaultdict(lambda: itertools.count(1))
        # Apps that ever referred to a model.
        self.referrers = defaultdict(set)
        self.reset()

    def reset(self):
        """Forget what belongs to the migration just written."""
        self.dependencies = set()
        self.rewritten = set()
        self.busy = set()

    def run(self):
        """Write the migrations of the whole history."""
        hubs = max(2, len(self.labels) // 10)
        initial = self.size["models"] // 2 // len(self.labels)
        for i, label in enumerate(self.labels):
            operations = []
            for j in range(initial):
                operations += self.create_model(label, hub=i < hubs and j == 0)
            self.write(label, operations, "initial")
        popularity = [self.random.paretovariate(3) for _ in self.labels]
        for number in range(len(self.labels), self.size["migrations"]):
            progress = (number + 1) / self.size["migrations"]
            wanted = int(self.size["models"] * (1 + progress) / 2)
            (label,) = self.random.choices(self.labels, popularity)
            if self.random.random() < self.data:
                self.write_data(label)
            elif len(self.state.models) < wanted:
                self.write(label, self.create_model(label))
            else:
                self.write(label, self.change(label))

    # Choices.

    def chance(self, probability):
        return self.random.random() < probability

    def name(self, prefix):
        return f"{prefix}_{next(self.serial)}"

    def models_of(self, label, proxies=False):
        """Return the models of an app that this migration left alone."""
        return [
            key
            for key, model in self.state.models.items()
            if key[0] == label
            and key not in self.busy
            and (proxies or not model.options.get("proxy"))
        ]

    def used(self, key):
        """Return the names of fields that others in the model refer to."""
        model = self.state.models[key]
        options = model.options
        names = {"id", "code", options.get("order_with_respect_to")}
        names.update(options.get("ordering") or ())
        for together in options.get("unique_together") or ():
            names.update(together)
        for item in (*options["indexes"], *options["constraints"]):
            names.update(getattr(item, "fields", ()))
            if isinstance(item, models.CheckConstraint):
                names.update(name.split("__")[0] for name, _ in item.condition.children)
        for name, field in model.fields.items():
            if field.primary_key or (key in self.through and field.is_relation):
                names.add(name)
        return names

    def pick(self, label, condition, free=True):
        """
        Return (key, name, field) of a random field of the app, or None.

        ``condition`` is given the field; ``free`` leaves out those that an
        index or the like refers to.
        """
        keys = self.models_of(label)
        self.random.shuffle(keys)
        for key in keys:
            used = self.used(key) if free else ()
            found = [
                (key, name, field)
                for name, field in self.state.models[key].fields.items()
                if name not in used and condition(field)
            ]
            if found:
                return self.random.choice(found)

    def indexable(self, key):
        return [
            name
            for name, field in self.state.models[key].fields.items()
            if not field.is_relation
            and not field.primary_key
            and not isinstance(field, (models.TextField, models.JSONField))
        ]

    # Fields.

    def column(self, existing):
        """
        Return (name, field, one-off default or None).

        A column of an ``existing`` table has to be nullable, or needs a
        default, at least once.
        """
        kind = self.random.choice(list(COLUMNS))
        field_class, kwargs, default = COLUMNS[kind]
        style = self.random.choices(["null", "default", "one-off"], [4, 4, 2])[0]
        kwargs = dict(kwargs)
        if style == "null":
            kwargs.update(null=True, blank=True)
        elif style == "default":
            kwargs["default"] = default
        if kind not in NOT_INDEXABLE:
            kwargs["db_index"] = self.chance(0.1)
        one_off = default if style == "one-off" and existing else None
        return self.name(kind), field_class(**kwargs), one_off

    def refer(self, label, to):
        """Note that a model of app ``label`` refers to the model ``to``."""
        self.referrers[to].add(label)
        for base in self.state.models[to].bases if to in self.state.models else ():
            if isinstance(base, str):
                self.referrers[tuple(base.split("."))].add(label)
        if to == USER:
            self.dependencies.add(("__setting__", "AUTH_USER_MODEL"))
        elif to[0] != label:
            self.dependencies.add((to[0], self.tails[to[0]]))

    def primary_key(self):
        auto_field = self.random.choice([models.AutoField, models.BigAutoField])
        return auto_field(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        )

    def relation_target(self, label):
        choice = self.random.random()
        if choice < 0.1:
            return USER
        if choice < 0.3 and self.hubs:
            return self.random.choice(self.hubs)
        own = self.models_of(label)
        if choice < 0.7 and own:
            return self.random.choice(own)
        others = [key for key in self.state.models if key[0] in self.tails]
        return self.random.choice(others) if others else USER

    def foreign_key(self, key, to=None, existing=True):
        """Return (name, field, one-off default or None)."""
        to = to or self.relation_target(key[0])
        self.refer(key[0], to)
        name = self.name("fk")
        model = self.state.models.get(key)
        kwargs = {"to": ".".join(to), "related_name": f"{name}_set"}
        if to in self.hubs:
            first = model and not any(
                field.is_relation and target(field) == to
                for field in model.fields.values()
            )
            if first and self.chance(0.3):
                del kwargs["related_name"]
            if self.chance(0.15):
                kwargs["to_field"] = "code"
        one_off = None
        if self.chance(0.6) or to == USER or to == key:
            kwargs.update(null=True, on_delete=models.SET_NULL)
        else:
            kwargs["on_delete"] = self.random.choice([models.CASCADE, models.PROTECT])
            if existing:
                one_off = "x" if "to_field" in kwargs else 1
        field_class = (
            models.OneToOneField
            if not existing and self.chance(0.1)
            else models.ForeignKey
        )
        return name, field_class(**kwargs), one_off

    # Operations. Each method returns a list of operations; an empty one if
    # the app has nothing to do that to.

    def change(self, label):
        """Return operations on one to three models of the app."""
        operations = []
        kinds = list(WEIGHTS)
        weights = list(WEIGHTS.values())
        for _ in range(self.random.choices([1, 2, 3], [60, 25, 15])[0]):
            (kind,) = self.random.choices(kinds, weights)
            made = getattr(self, kind)(label)
            operations += made
        # There is always something that can be given a new column.
        return operations or self.add_column(label) or self.create_model(label)

    def apply(self, label, operation, key=None):
        """Apply an operation to the state; return it in a list."""
        operation.state_forwards(label, self.state)
        if key:
            self.busy.add(key)
        return [operation]

    def rewrite(self, key):
        """Note that an operation rewrites the tables that refer to a model."""
        for label in self.referrers[key] - {key[0]}:
            self.dependencies |= {(label, self.tails[label]), *self.rewrites[label]}
            self.rewritten.add(label)

    def create_model(self, label, hub=False):
        name = f"Model{next(self.serial):04}"
        key = label, name.lower()
        bases = (models.Model,)
        options = {}
        # Bases come from this app or an earlier one, so that the models.py
        # files import each other without a cycle.
        candidates = [
            other
            for other, model in self.state.models.items()
            if other[0] <= label
            and other not in self.hubs
            and other not in self.through
            and model.bases == (models.Model,)
        ]
        kind = "plain"
        if candidates and not hub:
            kind = self.random.choices(["plain", "child", "proxy"], [90, 6, 4])[0]
        fields = []
        if kind != "plain":
            base = self.random.choice(candidates)
            self.bases.add(base)
            self.refer(label, base)
            bases = (f"{base[0]}.{base[1]}",)
        if kind == "proxy":
            options["proxy"] = True
        elif kind == "child":
            pointer = models.OneToOneField(
                bases[0],
                models.CASCADE,
                auto_created=True,
                parent_link=True,
                primary_key=True,
                serialize=False,
            )
            fields.append((f"{base[1]}_ptr", pointer))
        else:
            fields.append(("id", self.primary_key()))
        if hub:
            fields.append(("code", models.CharField(max_length=50, unique=True)))
            self.hubs.append(key)
        if kind != "proxy":
            for _ in range(self.random.randint(2, 5)):
                fields.append(self.column(existing=False)[:2])
            for _ in range(self.random.choices([0, 1, 2], [5, 4, 1])[0]):
                fields.append(self.foreign_key(key, existing=False)[:2])
        return self.apply(
            label, migrations.CreateModel(name, fields, options, bases), key
        )

    def add_field(self, key, name, field, one_off=None):
        preserve_default = one_off is None
        if not preserve_default:
            field.default = one_off
        return self.apply(
            key[0],
            migrations.AddField(key[1], name, field, preserve_default),
            key,
        )

    def add_column(self, label):
        keys = self.models_of(label)
        if not keys:
            return []
        return self.add_field(self.random.choice(keys), *self.column(existing=True))

    def add_foreign_key(self, label):
        keys = [key for key in self.models_of(label) if key not in self.through]
        if not keys:
            return []
        key = self.random.choice(keys)
        return self.add_field(key, *self.foreign_key(key))

    def add_many_to_many(self, label):
        keys = [key for key in self.models_of(label) if key not in self.through]
        if not keys:
            return []
        key = self.random.choice(keys)
        to = self.relation_target(label)
        name = self.name("m2m")
        kwargs = {"to": ".".join(to), "related_name": f"{name}_set"}
        operations = []
        if self.chance(0.3) and to != key:
            through = f"Through{next(self.serial):04}"
            fields = [
                ("id", self.primary_key()),
                self.foreign_key((label, through.lower()), key, False)[:2],
                self.foreign_key((label, through.lower()), to, False)[:2],
            ]
            through_key = label, through.lower()
            operations = self.apply(
                label, migrations.CreateModel(through, fields), through_key
            )
            self.through.add(through_key)
            self.refer(label, through_key)
            kwargs["through"] = f"{label}.{through}"
        self.refer(label, to)
        return operations + self.add_field(key, name, models.ManyToManyField(**kwargs))

    def alter(self, key, name, field, preserve_default=True):
        return self.apply(
            key[0],
            migrations.AlterField(key[1], name, field, preserve_default),
            key,
        )

    def alter_column(self, label):
        found = self.pick(label, lambda field: not field.is_relation)
        if not found:
            return []
        key, name, field = found
        change = self.random.choice(["null", "type", "help_text"])
        if change == "null":
            kind = next(
                (k for k, (cls, _, _) in COLUMNS.items() if type(field) is cls),
                None,
            )
            if kind and field.null:
                field = altered(field, null=False, default=COLUMNS[kind][2])
                return self.alter(key, name, field, preserve_default=False)
            return self.alter(key, name, altered(field, null=True))
        if change == "type":
            if type(field) is models.CharField:
                length = min(255, field.max_length * 2)
                return self.alter(key, name, altered(field, max_length=length))
            if type(field) is models.IntegerField:
                _, _, args, kwargs = field.deconstruct()
                return self.alter(key, name, models.BigIntegerField(*args, **kwargs))
        return self.alter(key, name, altered(field, help_text=self.name("help")))

    def alter_foreign_key(self, label):
        found = self.pick(
            label, lambda field: isinstance(field, models.ForeignKey), free=False
        )
        if not found or found[2].primary_key:
            return []
        key, name, field = found
        if field.null:
            field = altered(
                field, on_delete=models.CASCADE, db_index=not field.db_index
            )
        else:
            field = altered(field, null=True, on_delete=models.SET_NULL)
        return self.alter(key, name, field)

    def alter_primary_key(self, label):
        found = self.pick(
            label, lambda field: type(field) is models.AutoField, free=False
        )
        if not found:
            return []
        key, name, field = found
        self.rewrite(key)
        _, _, args, kwargs = field.deconstruct()
        return self.alter(key, name, models.BigAutoField(*args, **kwargs))

    def alter_hub_key(self, label):
        keys = [key for key in self.models_of(label) if key in self.hubs]
        if not keys:
            return []
        key = self.random.choice(keys)
        field = self.state.models[key].fields["code"]
        self.rewrite(key)
        length = min(255, field.max_length + 10)
        return self.alter(key, "code", altered(field, max_length=length))

    def remove_field(self, label):
        found = self.pick(label, lambda field: True)
        if not found:
            return []
        key, name, _ = found
        return self.apply(label, migrations.RemoveField(key[1], name), key)

    def rename_field(self, label):
        found = self.pick(label, lambda field: True)
        if not found:
            return []
        key, name, _ = found
        new_name = self.name(name.split("_")[0])
        return self.apply(label, migrations.RenameField(key[1], name, new_name), key)

    def movable(self, label):
        """Return the models that can be renamed or deleted."""
        return [
            key
            for key in self.models_of(label)
            if key not in self.bases
            and key not in self.hubs
            and key not in self.through
        ]

    def rename_model(self, label):
        keys = self.movable(label)
        if not keys:
            return []
        key = self.random.choice(keys)
        old_name = self.state.models[key].name
        new_name = f"Model{next(self.serial):04}"
        new_key = label, new_name.lower()
        self.rewrite(key)
        self.referrers[new_key] = self.referrers.pop(key)
        return self.apply(label, migrations.RenameModel(old_name, new_name), new_key)

    def delete_model(self, label):
        referred = {
            target(field)
            for other, model in self.state.models.items()
            for field in model.fields.values()
            if field.is_relation
        }
        keys = [key for key in self.movable(label) if key not in referred]
        if len(keys) < 2:
            return []
        key = self.random.choice(keys)
        self.rewrite(key)
        self.referrers.pop(key, None)
        name = self.state.models[key].name
        return self.apply(label, migrations.DeleteModel(name), key)

    def alter_table(self, label):
        keys = self.models_of(label)
        if not keys:
            return []
        key = self.random.choice(keys)
        self.rewrite(key)
        operation = migrations.AlterModelTable(key[1], self.name(f"{label}_table"))
        return self.apply(label, operation, key)

    def alter_options(self, label):
        keys = self.models_of(label, proxies=True)
        if not keys:
            return []
        key = self.random.choice(keys)
        model = self.state.models[key]
        options = {"verbose_name": self.name("name").replace("_", " ")}
        names = self.indexable(key)
        if names and "order_with_respect_to" not in model.options:
            options["ordering"] = [self.random.choice(names)]
        operation = migrations.AlterModelOptions(key[1], options)
        return self.apply(label, operation, key)

    def alter_order_with_respect_to(self, label):
        found = self.pick(label, lambda field: type(field) is models.ForeignKey)
        if not found:
            return []
        key, name, _ = found
        # A column of that order must not be inherited besides.
        own = ".".join(key)
        bases = self.state.models[key].bases
        relatives = [
            model
            for other, model in self.state.models.items()
            if ".".join(other) in bases or own in model.bases
        ]
        options = self.state.models[key].options
        if "ordering" in options or any(
            "order_with_respect_to" in model.options
            for model in (self.state.models[key], *relatives)
        ):
            return []
        operation = migrations.AlterOrderWithRespectTo(key[1], name)
        return self.apply(label, operation, key)

    def alter_unique_together(self, label):
        keys = [key for key in self.models_of(label) if len(self.indexable(key)) > 1]
        if not keys:
            return []
        key = self.random.choice(keys)
        together = set()
        if not self.state.models[key].options.get("unique_together"):
            together.add(tuple(self.random.sample(self.indexable(key), 2)))
        operation = migrations.AlterUniqueTogether(key[1], together)
        return self.apply(label, operation, key)

    def add_index(self, label):
        keys = [key for key in self.models_of(label) if self.indexable(key)]
        if not keys:
            return []
        key = self.random.choice(keys)
        fields = [self.random.choice(self.indexable(key))]
        keys_of_others = [
            name
            for name, field in self.state.models[key].fields.items()
            if isinstance(field, models.ForeignKey) and not field.primary_key
        ]
        if keys_of_others and self.chance(0.4):
            fields.insert(0, self.random.choice(keys_of_others))
        index = models.Index(fields=fields, name=self.name("index"))
        return self.apply(label, migrations.AddIndex(key[1], index), key)

    def existing(self, label, option):
        """Return (key, name of an index or constraint) or None."""
        found = [
            (key, item.name)
            for key in self.models_of(label)
            for item in self.state.models[key].options[option]
        ]
        return self.random.choice(found) if found else None

    def rename_index(self, label):
        found = self.existing(label, "indexes")
        if not found:
            return []
        key, name = found
        operation = migrations.RenameIndex(key[1], self.name("index"), old_name=name)
        return self.apply(label, operation, key)

    def remove_index(self, label):
        found = self.existing(label, "indexes")
        if not found:
            return []
        key, name = found
        return self.apply(label, migrations.RemoveIndex(key[1], name), key)

    def add_constraint(self, label):
        if self.chance(0.5):
            found = self.pick(label, lambda field: type(field) is models.IntegerField)
            if not found:
                return []
            key, name, _ = found
            constraint = models.CheckConstraint(
                condition=Q((f"{name}__gte", 0)), name=self.name("check")
            )
        else:
            keys = [key for key in self.models_of(label) if self.indexable(key)]
            if not keys:
                return []
            key = self.random.choice(keys)
            names = self.indexable(key)
            constraint = models.UniqueConstraint(
                fields=self.random.sample(names, min(2, len(names))),
                name=self.name("unique"),
            )
        operation = migrations.AddConstraint(key[1], constraint)
        return self.apply(label, operation, key)

    def remove_constraint(self, label):
        found = self.existing(label, "constraints")
        if not found:
            return []
        key, name = found
        return self.apply(label, migrations.RemoveConstraint(key[1], name), key)

    # Files.

    def next_migration(self, label, suffix):
        """Return (name, dependencies) of the app's next migration."""
        name = f"{next(self.numbers[label]):04}_{suffix}"
        dependencies = self.dependencies | self.rewrites.pop(label, set())
        dependencies.add(
            (label, self.tails[label]) if label in self.tails else CONTENT_TYPES
        )
        self.tails[label] = name
        for other in self.rewritten:
            self.rewrites[other] = {(label, name)}
        self.reset()
        return name, sorted(dependencies)

    def save(self, label, name, content):
        path = self.root / label / "migrations" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def write(self, label, operations, suffix=None):
        """Write a migration."""
        migration = migrations.Migration("0000", label)
        migration.operations = operations
        suffix = suffix or migration.suggest_name()
        initial = label not in self.tails
        name, migration.dependencies = self.next_migration(label, suffix)
        if initial:
            migration.initial = True
        writer = MigrationWriter(migration, include_header=False)
        self.save(label, name, writer.as_string())

    def write_data(self, label):
        """Write a migration that runs Python code on a model."""
        key = self.random.choice(self.models_of(label))
        model = self.state.models[key]
        keys = [
            name
            for name, field in model.fields.items()
            if isinstance(field, models.ForeignKey)
        ]
        related = f'select_related("{keys[0]}").' if keys else ""
        reverse = "migrations.RunPython.noop"
        if model.bases == (models.Model,) and self.chance(0.5):
            reverse = "backwards"
        name, dependencies = self.next_migration(label, self.name("data"))
        content = DATA_MIGRATION.format(
            app_label=label,
            model=model.name,
            related=related,
            reverse=reverse,
            dependencies="\n".join(
                f'        ("{app_label}", "{other}"),'
                for app_label, other in dependencies
            ),
        )
        self.save(label, name, content)

    def write_project(self):
        """Write models.py of each app, settings.py and manage.py."""
        for label in self.labels:
            (self.root / label / "__init__.py").touch()
            (self.root / label / "migrations" / "__init__.py").touch()
            (self.root / label / "models.py").write_text(self.models_source(label))
        apps = "".join(f"    {app!r},\n" for app in (*CONTRIB_APPS, *self.labels))
        (self.root / "settings.py").write_text(SETTINGS.format(apps=f"[\n{apps}]"))
        (self.root / "manage.py").write_text(MANAGE)

    def models_source(self, label):
        imports = {"from django.db import models"}

        def source(value):
            text, needed = serializer_factory(value).serialize()
            imports.update(needed)
            return text

        body = []
        for (app_label, _), model in self.state.models.items():
            if app_label != label:
                continue
            (base,) = model.bases
            if base is models.Model:
                base = "models.Model"
            else:
                base_label, _, base_name = base.partition(".")
                base = self.state.models[base_label, base_name].name
                if base_label != label:
                    imports.add(f"from {base_label}.models import {base}")
            body.append(f"\n\nclass {model.name}({base}):")
            for name, field in model.fields.items():
                body.append(f"    {name} = {source(field)}")
            options = {key: value for key, value in model.options.items() if value}
            if options:
                body.append("\n    class Meta:")
                for key, value in options.items():
                    if key == "unique_together":
                        value = sorted(value)
                    body.append(f"        {key} = {source(value)}")
            if not model.fields and not options:
                body.append("    pass")
        return "\n".join([*sorted(imports), *body]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("target", type=Path, help="folder to (over)write")
    parser.add_argument("--apps", type=int, default=20)
    parser.add_argument("--models", type=int, default=150)
    parser.add_argument("--migrations", type=int, default=600)
    parser.add_argument(
        "--data",
        type=float,
        default=0.05,
        metavar="SHARE",
        help="share of migrations that run Python code (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1)
    options = vars(parser.parse_args())
    root = options.pop("target")
    if root.exists():
        if any(root.iterdir()) and not (root / "manage.py").exists():
            sys.exit(f"{root} is not a generated project.")
        shutil.rmtree(root)
    settings.configure(INSTALLED_APPS=CONTRIB_APPS)
    django.setup()
    history = History(root, **options)
    history.run()
    history.write_project()


if __name__ == "__main__":
    main()
