"""The Djangos that the series is applied to, as upstream has them."""

import hashlib
import os
import re
import shlex
import shutil
import sys
import tarfile
from pathlib import Path

from commands import (
    BUILD,
    ROOT,
    SCRATCH,
    Failure,
    get_reason,
    is_system_error,
    run,
    say,
)
from git import get_network_environment, git, try_git

RELEASE = "6.1.3"
PATCHES = ROOT / "patches" / "6.1"
UPSTREAM = "https://github.com/django/django.git"

# The source distribution lacks upstream's .gitignore.
IGNORED = "*.egg-info\n*.pyc\n__pycache__/\n.coverages/\n_build/\n"
TOCTREE = """\
6.2 release
-----------
.. toctree::
   :maxdepth: 1

   6.2

"""


class Base:
    """An unpatched Django, and the checkout that is made of it."""

    def __init__(self, name, origin=None):
        self.name = name
        # What the checkout is cloned from, unless it's a release.
        self.origin = origin
        # The hash of a release that isn't pinned yet.
        self.digest = None
        self.checkout = BUILD / f"django-{name}"

    @classmethod
    def from_option(cls, value):
        """Return the base that is called main, or by a version or a path."""
        if value == "main":
            return cls("main", UPSTREAM)
        if re.fullmatch(r"\d+(\.\d+)+((a|b|rc)\d+)?", value):
            return cls(value)
        if not os.path.exists(os.path.join(value, ".git")):
            raise Failure(
                f"--django {value}: neither main, nor a version, nor a git checkout"
            )
        path = Path(value).resolve()
        return cls(path.name.removesuffix(".git"), str(path))

    def __str__(self):
        return self.origin or f"Django {self.name}"

    @property
    def option(self):
        """What names this base on the command line."""
        if self.origin and self.origin != UPSTREAM:
            return shlex.quote(self.origin)
        return self.name

    def check_origin(self, path):
        """Directories of the same name have checkouts of the same name."""
        url = try_git("config", "remote.origin.url", cwd=path).stdout
        if os.fsdecode(url).strip() != (self.origin or ""):
            name = path.relative_to(ROOT)
            raise Failure(f"{name} is a clone of something else: move or delete it")

    def make(self, path):
        """
        Make a repository in which the unpatched Django is tagged "upstream".
        """
        if self.origin:
            self.clone(path)
        else:
            self.unpack(path)
        git("tag", "upstream", cwd=path)

    def clone(self, path):
        say(f"Cloning {self.origin}.")
        process = try_git(
            *["clone", "--quiet", "--no-tags", self.origin, path],
            env=get_network_environment(),
        )
        if process.returncode:
            raise Failure(f"could not clone {self.origin}: {get_reason(process)}")
        git("checkout", "--quiet", "-B", "fastmigrations", cwd=path)
        add_release_notes_stub(path)
        if git("diff", "--cached", "--name-only", cwd=path):
            subject = "Added stub release notes for 6.2."
            git("commit", "--quiet", "--message", subject, cwd=path)

    def unpack(self, path):
        """
        Make a repository of a source distribution. Its only commit is always
        the same, so that its hash repeats.
        """
        sdist = self.fetch_sdist()
        say(f"Unpacking {self}.")
        with tarfile.open(sdist) as archive:
            archive.extractall(SCRATCH / "sdist", filter="data")
        (content,) = (SCRATCH / "sdist").iterdir()
        content.rename(path)
        git("init", "--quiet", "--initial-branch", "fastmigrations", ".", cwd=path)
        (path / ".git" / "info" / "exclude").write_text(IGNORED)
        git("add", "--all", cwd=path)
        add_release_notes_stub(path)
        git("commit", "--quiet", "--message", f"Django {self.name}", cwd=path)

    @property
    def sdist(self):
        return BUILD / f"django-{self.name}.tar.gz"

    def fetch_sdist(self):
        """Download the source distribution once. Check it each time."""
        if not self.sdist.exists():
            download(self.name, self.sdist)
        name = f"build/{self.sdist.name}"
        digest = get_sha256(self.sdist)
        sums = {}
        for path in PATCHES.parent.glob("*/SHA256SUMS"):
            sums |= read_sums(path)
        pin = self.digest or sums.get(self.sdist.name)
        if pin is None:
            say(f"note: patches/6.1/SHA256SUMS has no line for {name}: {digest}")
        elif digest != pin:
            raise Failure(
                f"{name} has the SHA-256 {digest} instead of {pin}: delete it to "
                f"download it again"
            )
        return self.sdist


def download(version, path):
    say(f"Downloading Django {version}.")
    target = SCRATCH / "download"
    run_pip(
        # pip builds its metadata, with what it downloads for that.
        *["download", "--dest", target, f"Django=={version}"],
        system_error="could not download Django",
        error=f"pip could not download Django {version}",
        advice=f"put the source distribution at build/{path.name}",
        version=version,
    )
    (sdist,) = target.glob("*.tar.gz")
    sdist.rename(path)


def run_pip(*args, system_error, error, advice, version):
    """Run a command of pip for a source distribution, or raise Failure."""
    process = run(
        *[sys.executable, "-m", "pip", *args],
        *["--no-deps", "--no-binary", ":all:", "--retries", "1"],
        log="pip.log",
    )
    if not process.returncode:
        return
    if re.search(rb"from versions: \d", process.stdout):
        raise Failure(f"there is no release {version} of Django")
    if is_system_error(process):
        raise Failure(f"{system_error}: {get_reason(process)}")
    raise Failure(f"{error}, see build/pip.log: without a network, {advice}")


def add_release_notes_stub(path):
    """
    Add the release notes that upstream's main has for the next feature
    release. A release has none yet, but the patches add theirs to them.
    """
    releases = path / "docs" / "releases"
    if (releases / "6.2.txt").exists():
        return
    shutil.copyfile(PATCHES / "6.2.txt", releases / "6.2.txt")
    index = releases / "index.txt"
    text = index.read_text(encoding="utf-8")
    # Before those of the newest release.
    text = re.sub(r"^\d+\.\d+ release$", TOCTREE + r"\g<0>", text, count=1, flags=re.M)
    index.write_text(text, encoding="utf-8")
    git("add", "--all", cwd=path)


def get_sha256(path):
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_sums(path):
    """Return the names and the digests in a file as sha256sum writes it."""
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()
    return {line.split()[1]: line.split()[0] for line in lines}
