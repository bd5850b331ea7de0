"""Build the wheel, the same bytes from the same commit."""

import io
import os
import re
import sys
import tarfile
import tempfile

from bases import PATCHES
from checkout import BRANCH
from commands import (
    ROOT,
    SCRATCH,
    Failure,
    get_reason,
    is_system_error,
    run,
    say,
    write_atomically,
)
from git import git, git_bytes

DIST = ROOT / "dist"
# pip splits what is in its environment variables at spaces: don't name the
# folder of the project.
CONSTRAINTS = (PATCHES / "build-constraints.txt").relative_to(ROOT)


def build_wheel(checkout):
    """Build the wheel of what is committed, and return its path."""
    check_dist()
    say("Building the wheel, which takes some 10 seconds.")
    unpack_commit(checkout)
    epoch = int(git("log", "-1", "--format=%ct", BRANCH, cwd=checkout.path))
    built = run_pip(epoch)
    wheel = DIST / built.name
    write_atomically(wheel, built.read_bytes())
    return wheel


def check_dist():
    """Don't build what can't be put where it belongs."""
    if DIST.exists() and not DIST.is_dir():
        raise Failure("dist is not a directory: move it away")
    try:
        DIST.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=DIST):
            pass
    except OSError as e:
        raise Failure(f"can't write to dist: {e.strerror}")


def unpack_commit(checkout):
    content = git_bytes("archive", "--prefix=source/", BRANCH, cwd=checkout.path)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(SCRATCH, filter="data")


def run_pip(epoch):
    process = run(
        *[sys.executable, "-m", "pip", "wheel", "--no-deps"],
        *["--wheel-dir", SCRATCH, SCRATCH / "source"],
        cwd=ROOT,
        env={
            **os.environ,
            # The bytes depend on the commit and on the build tools alone.
            "SOURCE_DATE_EPOCH": str(epoch),
            "PIP_RETRIES": "1",
            # Newer versions of pip read the second one.
            "PIP_CONSTRAINT": str(CONSTRAINTS),
            "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS),
        },
        log="wheel.log",
    )
    if not process.returncode:
        (wheel,) = SCRATCH.glob("*.whl")
        return wheel
    if re.search(
        b"install(ing)? build dependencies did not|No matching distribution|"
        b"NewConnectionError",
        process.stdout,
    ):
        raise Failure(
            f"pip could not download what the wheel is built with, which "
            f"{CONSTRAINTS} has, see build/wheel.log: is there a network?"
        )
    reason = f": {get_reason(process)}" if is_system_error(process) else ""
    raise Failure(f"pip could not build the wheel, see build/wheel.log{reason}")
