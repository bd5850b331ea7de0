import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from checkout_tests.utils import CHECKOUT, ROOT, run_command
from django.test import SimpleTestCase

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
        cls.run_command(["git", "clone", "--quiet", "--shared", CHECKOUT, "."])
        cls.run_command(["git", "checkout", "--quiet", "upstream"])
        identity = ["-c", "user.name=Tests", "-c", "user.email=tests@localhost"]
        # Not --3way: the patches are for this very Django.
        cls.run_command(
            ["git", *identity, "am", "--quiet", *(PATCHES / name for name in names)]
        )
        log = cls.run_command(["git", "log", "--reverse", "--format=%H", "upstream.."])
        cls.commits = dict(zip(names, log.split(), strict=True))

    @classmethod
    def run_command(cls, args, **env):
        # The tests are neither those that run this nor part of the coverage.
        ignored = ("COVERAGE_", "DJANGO_", "PYTHONPATH", "RUNTESTS_")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(ignored)}
        return run_command(*args, cwd=cls.checkout, env={**inherited, **env})

    def test_each_patch(self):
        for name, commit in self.commits.items():
            with self.subTest(patch=name):
                self.run_command(["git", "checkout", "--quiet", commit])
                output = self.run_command(
                    [sys.executable, "tests/runtests.py", "migrations", "schema"],
                    PYTHONPATH=str(self.checkout),
                )
                self.assertRegex(output, r"\nRan \d{3,} tests in ")
