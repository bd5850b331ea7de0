"""Mixins, abstract models and managers that generated models have as bases."""

from django.db import models


class PlainMixin:
    """Neither a model nor anything that models know of."""

    flavor = "plain"

    def shout(self):
        return f"{self.pk}!"


class RoutedMixin:
    """Tells the router by the model class where to put the table."""

    database = "other"


class SaveMixin(models.Model):
    """Without fields, but with a method that Django calls."""

    class Meta:
        abstract = True
        app_label = "fuzz_tests"

    def save(self, *args, **kwargs):
        type(self).saves = getattr(type(self), "saves", 0) + 1
        super().save(*args, **kwargs)


class Stamped(models.Model):
    created = models.IntegerField(default=1)
    updated = models.IntegerField(null=True, db_index=True)

    class Meta:
        abstract = True
        app_label = "fuzz_tests"
        ordering = ["created"]


class Named(models.Model):
    title = models.CharField(max_length=20, default="t")

    class Meta:
        abstract = True
        app_label = "fuzz_tests"
        indexes = [models.Index(fields=["title"], name="%(class)s_title")]


class Linked(models.Model):
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="%(app_label)s_%(class)s_set"
    )

    class Meta:
        abstract = True
        app_label = "fuzz_tests"
        default_related_name = "%(class)s_links"


class Grouped(Stamped, Named):
    """Inherits from two abstract models."""

    class Meta(Stamped.Meta):
        abstract = True
        app_label = "fuzz_tests"


class CountedManager(models.Manager):
    use_in_migrations = True

    def __init__(self, limit=0):
        super().__init__()
        self.limit = limit

    def get_queryset(self):
        return super().get_queryset().order_by("pk")


class CustomQuerySet(models.QuerySet):
    def everything(self):
        return self.all()


class QuerySetManager(models.Manager.from_queryset(CustomQuerySet)):
    use_in_migrations = True
