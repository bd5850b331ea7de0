"""One project per value of SQUASH_PROJECT, on SQLite or PostgreSQL."""

import os

PROJECT = os.environ.get("SQUASH_PROJECT", "wagtail")
SECRET_KEY = "x"
USE_TZ = True
SITE_ID = 1
STATIC_URL = "/static/"
MEDIA_ROOT = "/tmp"
WAGTAIL_SITE_NAME = "x"
WAGTAILADMIN_BASE_URL = "http://x"
ROOT_URLCONF = "settings_squash"
urlpatterns = []
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
if os.environ.get("SQUASH_PG"):
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["SQUASH_PG"],
            "USER": "postgres",
            "HOST": "127.0.0.1",
        }
    }
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.request",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
DJANGO = [
    f"django.contrib.{app}"
    for app in (
        "contenttypes",
        "auth",
        "sessions",
        "messages",
        "staticfiles",
        "admin",
        "sites",
        "redirects",
        "flatpages",
    )
]
PROJECTS = {
    "django": [],
    "wagtail": [
        "wagtail.contrib.forms",
        "wagtail.contrib.redirects",
        "wagtail.contrib.search_promotions",
        "wagtail.contrib.settings",
        "wagtail.embeds",
        "wagtail.sites",
        "wagtail.users",
        "wagtail.snippets",
        "wagtail.documents",
        "wagtail.images",
        "wagtail.search",
        "wagtail.admin",
        "wagtail",
        "modelsearch",
        "modelcluster",
        "taggit",
    ],
    "oscar": [
        "django.contrib.flatpages",
        "oscar.config.Shop",
        "oscar.apps.analytics.apps.AnalyticsConfig",
        "oscar.apps.checkout.apps.CheckoutConfig",
        "oscar.apps.address.apps.AddressConfig",
        "oscar.apps.shipping.apps.ShippingConfig",
        "oscar.apps.catalogue.apps.CatalogueConfig",
        "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
        "oscar.apps.communication.apps.CommunicationConfig",
        "oscar.apps.partner.apps.PartnerConfig",
        "oscar.apps.basket.apps.BasketConfig",
        "oscar.apps.payment.apps.PaymentConfig",
        "oscar.apps.offer.apps.OfferConfig",
        "oscar.apps.order.apps.OrderConfig",
        "oscar.apps.customer.apps.CustomerConfig",
        "oscar.apps.search.apps.SearchConfig",
        "oscar.apps.voucher.apps.VoucherConfig",
        "oscar.apps.wishlists.apps.WishlistsConfig",
        "oscar.apps.dashboard.apps.DashboardConfig",
        "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
        "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
        "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
        "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
        "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
        "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
        "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
        "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
        "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
        "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
        "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
        "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
        "widget_tweaks",
        "haystack",
        "treebeard",
        "easy_thumbnails",
        "django_tables2",
    ],
    "cms": [
        "cms",
        "menus",
        "treebeard",
        "sekizai",
        "polymorphic",
        "easy_thumbnails",
        "filer",
    ],
    "misc": [
        "allauth",
        "allauth.account",
        "allauth.socialaccount",
        "allauth.mfa",
        "allauth.usersessions",
        "oauth2_provider",
        "simple_history",
        "django_celery_beat",
        "taggit",
    ],
}
INSTALLED_APPS = list(dict.fromkeys(DJANGO + PROJECTS.get(PROJECT, [])))
if PROJECT == "oscar":
    HAYSTACK_CONNECTIONS = {
        "default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}
    }
    from oscar.defaults import *  # noqa
if PROJECT == "cms":
    CMS_CONFIRM_VERSION4 = True
    LANGUAGES = [("en", "English")]
    LANGUAGE_CODE = "en"
if PROJECT == "misc":
    for name in (
        "APPLICATION",
        "ACCESS_TOKEN",
        "ID_TOKEN",
        "GRANT",
        "REFRESH_TOKEN",
        "DEVICE_GRANT",
    ):
        globals()[
            f"OAUTH2_PROVIDER_{name}_MODEL"
        ] = "oauth2_provider." + name.title().replace("_", "")
    OAUTH2_PROVIDER_ID_TOKEN_MODEL = "oauth2_provider.IDToken"
