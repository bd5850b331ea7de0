import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checkout_tests.utils import CHECKOUT, extract_upstream
from django.test import SimpleTestCase

TESTS = Path(__file__).resolve().parents[1]


class FuzzTests(SimpleTestCase):
    """
    Generated projects migrate back and forth as with upstream's Django.

    CI takes the same projects each time, as many as fit into a minute.
    FUZZ_SEED is another first seed, FUZZ_COUNT the number of projects, and
    FUZZ_SECONDS ends the run earlier or later.
    """

    def test_projects(self):
        seed = os.environ.get("FUZZ_SEED", "60000")
        with tempfile.TemporaryDirectory() as path:
            stock = Path(path)
            extract_upstream(stock)
            process = subprocess.run(
                [
                    *[sys.executable, "-W", "ignore", "-m", "fuzz_tests.compare"],
                    *["--stock", str(stock), "--patched", str(CHECKOUT)],
                    *["--first", seed],
                    *["--count", os.environ.get("FUZZ_COUNT", "30")],
                    *["--seconds", os.environ.get("FUZZ_SECONDS", "60")],
                    *["--ignore", "order", "random", "stale", "better"],
                ],
                cwd=TESTS,
                env={**os.environ, "PYTHONPATH": str(TESTS)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.assertEqual(process.returncode, 0, f"FUZZ_SEED={seed}\n{process.stdout}")
