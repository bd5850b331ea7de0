"""The system for calls for papers pretalx, with its own settings."""

import os
import tempfile

# It makes folders for its files when the settings are read.
os.environ.setdefault(
    "PRETALX_DATA_DIR", os.path.join(tempfile.gettempdir(), "pretalx")
)

from pretalx.settings import *  # NOQA: E402,F401,F403

from common_settings import DATABASES  # NOQA: E402,F401 isort:skip
