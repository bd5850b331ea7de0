import json
import sys
from pathlib import Path

from checkout_tests.utils import (
    RELEASE,
    ROOT,
    ProjectTestCase,
    RealProject,
    run_command,
)

HERE = Path(__file__).resolve().parent


class OscarTests(ProjectTestCase):
    """The wheel does to a real project what upstream's release does."""

    project_class = RealProject

    def test_same_as_unpatched(self):
        process = self.project.script("--wheel")
        self.assertSucceeds(process)
        wheel = process.stdout.splitlines()[-1]
        path = self.project.path
        python = path / "venv" / "bin" / "python"
        run_command(sys.executable, "-m", "venv", path / "venv")
        # The packages come with upstream's release.
        run_command(
            *[python, "-m", "pip", "install", "--quiet", "--no-compile"],
            *[f"Django=={RELEASE}", "-r", HERE / "requirements.txt"],
            cwd=path,
            env=self.project.env,
        )
        [packages] = (path / "venv" / "lib").glob("*/site-packages")
        run_command(
            *[sys.executable, ROOT / "check_project.py"],
            *[ROOT / "benchmarks" / "projects", "--settings", "oscar_settings"],
            *["--python", python, "--unpatched", packages, "--patched", wheel],
            *["--work", path / "work", "--apps", "catalogue", "--newest", "2"],
            env=self.project.env,
        )
        report = json.loads((path / "work" / "report.json").read_text())
        self.assertEqual(
            report["django"],
            {"unpatched": RELEASE, "patched": f"{RELEASE}+fastmigrations.1"},
        )
        steps = {step["step"]: step for step in report["steps"]}
        self.assertEqual(
            {name: step["kind"] for name, step in steps.items()},
            {
                "forward": "same",
                "makemigrations": "same",
                "newest": "same",
                "tests": "same",
                "app-catalogue": "same",
            },
        )
        for name, minimum in [("forward", 150), ("tests", 150), ("app-catalogue", 200)]:
            with self.subTest(step=name):
                migrations = sum(
                    command["patched"]["migrations"]
                    for command in steps[name]["commands"]
                )
                self.assertGreaterEqual(migrations, minimum)
