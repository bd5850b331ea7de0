"""
Run the commands of a project with one Django or another, in its own Python.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The longest that a process is left alone for.
TICK = 0.1


class CommandFailed(Exception):
    """A process failed; the message has its last words in one line."""


class TimeIsUp(Exception):
    """A process was stopped because it had no more time."""


def memory_folder():
    """Return a memory-backed folder, or else a temporary one."""
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def get_tree(path, cache):
    """
    Return the folder that has django/ in it: a checkout as it is, or a wheel's
    content, which is extracted once.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix == ".whl" and path.is_file():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        tree = Path(cache) / f"{path.stem}-{digest}"
        if not tree.exists():
            new = Path(f"{tree}.new")
            shutil.rmtree(new, ignore_errors=True)
            try:
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(new)
            except zipfile.BadZipFile:
                raise CommandFailed(f"{path} is no wheel") from None
            new.replace(tree)
        path = tree
    if not (path / "django" / "__init__.py").is_file():
        raise CommandFailed(f"{path} is neither a wheel nor a folder with django/")
    return path


def get_environment(*paths, hash_seed=0, cache=None):
    """
    Return the environment of a Python that imports from the paths first.

    A set of strings has the same order in every run with the same
    ``hash_seed``.
    """
    paths = [*(str(Path(path).resolve()) for path in paths), str(ROOT)]
    if os.environ.get("PYTHONPATH"):
        paths.insert(-1, os.environ["PYTHONPATH"])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        # Every tree is compiled once, and none is written to.
        "PYTHONPYCACHEPREFIX": str(cache or memory_folder() / "bench_pycache"),
        "PYTHONHASHSEED": str(hash_seed),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def last_words(output):
    """Return the last line of what a process printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "no output"


class Project:
    """
    A project and its scratch databases.

    ``folder`` is where its modules are, ``settings`` the settings module and
    ``python`` the interpreter that has what it needs, except for Django.
    ``server`` is what guard.py wants to know, ``work`` a folder for records
    and databases, and ``variables`` are added to the environment. ``tick`` is
    called all the time while processes run.
    """

    def __init__(
        self, folder, settings, python, server, work, variables=None, tick=None
    ):
        self.folder = Path(folder).resolve()
        self.settings = settings
        self.python = str(python)
        self.server = server
        self.work = Path(work).resolve()
        self.variables = variables or {}
        self.tick = tick or (lambda: None)
        self.work.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(str(self.work).encode()).hexdigest()
        # In the names of databases, of which two projects share none.
        self.digest = digest[:8]
        self.databases = memory_folder() / f"check-{self.digest}"

    def run(self, tree, *commands, hash_seed=0, deadline=None, **job):
        """
        Run commands with a tree, and return what the recorder has to say about
        them, see there for ``job``.

        Added are the wall and CPU seconds of the whole process. Raise
        CommandFailed if it failed before it began with the first command.
        """
        self.databases.mkdir(parents=True, exist_ok=True)
        result_path = self.work / "result.json"
        result_path.unlink(missing_ok=True)
        job = {
            **job,
            "commands": commands,
            "guard": [self.server, self.digest, str(self.databases)],
            "result": str(result_path),
        }
        environment = {
            **get_environment(
                tree, self.folder, hash_seed=hash_seed, cache=self.work / "pycache"
            ),
            **self.variables,
            "DJANGO_SETTINGS_MODULE": self.settings,
        }
        log = self.work / "output.log"
        start = time.perf_counter()
        with open(log, "wb") as file:
            process = subprocess.Popen(
                [self.python, "-m", "migration_comparison.recorder"],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the caller, who ends it then.
                start_new_session=True,
            )
        try:
            try:
                process.stdin.write(json.dumps(job).encode())
                process.stdin.close()
            except BrokenPipeError:
                pass
            usage = self.wait(process, deadline)
        except BaseException:
            self.kill(process)
            raise
        wall = time.perf_counter() - start
        output = log.read_text(errors="replace")
        if not result_path.exists():
            raise CommandFailed(last_words(output))
        result = json.loads(result_path.read_text())
        if "error" in result and not result["commands"]:
            raise CommandFailed(result["error"].replace("\n", " "))
        prepare_wall, prepare_cpu = result["prepare"]
        result["wall"] = wall - prepare_wall
        result["cpu"] = usage.ru_utime + usage.ru_stime - prepare_cpu
        result["log"] = output[-20000:]
        return result

    def wait(self, process, deadline):
        """Wait for the end of a process and return its resource usage."""
        pause = 0.002
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                return usage
            if deadline and time.monotonic() > deadline:
                raise TimeIsUp
            self.tick()
            time.sleep(pause)
            pause = min(pause * 1.2, TICK)

    def kill(self, process):
        if process.returncode is None:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()

    def get_info(self, tree, **kwargs):
        """Return what recorder.get_info() found out."""
        result = self.run(tree, ["info"], **kwargs)
        [command] = result["commands"]
        if "error" in command:
            raise CommandFailed(command["error"].replace("\n", " "))
        return {**command["info"], "seconds": result["wall"]}

    def drop(self, tree, *states):
        """Drop the databases of the given states."""
        if self.databases.exists():
            if self.server != "sqlite":
                self.run(tree, drop=[*states, "work", "test"])
            shutil.rmtree(self.databases, ignore_errors=True)
