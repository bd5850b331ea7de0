import subprocess
import sys
import zipfile

from .utils import ProjectTestCase, RealProject

NAME = "django-6.1.3+fastmigrations.1-py3-none-any.whl"


class WheelTests(ProjectTestCase):
    project_class = RealProject

    def build(self):
        process = self.project.script("--wheel")
        self.assertSucceeds(process)
        wheel = self.project.path / "dist" / NAME
        self.assertEqual(process.stdout.splitlines()[-1], str(wheel))
        return wheel

    def test_wheel(self):
        wheel = self.build()
        content = wheel.read_bytes()
        # What isn't in the last commit doesn't get into the wheel.
        (self.project.checkout / "django" / "junk.pyc").write_text("")
        (self.project.checkout / "django" / "__pycache__").mkdir()
        (self.project.checkout / "django" / "__pycache__" / "junk.py").write_text("")
        wheel.unlink()
        self.assertEqual(self.build().read_bytes(), content)

        with zipfile.ZipFile(wheel) as archive:
            files = {name for name in archive.namelist() if ".dist-info" not in name}
        committed = self.project.git("ls-files", "django").splitlines()
        self.assertEqual(files, set(committed))

        venv = self.project.path / "venv"
        python = venv / "bin" / "python"
        self.run_command(sys.executable, "-m", "venv", venv)
        self.run_command(python, "-m", "pip", "install", "--quiet", wheel)
        self.assertEqual(
            self.run_command(python, "-m", "django", "--version"),
            "6.1.3+fastmigrations.1\n",
        )
        self.assertEqual(
            self.run_command(python, "-c", "import django; print(django.VERSION)"),
            "(6, 1, 3, 'final', 0)\n",
        )
        # What other packages and projects require is there already.
        self.run_command(
            *[python, "-m", "pip", "install", "--no-index"],
            *["Django==6.1.3", "Django>=6.1,<6.2", "Django~=6.1.0"],
        )
        self.assertIn(
            "Version: 6.1.3+fastmigrations.1\n",
            self.run_command(python, "-m", "pip", "show", "django"),
        )

    def run_command(self, *args):
        process = subprocess.run(
            [str(arg) for arg in args],
            cwd=self.project.path,
            env=self.project.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(process.returncode, 0, process.stdout)
        return process.stdout
