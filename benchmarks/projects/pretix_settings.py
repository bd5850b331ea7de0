"""The ticket shop pretix, as its own tests install it."""

from common_settings import DATABASES as _DATABASES
from pretix.testutils.settings import *  # NOQA: F401,F403

DATABASES = _DATABASES
# The checks of Django 6.1 ask for it on all databases.
INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.postgres"]  # NOQA: F405
# They are disabled in the tests.
MIGRATION_MODULES = {}
