"""Wagtail with all the apps that it ships."""

import sys
from pathlib import Path

import wagtail
from common_settings import *  # NOQA: F401,F403
from common_settings import CONTRIB_APPS, DATABASES

# The app that "wagtail start" copies into a project; it makes a home page.
sys.path.append(str(Path(wagtail.__file__).parent / "project_template"))

INSTALLED_APPS = [
    "wagtail.contrib.forms",
    "wagtail.contrib.frontend_cache",
    "wagtail.contrib.redirects",
    "wagtail.contrib.routable_page",
    "wagtail.contrib.search_promotions",
    "wagtail.contrib.settings",
    "wagtail.contrib.simple_translation",
    "wagtail.contrib.sitemaps",
    "wagtail.contrib.styleguide",
    "wagtail.contrib.table_block",
    "wagtail.contrib.typed_table_block",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.locales",
    "wagtail.search",
    "wagtail.admin",
    "home",
    "wagtail",
    "modelsearch",
    "modelcluster",
    "taggit",
    "laces",
    *CONTRIB_APPS,
]
if DATABASES["default"]["ENGINE"].endswith("postgresql"):
    INSTALLED_APPS.append("django.contrib.postgres")
WAGTAIL_SITE_NAME = "benchmark"
WAGTAILADMIN_BASE_URL = "http://localhost"
WAGTAIL_I18N_ENABLED = True
WAGTAIL_CONTENT_LANGUAGES = LANGUAGES = [("en", "English"), ("fr", "French")]
