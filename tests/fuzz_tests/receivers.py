"""Routers and receivers of signals that generated projects have."""

from django.db import models
from django.db.models import signals

LOG = []


class AppRouter:
    """Migrate one app on the other database only."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return (db == "other") == (app_label == "fb")


class HintRouter:
    """Migrate operations with a hint everywhere, others by the app."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        if hints.get("everywhere"):
            return True
        return None if db == "default" else app_label in ("fa", "fc")


class ModelRouter:
    """Ask the model class."""

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        if (model := hints.get("model")) is None:
            return None
        fields = [field.name for field in model._meta.get_fields()]
        if len(fields) % 5 == 4:
            return db == "other"
        return getattr(model, "database", "default") == db


class ModelNameRouter:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        if model_name is None:
            return None
        return db == "default" or model_name.endswith("mod")


PREPARED = set()


def collect_prepared(sender, **kwargs):
    PREPARED.add(sender._meta.label)


def add_attribute(sender, **kwargs):
    sender.prepared_as = sender._meta.label_lower


def add_field(sender, **kwargs):
    """Add a field to models of migrations whose name says so."""
    if sender.__name__.endswith("Mod") and not sender._meta.proxy:
        if not any(f.name == "by_receiver" for f in sender._meta.get_fields()):
            field = models.IntegerField(null=True)
            field.contribute_to_class(sender, "by_receiver")


def shorten_table(sender, **kwargs):
    if sender.__name__.endswith("Mod"):
        sender._meta.db_table = sender._meta.db_table.replace("_", "")


def see_pre_migrate(sender, apps, plan, using, **kwargs):
    see("pre", sender, apps, plan, using)


def see_post_migrate(sender, apps, plan, using, **kwargs):
    see("post", sender, apps, plan, using)


def see(name, sender, apps, plan, using):
    steps = [f"{migration} {backwards}" for migration, backwards in plan]
    LOG.append([name, sender.label, using, steps])
    if sender.label == "fa":
        labels = [model._meta.label for model in apps.get_models()]
        LOG.append([name, "models", sorted(labels)])
        LOG.append(["order", labels])


def connect(name):
    """Connect the receivers of a project, and one of class_prepared."""
    signals.pre_migrate.connect(see_pre_migrate)
    signals.post_migrate.connect(see_post_migrate)
    if name:
        signals.class_prepared.connect(globals()[name])


def disconnect(name):
    signals.pre_migrate.disconnect(see_pre_migrate)
    signals.post_migrate.disconnect(see_post_migrate)
    if name:
        signals.class_prepared.disconnect(globals()[name])
