"""Run commands, say how it goes, and fail with one line."""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
# What a run needs for itself. The lock makes it the only one that's running,
# so whatever is found there is left over from a run that was killed.
SCRATCH = BUILD / "scratch"

# What no change of the patches or of the command line would mend.
SYSTEM_ERRORS = re.compile(
    "No space left on device|File too large|File size limit exceeded|"
    "Disk quota exceeded|Read-only file system|Permission denied|"
    "Input/output error|Too many open files|Cannot allocate memory|Killed|"
    "(failed|unable|could not) to? ?write"
)


class Failure(Exception):
    """What stops the run. It's told in one line."""

    status = 1


class WorkWouldBeLost(Failure):
    """There is work in the checkout, which can be tested as it is."""

    status = 3


class HalfApplied(Failure):
    """The checkout is neither the series nor anybody's work."""

    status = 4


def say(message):
    print(message, file=sys.stderr, flush=True)


class Progress:
    """Count steps: in place in a terminal, or else in a single line."""

    def __init__(self, message):
        self.message = message
        self.in_place = sys.stderr.isatty()

    def __enter__(self):
        if not self.in_place:
            say(f"{self.message}.")
        return self

    def show(self, done, total):
        if self.in_place:
            line = f"\r{self.message}: {done} of {total}"
            print(line, end="", file=sys.stderr, flush=True)

    def __exit__(self, *args):
        if self.in_place:
            say("")


@contextlib.contextmanager
def only_run():
    """Wait until no other run is working in build/."""
    BUILD.mkdir(exist_ok=True)
    with open(BUILD / "lock", "a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another ./django_checkout.sh is running: waiting for its end.")
            fcntl.flock(stream, fcntl.LOCK_EX)
        # If this process is killed, commands that it has started go on with
        # their work for a moment. They keep the lock.
        os.set_inheritable(stream.fileno(), True)
        remove(SCRATCH)
        try:
            yield
        finally:
            remove(SCRATCH)


def remove(path):
    """Remove a file or a directory, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def run(*args, log=None, **kwargs):
    """
    Run a command and return how it went, with its output. The output goes to
    build/{log}, too.
    """
    with start(*args, **{"stderr": subprocess.STDOUT, **kwargs}) as process:
        output = process.communicate()[0]
    if log:
        write_log(log, output)
    return subprocess.CompletedProcess(args, process.returncode, output)


@contextlib.contextmanager
def start(*args, **kwargs):
    """Start a command, which doesn't outlive the block."""
    process = subprocess.Popen(
        [str(arg) for arg in args],
        stdout=subprocess.PIPE,
        # For the sake of the lock. Python makes other files not inheritable.
        close_fds=False,
        **{"stdin": subprocess.DEVNULL, **kwargs},
    )
    with process:
        try:
            yield process
        except BaseException:
            # Not kill(): git removes its locks.
            process.terminate()
            raise


def write_log(name, output):
    # A disk without space isn't a reason not to say so.
    with contextlib.suppress(OSError):
        (BUILD / name).write_bytes(output)


def get_reason(process):
    """Return the line of a command's output that tells why it failed."""
    lines = [line.strip() for line in decode(process.stdout).splitlines()]
    if process.returncode < 0:
        lines.append(signal.strsignal(-process.returncode))
    for pattern in (SYSTEM_ERRORS, re.compile("error:|fatal:", re.I)):
        for line in lines:
            if pattern.search(line):
                line = re.sub(r"^(error|fatal): ", "", line, flags=re.I)
                return line + explain_full_disk(line)
    return next(filter(None, reversed(lines)), f"status {process.returncode}")


def explain_full_disk(line):
    """Some of git's messages only say that it can't write a file."""
    full = "No space left on device"
    is_full = shutil.disk_usage(BUILD).free < 1024 * 1024
    return f": {full}" if is_full and full not in line else ""


def is_system_error(process):
    return bool(SYSTEM_ERRORS.search(get_reason(process)))


def decode(output):
    return output.decode(errors="replace")


def write_atomically(path, content):
    """Write a file that never exists in part."""
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
