"""django-cms with django-filer."""

from common_settings import *  # NOQA: F401,F403
from common_settings import CONTRIB_APPS

INSTALLED_APPS = [
    *CONTRIB_APPS,
    "cms",
    "menus",
    "treebeard",
    "sekizai",
    "polymorphic",
    "easy_thumbnails",
    "filer",
]
CMS_CONFIRM_VERSION4 = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]
ROOT_URLCONF = "cms_settings"
urlpatterns = []
