import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django
from django.test import SimpleTestCase

ROOT = Path(__file__).resolve().parents[2]


class OperationTests(SimpleTestCase):
    """
    Operations have the SQL of upstream's Django, and the common ones render no
    models, in databases that need no server for it.
    """

    backends = ["oracle", "sqlite"]

    def test_same_sql_without_rendering(self):
        checkout = Path(django.__file__).resolve().parents[1]
        archive = subprocess.run(
            ["git", "archive", "upstream", "django"],
            cwd=checkout,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        with tempfile.TemporaryDirectory() as upstream:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(upstream, filter="data")
            for backend in self.backends:
                with self.subTest(backend=backend):
                    process = subprocess.run(
                        [
                            *[sys.executable, ROOT / "benchmarks" / "operations.py"],
                            *["--trees", upstream, checkout, "--models", "10"],
                            *["--backend", backend, "--repeat", "1"],
                        ],
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                    )
                    self.assertEqual(process.returncode, 0, process.stdout)
                    rows = [
                        row.strip("| ").split(" | ")
                        for row in process.stdout.splitlines()[2:]
                        if row.startswith("|")
                    ]
                    self.assertGreater(len(rows), 30)
                    rendered = [
                        label for label, *_, renders, seconds in rows if renders != "0"
                    ]
                    self.assertEqual(rendered, [])
