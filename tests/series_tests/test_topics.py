import sys

from checkout_tests.utils import ROOT
from django.test import SimpleTestCase

from .utils import run_isolated, run_upstream_tests

FIND_BRANCHES = """
from bases import PATCHES
from topics import find_branches
print(*find_branches(PATCHES), sep="\\n")
"""


class TopicTests(SimpleTestCase):
    """
    Django works with a topic and what it needs, without what comes before it
    in the series and isn't needed.
    """

    def test_each_topic(self):
        topics = run_isolated(sys.executable, "-c", FIND_BRANCHES, cwd=ROOT / "patches")
        self.assertIn("build", topics.splitlines())
        for topic in topics.splitlines():
            with self.subTest(topic=topic):
                output = run_isolated(
                    *[ROOT / "django_checkout.sh", "--topic", topic],
                    cwd=ROOT,
                    PYTHON=sys.executable,
                )
                checkout = output.splitlines()[-1]
                output = run_upstream_tests(
                    checkout, "migrate_signals", "migrations", "schema", "version"
                )
                self.assertRegex(output, r"\nRan \d{3,} tests in ")
