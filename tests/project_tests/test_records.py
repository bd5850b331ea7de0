import os
import re
import sys
import tempfile
from pathlib import Path

from checkout_tests.utils import CHECKOUT, extract_upstream, run_command
from django.test import SimpleTestCase

SETTINGS = """
from pathlib import Path
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).parent / "db.sqlite3",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
INSTALLED_APPS = ["shop"]
"""
MODELS = """
from django.db import models

class Maker(models.Model):
    name = models.CharField(max_length=10, unique=True)

class Item(models.Model):
    name = models.CharField(max_length=10)
    price = models.IntegerField()
    stock = models.IntegerField(null=True)
    maker = models.ForeignKey(Maker, models.CASCADE, to_field="name", null=True)
"""

RUN = """
import django
from django.core.management import call_command

django.setup()
for plan in [], ["zero"], [], ["0001"], []:
    call_command("migrate", "shop", *plan)
for backwards in False, True:
    call_command("sqlmigrate", "shop", "0002", backwards=backwards)
call_command("makemigrations", check_changes=True, dry_run=True)
"""


class RecordTests(SimpleTestCase):
    """
    What makemigrations writes about removed fields and models, with and
    without the record of the field, works in both directions on upstream's
    Django, too.
    """

    def setUp(self):
        path = tempfile.TemporaryDirectory()
        self.addCleanup(path.cleanup)
        self.path = Path(path.name)
        self.stock = self.path / "stock"
        self.stock.mkdir()
        extract_upstream(self.stock)
        (self.path / "shop").mkdir()
        (self.path / "shop" / "__init__.py").touch()
        (self.path / "settings.py").write_text(SETTINGS)

    def python(self, tree, *args):
        return run_command(
            *[sys.executable, "-W", "ignore", *args],
            cwd=self.path,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "settings",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": os.pathsep.join([str(tree), str(self.path)]),
            },
        )

    def make_migration(self, models, name):
        (self.path / "shop" / "models.py").write_text(models)
        self.python(
            CHECKOUT,
            *["-m", "django", "makemigrations", "shop"],
            *["--noinput", "--name", name],
        )

    def test_both_ways(self):
        self.make_migration(MODELS, "first")
        fields = re.sub(r"    (price|stock|maker) .*\n", "", MODELS)
        self.make_migration(fields, "fields")
        models = re.sub(r"class Maker.*?\n\n", "", fields, flags=re.S)
        self.make_migration(models, "models")
        migrations = self.path / "shop" / "migrations"
        recorded = (migrations / "0002_fields.py").read_text()
        self.assertEqual(recorded.count("field=models."), 3)
        self.assertIn("DeleteModel", (migrations / "0003_models.py").read_text())
        unrecorded = re.sub(r"\n +field=models\..*", "", recorded)
        outputs = set()
        for content in (recorded, unrecorded):
            (migrations / "0002_fields.py").write_text(content)
            for tree in (self.stock, CHECKOUT):
                with self.subTest(tree=tree, recorded=content == recorded):
                    outputs.add(self.python(tree, "-c", RUN))
                    (self.path / "db.sqlite3").unlink()
        self.assertEqual(len(outputs), 1)
