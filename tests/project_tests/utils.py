"""Small projects, and databases that notice who opens them."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from checkout_tests.utils import CHECKOUT, ROOT, extract_upstream
from django.test import SimpleTestCase

SETTINGS = """
from pathlib import Path
FOLDER = Path(__file__).parent
DATABASES = {databases}
DATABASE_ROUTERS = {routers}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
INSTALLED_APPS = {apps}
SECRET_KEY = "secret"
"""
DATABASES = """{
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "configured.sqlite3",
    }
}"""
MANAGE = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
"""
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = {operations}
"""
# Names of migrations, and what they depend on and do.
MIGRATIONS = {
    "shop.0001": (
        [],
        """[
            migrations.CreateModel(
                "Item",
                [
                    ("id", models.AutoField(primary_key=True)),
                    ("name", models.CharField(max_length=10)),
                ],
            ),
        ]""",
    ),
    "shop.0002": (
        [("shop", "0001")],
        """[
            migrations.AddField("Item", "price", models.IntegerField(default=1)),
            migrations.AddIndex("Item", models.Index(fields=["price"], name="i1")),
        ]""",
    ),
    "blog.0001": (
        [("shop", "0001")],
        """[
            migrations.CreateModel(
                "Post",
                [
                    ("id", models.AutoField(primary_key=True)),
                    ("item", models.ForeignKey("shop.Item", models.CASCADE)),
                ],
            ),
        ]""",
    ),
    "blog.0002": (
        [("blog", "0001")],
        """[
            migrations.AddField("Post", "text", models.TextField(default="")),
            migrations.AddIndex("Post", models.Index(fields=["text"], name="i2")),
        ]""",
    ),
}


class FileThatNotices:
    """The path of a SQLite database that notices if somebody opens it."""

    def __init__(self, path):
        self.path = path
        self.opened = threading.Event()
        os.mkfifo(path)
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        # It returns when somebody else opens the other end.
        os.close(os.open(self.path, os.O_WRONLY))
        self.opened.set()


class ServerThatNotices:
    """A server that notices if somebody connects."""

    def __init__(self):
        self.opened = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.wait, daemon=True).start()

    def wait(self):
        try:
            self.socket.accept()[0].close()
        except OSError:
            return
        self.opened.set()


def write_project(folder, migrations=MIGRATIONS, databases=DATABASES, routers=()):
    """Write a project whose apps have no models but those of migrations."""
    labels = sorted({name.partition(".")[0] for name in migrations})
    settings = SETTINGS.format(databases=databases, routers=list(routers), apps=labels)
    (folder / "settings.py").write_text(settings)
    (folder / "manage.py").write_text(MANAGE)
    for label in labels:
        (folder / label / "migrations").mkdir(parents=True)
        (folder / label / "__init__.py").touch()
        (folder / label / "migrations" / "__init__.py").touch()
    for name, (dependencies, operations) in migrations.items():
        label, name = name.split(".")
        (folder / label / "migrations" / f"{name}.py").write_text(
            MIGRATION.format(dependencies=dependencies, operations=operations)
        )


def make_tree(folder, addition):
    """Make a patched Django with something at the end of its operations."""
    shutil.copytree(
        CHECKOUT / "django",
        folder / "django",
        ignore=shutil.ignore_patterns("*.po", "__pycache__"),
    )
    path = folder / "django" / "db" / "migrations" / "operations" / "__init__.py"
    path.write_text(path.read_text() + addition)
    return folder


class CheckTestCase(SimpleTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.upstream = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.upstream)
        extract_upstream(cls.upstream)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name)
        self.folder = self.path / "project"
        self.folder.mkdir()

    def get_command(self, *args):
        given = {arg for arg in args if str(arg).startswith("--")}
        defaults = {
            "--python": sys.executable,
            "--unpatched": self.upstream,
            "--patched": CHECKOUT,
            "--work": self.path / "work",
        }
        command = [sys.executable, ROOT / "check_project.py"]
        if not args or str(args[0]).startswith("--"):
            command.append(self.folder)
        command += args
        for option, value in defaults.items():
            if option not in given:
                command += [option, value]
        return list(map(str, command))

    def get_env(self, **env):
        ignored = ("COVERAGE_", "DJANGO_", "PYTHON", "RUNTESTS_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(ignored)}
        return {**kept, "DJANGO_TEST_PROCESSES": "1", **env}

    def check(self, *args, status=0, **env):
        """Return the output, after the exit status was what's expected."""
        process = subprocess.run(
            self.get_command(*args),
            env=self.get_env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(process.returncode, status, process.stdout)
        return process.stdout
