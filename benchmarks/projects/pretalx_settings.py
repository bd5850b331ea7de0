"""The conference planner pretalx, as its own tests install it."""

from common_settings import DATABASES as _DATABASES
from pretalx.common.settings.test_settings import *  # NOQA: F401,F403

DATABASES = _DATABASES
# They are disabled in the tests.
MIGRATION_MODULES = {}
