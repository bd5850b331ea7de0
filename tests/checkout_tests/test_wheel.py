import base64
import csv
import hashlib
import json
import subprocess
import sys
import zipfile

from .utils import NO_NETWORK, RELEASE, ProjectTestCase, RealProject

VERSION = f"{RELEASE}+fastmigrations.1"
DIST_INFO = f"django-{VERSION}.dist-info"
NAME = f"django-{VERSION}-py3-none-any.whl"


class WheelTests(ProjectTestCase):
    project_class = RealProject

    @classmethod
    def make_path(cls):
        # pip gets unquoted paths to see.
        return super().make_path().with_name('it\'s a "project"')

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

        self.check_sums(wheel)
        self.check_record(wheel)
        self.check_sbom(wheel)

        venv = self.project.path / "venv"
        python = venv / "bin" / "python"
        self.run_command(sys.executable, "-m", "venv", venv)
        self.run_command(python, "-m", "pip", "install", "--quiet", wheel)
        self.assertEqual(
            self.run_command(python, "-m", "django", "--version"),
            f"{VERSION}\n",
        )
        self.assertEqual(
            self.run_command(python, "-c", "import django; print(django.VERSION)"),
            f"({RELEASE.replace('.', ', ')}, 'final', 0)\n",
        )
        # What other packages and projects require is there already.
        self.run_command(
            *[python, "-m", "pip", "install", "--no-index"],
            *[f"Django=={RELEASE}", "Django>=6.1,<6.2", "Django~=6.1.0"],
        )
        self.assertIn(
            f"Version: {VERSION}\n",
            self.run_command(python, "-m", "pip", "show", "django"),
        )

    def check_sums(self, wheel):
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        sums = wheel.with_name("SHA256SUMS").read_text()
        self.assertEqual(sums, f"{digest}  {NAME}\n")

    def check_record(self, wheel):
        """All files are recorded, with their checksums."""
        with zipfile.ZipFile(wheel) as archive:
            record = archive.read(f"{DIST_INFO}/RECORD").decode()
            rows = list(csv.reader(record.splitlines()))
            self.assertEqual([row[0] for row in rows], archive.namelist())
            for name, digest, size in rows[:-1]:
                content = archive.read(name)
                expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
                self.assertEqual(digest, f"sha256={expected.decode().rstrip('=')}")
                self.assertEqual(size, str(len(content)))

    def check_sbom(self, wheel):
        with zipfile.ZipFile(wheel) as archive:
            sbom = json.loads(
                archive.read(f"{DIST_INFO}/sboms/fastmigrations.cdx.json")
            )
        build = sbom["metadata"]["component"]
        self.assertEqual(build["purl"], f"pkg:pypi/django@{RELEASE}%2Bfastmigrations.1")
        (upstream,) = sbom["components"]
        self.assertEqual(upstream["purl"], f"pkg:pypi/django@{RELEASE}")
        digest = (self.project.patches / "SHA256SUMS").read_text().split()[0]
        self.assertEqual(
            upstream["externalReferences"][0]["hashes"],
            [{"alg": "SHA-256", "content": digest}],
        )
        pedigree = build["pedigree"]
        self.assertEqual(
            [patch["diff"]["url"] for patch in pedigree["patches"]],
            [f"patches/6.1/{name}" for name in self.project.list_patches()],
        )
        self.assertEqual(
            [commit["uid"] for commit in pedigree["commits"]],
            self.project.git("rev-list", "--reverse", "upstream..HEAD").split(),
        )

    def test_no_network(self):
        process = self.project.script("--wheel", **NO_NETWORK)
        self.assertError(
            process, "pip could not download what the wheel is built with, which "
        )
        self.assertIn("patches/6.1/build-constraints.txt", process.stderr)
        self.assertIs((self.project.path / "dist" / NAME).exists(), False)

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
