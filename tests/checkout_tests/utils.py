import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from django.test import SimpleTestCase

ROOT = Path(__file__).resolve().parents[2]
# The release that the patches are for.
RELEASE = re.search(
    r'^RELEASE = "(.+)"$', (ROOT / "patches" / "bases.py").read_text(), re.M
)[1]
SDIST = f"django-{RELEASE}.tar.gz"
CHECKOUT = ROOT / "build" / f"django-{RELEASE}"

# A Django as small as possible, to which git takes milliseconds.
FILES = {
    "django/__init__.py": 'VERSION = (6, 1, 3, "final", 0)\n',
    "django/models.py": "".join(f"line {n}\n" for n in range(1, 31)),
    "django/state.py": "".join(f"state {n}\n" for n in range(1, 31)),
    "docs/releases/index.txt": "Final releases\n\n6.1 release\n-----------\n",
}

# Nobody listens on the discard port.
NO_NETWORK = {
    "https_proxy": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_NO_CACHE_DIR": "1",
}


def run_command(*args, cwd=None, env=None):
    """Return the output of a command. If it fails, so does the test."""
    process = subprocess.run(
        [str(arg) for arg in args],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if process.returncode:
        raise AssertionError(process.stdout)
    return process.stdout.strip()


def extract_upstream(path):
    """Extract the package of upstream's Django to a directory."""
    archive = path / "upstream.tar"
    run_command(
        *["git", "archive", "--output", archive, "upstream", "django"], cwd=CHECKOUT
    )
    with tarfile.open(archive) as tar:
        tar.extractall(path, filter="data")
    archive.unlink()


def make_sdist(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))


class Project:
    """A copy of the scripts and of the patches, to work in."""

    def __init__(self, path):
        self.path = path
        self.patches = path / "patches" / "6.1"
        self.checkout = path / "build" / f"django-{RELEASE}"
        # Neither the caller's configuration of git nor its Python matters, nor
        # do upstream's runner and its way to measure coverage.
        ignored = ("COVERAGE_", "DJANGO_", "GIT_", "PYTHON", "RUNTESTS_")
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith(ignored)},
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": str(path / "home"),
            "PIP_CACHE_DIR": os.path.expanduser("~/.cache/pip"),
            "PYTHON": sys.executable,
        }
        if not path.exists():
            self.create()

    def create(self):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "patches", self.path / "patches", ignore=ignore)
        for name in ("django_checkout.sh", "runtests.py"):
            shutil.copy(ROOT / name, self.path)
        (self.path / "build").mkdir()
        (self.path / "home").mkdir()

    def script(self, *args, cwd=None, path=None, **env):
        return self.run_command(
            "bash", path or self.path / "django_checkout.sh", *args, cwd=cwd, **env
        )

    def run_command(self, *args, cwd=None, preexec_fn=None, **env):
        return subprocess.run(
            [str(arg) for arg in args],
            cwd=cwd or self.path,
            env={**self.env, **env},
            preexec_fn=preexec_fn,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def start(self, *args):
        """Start the script in a process group of its own."""
        return subprocess.Popen(
            ["bash", str(self.path / "django_checkout.sh"), *args],
            cwd=self.path,
            env=self.env,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def git(self, *args):
        identity = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in [("NAME", "Zoë"), ("EMAIL", "zoe@example.com")]
        }
        return subprocess.run(
            ["git", *args],
            cwd=self.checkout,
            env={**self.env, **identity},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()

    def commit(self, subject, path="django/models.py", old="line 2\n", new="two\n"):
        """Commit a change of one file to the checkout."""
        file = self.checkout / path
        file.write_text(file.read_text().replace(old, new))
        self.git("commit", "--all", "--message", f"{subject}\n\nThe body.")

    def fill_in(self):
        """Write metadata in the place of what is to be filled in."""
        series = self.patches / "series"
        series.write_text(series.read_text().replace("TODO", "Good reasons."))

    def list_patches(self):
        lines = (self.patches / "series").read_text().splitlines()
        return [line.split()[1] for line in lines if line.startswith("Patch:")]

    def read_patches(self):
        return {path.name: path.read_bytes() for path in self.patches.iterdir()}


class FakeDjangoProject(Project):
    """A project whose Django is tiny and whose series has two patches."""

    MODELS = "refs-29898-changed-the-models.patch"
    STATE = "changed-the-state.patch"

    def create(self):
        super().create()
        for series in self.path.glob("patches/*/series"):
            if series.parent != self.patches:
                shutil.rmtree(series.parent)
        for patch in self.patches.glob("*.patch"):
            patch.unlink()
        (self.patches / "series").write_text("# A comment.\n")
        self.write_sdist(FILES)
        self.script().check_returncode()
        self.commit("Refs #29898 -- Changed the models.")
        self.commit("Changed the state.", "django/state.py", "state 2\n", "two\n")
        self.script("--export").check_returncode()
        self.fill_in()

    def write_sdist(self, files):
        sdist = self.path / "build" / SDIST
        make_sdist(sdist, files)
        digest = hashlib.sha256(sdist.read_bytes()).hexdigest()
        (self.patches / "SHA256SUMS").write_text(f"{digest}  {SDIST}\n")


class RealProject(Project):
    """A project with our series, whose Django is already downloaded."""

    def create(self):
        super().create()
        shutil.copy(ROOT / "build" / SDIST, self.path / "build")


class ProjectTestCase(SimpleTestCase):
    project_class = FakeDjangoProject

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.template = cls.project_class(cls.make_path())

    @classmethod
    def make_path(cls):
        parent = Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, parent)
        return parent / "project"

    def setUp(self):
        path = self.make_path()
        shutil.copytree(self.template.path, path, symlinks=True)
        self.project = self.project_class(path)

    def assertSucceeds(self, process):
        self.assertEqual(process.returncode, 0, process.stderr)

    def assertError(self, process, message, status=1):
        """
        The command failed with one line, which contains the message. Before it
        may be what the command had done until then.
        """
        self.assertEqual(process.returncode, status, process.stderr)
        *progress, line = process.stderr.splitlines()
        self.assertRegex(line, r"\Aerror: ")
        self.assertIn(message, line)
        self.assertNotRegex("\n".join(progress), r"(?m)^(error|fatal|Traceback)")
