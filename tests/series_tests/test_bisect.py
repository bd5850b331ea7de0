import re
import shutil
import tempfile
from pathlib import Path

from checkout_tests.utils import CHECKOUT, ROOT
from django.test import SimpleTestCase

from .utils import run_isolated, run_upstream_tests

PATCHES = ROOT / "patches" / "6.1"


class BisectTests(SimpleTestCase):
    """Django works after each patch, as git bisect has it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.checkout = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.checkout)
        series = (PATCHES / "series").read_text()
        names = re.findall(r"^Patch: (\S+)", series, re.M)
        cls.run_command("git", "clone", "--quiet", "--shared", CHECKOUT, ".")
        cls.run_command("git", "checkout", "--quiet", "upstream")
        identity = ["-c", "user.name=Tests", "-c", "user.email=tests@localhost"]
        # Not --3way: the patches are for this very Django.
        cls.run_command(
            *["git", *identity, "am", "--quiet", *(PATCHES / name for name in names)]
        )
        log = cls.run_command("git", "log", "--reverse", "--format=%H", "upstream..")
        cls.commits = dict(zip(names, log.split(), strict=True))

    @classmethod
    def run_command(cls, *args):
        return run_isolated(*args, cwd=cls.checkout)

    def test_each_patch(self):
        for name, commit in self.commits.items():
            with self.subTest(patch=name):
                self.run_command("git", "checkout", "--quiet", commit)
                output = run_upstream_tests(self.checkout, "migrations", "schema")
                self.assertRegex(output, r"\nRan \d{3,} tests in ")
