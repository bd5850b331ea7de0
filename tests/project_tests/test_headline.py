import json
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from checkout_tests.utils import ROOT
from django.test import SimpleTestCase

RESULTS = ROOT / "benchmarks" / "results"
SVG = "{http://www.w3.org/2000/svg}"


class HeadlineTests(SimpleTestCase):
    """The table and the picture are what the measured figures make."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name)
        shutil.copy(RESULTS / "headline.json", self.path)

    def draw(self):
        return subprocess.run(
            [sys.executable, "headline.py", "--draw", "--output", self.path],
            cwd=ROOT / "benchmarks",
            capture_output=True,
            text=True,
        )

    def change(self, change):
        path = self.path / "headline.json"
        report = json.loads(path.read_text())
        change(report["projects"])
        path.write_text(json.dumps(report))

    def test_up_to_date(self):
        process = self.draw()
        self.assertEqual(process.returncode, 0, process.stderr)
        for name in ("headline.md", "headline.svg"):
            with self.subTest(name=name):
                self.assertEqual(
                    (self.path / name).read_text(), (RESULTS / name).read_text()
                )
        table = (self.path / "headline.md").read_text()
        for path in (ROOT / "README.md", ROOT / "benchmarks" / "README.md"):
            with self.subTest(path=path):
                self.assertIn(table, path.read_text())

    def test_nothing_is_cut(self):
        def change(projects):
            # From a tenth of a second to an hour.
            scenario = projects["oscar"]["scenarios"]["zero"]
            scenario["medians"][0]["cpu"] = 3600.04
            scenario["medians"][1]["cpu"] = 0.11

        self.change(change)
        self.assertEqual(self.draw().returncode, 0)
        root = ET.parse(self.path / "headline.svg").getroot()
        width, height = float(root.get("width")), float(root.get("height"))
        texts = list(root.iter(f"{SVG}text"))
        self.assertIn("3,600.0", [text.text for text in texts])
        for text in texts:
            with self.subTest(text=text.text):
                size = 0.62 * float(text.get("font-size", 13)) * len(text.text)
                shift = {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
                x = float(text.get("x")) - shift * size
                self.assertGreaterEqual(x, 0)
                self.assertLessEqual(x + size, width)
                self.assertLessEqual(float(text.get("y")), height)

    def test_failed(self):
        """A command that failed was not faster."""

        def change(projects):
            medians = projects["wagtail"]["scenarios"]["zero"]["medians"]
            medians[0]["error"] = "ValueError"

        self.change(change)
        self.assertEqual(self.draw().returncode, 0)
        lines = (self.path / "headline.md").read_text().splitlines()
        [line] = [line for line in lines if "`home` to zero" in line]
        self.assertTrue(line.endswith("|  |"), line)

    def test_nothing_to_draw(self):
        self.change(dict.clear)
        process = self.draw()
        self.assertEqual(process.returncode, 1)
        self.assertIn("has no results to draw", process.stderr)
