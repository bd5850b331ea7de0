"""
Upstream's test settings, on PostgreSQL. libpq itself reads the environment
variables that say where the server is and who connects, PGHOST, PGPORT,
PGUSER, PGPASSWORD and others; without them it's the local server's superuser.
"""

import os
import zlib

from settings_sqlite import *  # noqa: F401, F403

# Two checkouts on one machine must not destroy each other's databases.
NAME = f"django_{zlib.crc32(__file__.encode()):08x}"

DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", "127.0.0.1"),
        "USER": os.environ.get("PGUSER", "postgres"),
        "NAME": f"{NAME}_{alias}",
        # A test database needn't survive a crash of the server.
        "OPTIONS": {"options": "-c synchronous_commit=off"},
    }
    for alias in ["default", "other"]
}
