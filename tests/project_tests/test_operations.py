import sys
import tempfile
from pathlib import Path

from checkout_tests.utils import CHECKOUT, ROOT, extract_upstream, run_command
from django.test import SimpleTestCase


class OperationTests(SimpleTestCase):
    """
    Operations have the SQL of upstream's Django, and the common ones render no
    models, in databases that need no server for it.
    """

    backends = ["oracle", "sqlite"]

    def test_same_sql_without_rendering(self):
        with tempfile.TemporaryDirectory() as upstream:
            extract_upstream(Path(upstream))
            for backend in self.backends:
                with self.subTest(backend=backend):
                    output = run_command(
                        *[sys.executable, ROOT / "benchmarks" / "operations.py"],
                        *["--trees", upstream, CHECKOUT, "--models", "10"],
                        *["--backend", backend, "--repeat", "1"],
                    )
                    rows = [
                        row.strip("| ").split(" | ")
                        for row in output.splitlines()[2:]
                        if row.startswith("|")
                    ]
                    self.assertGreater(len(rows), 30)
                    rendered = [
                        label for label, *_, renders, seconds in rows if renders != "0"
                    ]
                    self.assertEqual(rendered, [])
