from django.conf import settings
from django.db import models
from filer.fields.image import FilerImageField
from simple_history.models import HistoricalRecords
from taggit.managers import TaggableManager


class Author(models.Model):
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True
    )
    full_name = models.CharField(max_length=100)
    history = HistoricalRecords()


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.CharField(max_length=200, db_index=True)
    cover = FilerImageField(null=True, on_delete=models.SET_NULL)
    tags = TaggableManager()
    history = HistoricalRecords()
