import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pexpect
from django.test import SimpleTestCase

SETTINGS = """
INSTALLED_APPS = ["shop"]
USE_TZ = True
"""
FUNCTION = """\
def combine(apps, schema_editor):
    Product = apps.get_model("shop", "Product")
    for product in Product.objects.all():
        product.name = f"{product.first} {product.last}"
        product.save()


"""
MIGRATION = """\
from django.db import migrations, models


%sclass Migration(migrations.Migration):
    dependencies = [%s]

    operations = [
%s    ]
"""
CHAR = "models.CharField(max_length=%d, default='')"
FIRST = """\
        migrations.CreateModel(
            "Product", [("id", models.AutoField(primary_key=True))]
        ),
"""
SECOND = """\
        migrations.RunPython(combine, migrations.RunPython.noop),
        migrations.RemoveField("Product", "first"),
        migrations.RemoveField("Product", "last"),
"""
THIRD = """\
        migrations.RunSQL("UPDATE shop_product SET sku = upper(sku)", ""),
"""


def add_field(name, length):
    return f"        migrations.AddField('Product', '{name}', {CHAR % length}),\n"


class SessionTests(SimpleTestCase):
    """
    The session that was proposed on the mailing list, in a terminal: generate,
    edit, optimize, roll back and save.
    """

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.migrations = self.directory / "shop" / "migrations"
        self.migrations.mkdir(parents=True)
        (self.directory / "shop" / "__init__.py").touch()
        (self.migrations / "__init__.py").touch()
        (self.directory / "shop_settings.py").write_text(SETTINGS)
        fields = [("first", 9), ("last", 9), ("sku", 9), ("name", 30)]
        self.write("0001_first", "", FIRST + "".join(add_field(*f) for f in fields))
        self.write("0002_name", "0001_first", SECOND, FUNCTION)
        # Ten fields that can't be merged with the model because of combine().
        later = "".join(add_field(f"field_{n}", n) for n in range(1, 14))
        self.write("0003_more", "0002_name", THIRD + later)
        self.path = self.migrations / "0001_squashed_0003_more.py"

    def write(self, name, dependency, operations, function=""):
        dependencies = f"('shop', '{dependency}')" if dependency else ""
        (self.migrations / f"{name}.py").write_text(
            MIGRATION % (function, dependencies, operations)
        )

    def start(self, *args):
        self.terminal = pexpect.spawn(
            sys.executable,
            [
                *["-m", "django", "squashmigrations", "shop", "0003"],
                *["--interactive", "--no-color", *args],
            ],
            cwd=self.directory,
            env={
                **{
                    k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"
                },
                "DJANGO_SETTINGS_MODULE": "shop_settings",
                "PATH": "",
                "TERM": "dumb",
            },
            encoding="utf-8",
            dimensions=(50, 500),
            timeout=60,
        )
        self.addCleanup(self.terminal.close)

    def expect(self, *lines):
        """What comes next on the terminal, up to the next question."""
        *lines, prompt = lines
        self.terminal.expect_exact(prompt)
        output = self.terminal.before.replace("\r\n", "\n")
        position = 0
        for line in lines:
            self.assertIn(line, output[position:])
            position = output.index(line, position) + len(line)

    def answer(self, text, *lines):
        self.terminal.sendline(text)
        self.expect(*lines)

    def edit(self, *replacements):
        text = self.path.read_text()
        for old, new in replacements:
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        self.path.write_text(text)

    def comment(self):
        """Make an edit that changes nothing."""
        self.edit(("class Migration", "# Edited.\nclass Migration"))

    def move(self):
        """Move the data operation, and what follows from it, to the end."""
        text = self.path.read_text()
        start = text.index("        migrations.RunPython(")
        stop = text.index("        migrations.AddField(", start)
        end = text.rindex("    ]\n")
        text = text[:start] + text[stop:end] + text[start:stop] + text[end:]
        self.path.write_text(text)

    def begin(self, *args):
        """Keep the function, elide the SQL, and look at the first version."""
        self.start(*args)
        self.expect("0002_name:1 RunPython: combine", "Keep or elide [Ke?]? ")
        # Whoever doesn't know the answers is told.
        self.answer("?", "k  keep it: ", "e  elide it: ", "Keep or elide [Ke?]? ")
        self.answer("k", "0003_more:1 RunSQL", "Keep or elide [Ke?]? ")
        self.answer(
            "e",
            f"Generated {self.path}\n",
            "(22 operations -> 17 operations)\n",
            "Now you can edit this file",
            "Optimize migration [yN?]? ",
        )

    def end(self, status):
        self.terminal.expect(pexpect.EOF)
        self.terminal.close()
        self.assertEqual(self.terminal.exitstatus, status)
        return self.terminal.before.replace("\r\n", "\n")

    def test_transcript(self):
        self.begin("--verify")
        generated = self.path.read_text()
        self.move()
        self.answer(
            "y",
            f"Regenerated {self.path}\n",
            "(17 operations -> 4 operations)\n",
            "Optimize migration [Ynr?]? ",
        )
        optimized = self.path.read_text()
        self.assertIn(FUNCTION, optimized)
        self.answer(
            "y",
            f"Regenerated {self.path}\n",
            "(No change in operation count)\n",
            "Optimize migration [Ynr?]? ",
        )
        self.answer(
            "r", "Rolled back to previous version\n", "Optimize migration [Ynr?]? "
        )
        edited = self.path.read_text()
        self.assertIn(FUNCTION, edited)
        self.assertIn("AddField", edited)
        # To the start and back.
        self.answer("r", "Rolled back", "Optimize migration [yN?]? ")
        self.assertEqual(self.path.read_text(), generated)
        self.answer("f 2", "Version 3 of 3", "Optimize migration [Ynr?]? ")
        self.assertEqual(self.path.read_text(), optimized)
        self.answer("d", "-        migrations.AddField(", "Optimize migration [Ynr?]? ")
        # An edit that breaks it, in two ways.
        self.edit(("max_length=13", "max_length=14"))
        self.answer(
            "y",
            "The edit changes the models: shop.product: field field_13 would be "
            "different\n",
            "Optimize migration [Ynr?]? ",
        )
        self.edit(("operations = [", "operations = ("))
        self.answer("n", "SyntaxError: ", "Optimize migration [Ynr?]? ")
        self.answer("r 2", "Version 3 of 5", "Optimize migration [Ynr?]? ")
        self.assertEqual(self.path.read_text(), optimized)
        self.terminal.sendline("n")
        output = self.end(0)
        self.assertIn("Same models and same 2 tables on SQLite.\n", output)
        self.assertIn(f"Saved migration {self.path}\n", output)
        self.assertEqual(self.path.read_text(), optimized)
        self.assertIn("elidable=True", (self.migrations / "0003_more.py").read_text())

    def test_quit(self):
        before = {path: path.read_text() for path in self.migrations.glob("*.py")}
        self.begin()
        self.comment()
        self.terminal.sendline("q")
        self.end(0)
        after = {path: path.read_text() for path in self.migrations.glob("*.*")}
        self.assertEqual(after, before)

    def interrupt(self, interrupt):
        self.begin()
        self.comment()
        self.answer("d", "Optimize migration [Ynr?]? ")
        good = self.path.read_text()
        self.edit(("operations = [", "operations = ("))
        interrupt()
        self.terminal.wait()
        self.assertEqual(self.path.read_text(), good)
        broken = self.path.with_name(f"{self.path.name}.broken")
        self.assertIn("operations = (", broken.read_text())
        # Nothing is marked before the migration is saved.
        for path in self.migrations.glob("0003_*.py"):
            self.assertNotIn("elidable", path.read_text())

    def test_control_c(self):
        def interrupt():
            self.terminal.delaybeforesend = 1
            self.terminal.sendintr()
            self.terminal.expect_exact(f"The last good version is in {self.path}")
            self.terminal.expect_exact(f"{self.path.name}.broken")
            self.terminal.expect(pexpect.EOF)

        self.interrupt(interrupt)

    def test_control_d(self):
        def interrupt():
            self.terminal.sendeof()
            self.terminal.expect_exact(f"The last good version is in {self.path}")
            self.terminal.expect(pexpect.EOF)

        self.interrupt(interrupt)

    def test_closed_window(self):
        def interrupt():
            # Not close(), which doesn't wait for what a hang-up does.
            self.terminal.ptyproc.fileobj.close()

        self.interrupt(interrupt)

    def test_hang_up(self):
        self.interrupt(lambda: self.terminal.kill(signal.SIGHUP))
