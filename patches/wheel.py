"""Build the wheel, the same bytes from the same commit."""

import base64
import hashlib
import io
import os
import re
import sys
import tarfile
import tempfile
import time
import zipfile

from bases import PATCHES, get_sha256, read_sums
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
from sbom import make_sbom

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
    version = built.name.split("-")[1]
    sbom = make_sbom(
        version,
        describe_upstream(checkout),
        list_commits(checkout),
        [str(path.relative_to(ROOT)) for path in checkout.series.get_paths()],
    )
    content = add_sbom(built.read_bytes(), sbom, epoch)
    wheel = DIST / built.name
    write_atomically(wheel, content)
    write_sums(wheel)
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


def describe_upstream(checkout):
    base = checkout.base
    if not base.origin:
        return {
            "version": base.name,
            "type": "distribution",
            "url": f"https://pypi.org/project/Django/{base.name}/",
            "sha256": get_sha256(base.sdist),
        }
    # The version of a clone is its commit's.
    commit = git("rev-parse", "upstream", cwd=checkout.path)
    return {"version": commit, "type": "vcs", "url": base.origin}


def list_commits(checkout):
    """Return the hashes and the subjects of the patches' commits."""
    commits = f"upstream..{BRANCH}"
    log = git("log", "--reverse", "--format=%H %s", commits, cwd=checkout.path)
    return [line.split(" ", 1) for line in log.splitlines()]


def add_sbom(wheel, sbom, epoch):
    """Return the wheel with the file where PEP 770 has it."""
    output = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(wheel)) as old,
        zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        *files, record = old.infolist()
        for file in files:
            new.writestr(file, old.read(file))
        directory = record.filename.rpartition("/")[0]
        name = f"{directory}/sboms/fastmigrations.cdx.json"
        file = zipfile.ZipInfo(name, time.gmtime(epoch)[:6])
        file.external_attr = record.external_attr
        file.compress_type = zipfile.ZIP_DEFLATED
        new.writestr(file, sbom)
        lines = old.read(record).decode().splitlines(keepends=True)
        lines.insert(-1, get_record_line(name, sbom.encode()))
        new.writestr(record, "".join(lines))
    return output.getvalue()


def get_record_line(name, content):
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"{name},sha256={digest.decode().rstrip('=')},{len(content)}\n"


def write_sums(wheel):
    """Write the checksums of all wheels in the directory."""
    sums = read_sums(DIST / "SHA256SUMS")
    sums[wheel.name] = get_sha256(wheel)
    lines = [
        f"{sums[name]}  {name}\n" for name in sorted(sums) if (DIST / name).exists()
    ]
    write_atomically(DIST / "SHA256SUMS", "".join(lines).encode())
