"""
Upstream's test settings, on MySQL or MariaDB. The environment variables of
the command line clients, MYSQL_HOST, MYSQL_TCP_PORT and MYSQL_PWD, and
MYSQL_USER say where the server is and who connects; without them it's the
local server's root.
"""

import os
import zlib

from settings_sqlite import *  # noqa: F401, F403

# Two checkouts on one machine must not destroy each other's databases.
NAME = f"django_{zlib.crc32(__file__.encode()):08x}"

DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.mysql",
        "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
        "PORT": os.environ.get("MYSQL_TCP_PORT", ""),
        "USER": os.environ.get("MYSQL_USER", "root"),
        "PASSWORD": os.environ.get("MYSQL_PWD", ""),
        "NAME": f"{NAME}_{alias}",
        "TEST": {"CHARSET": "utf8mb4"},
    }
    for alias in ["default", "other"]
}
