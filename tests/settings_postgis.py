"""
Upstream's test settings, on PostgreSQL with PostGIS.
"""

from settings_postgresql import *  # noqa: F401, F403
from settings_postgresql import DATABASES

for database in DATABASES.values():
    database["ENGINE"] = "django.contrib.gis.db.backends.postgis"
