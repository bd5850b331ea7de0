"""
Run the commands of a project with one Django tree or another.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from databases import BACKENDS

MEASURE = Path(__file__).with_name("measure.py")


class CommandFailed(Exception):
    """A measured command failed; the message ends in its error output."""


def make_parser(documentation, trees="+"):
    """
    Return a parser of the trees, whose number is given as in ``nargs``, and of
    what Project.from_options() takes.
    """
    parser = argparse.ArgumentParser(description=documentation.split("\n\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--trees", nargs=trees, required=True, metavar="TREE")
    parser.add_argument("--backend", choices=BACKENDS, default="sqlite")
    parser.add_argument("--settings", default="settings")
    parser.add_argument("--python", default=sys.executable)
    return parser


def environment(*paths, hash_seed=0):
    """
    Return the environment of a Python that imports from the paths first.

    A set of strings has the same order in every run with the same
    ``hash_seed``.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in paths),
        # Every tree is compiled once, and none is written to.
        "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "bench_pycache"),
        "PYTHONHASHSEED": str(hash_seed),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


class Project:
    """
    A project on a database backend.

    ``folder`` is where its modules are, ``settings`` the settings module and
    ``python`` the interpreter that has its dependencies, except for Django.
    As a context manager it drops its work database at the end, and exits with
    one line if a command failed.
    """

    def __init__(self, folder, backend, settings="settings", python=sys.executable):
        self.folder = Path(folder).resolve()
        self.backend = backend
        self.settings = settings
        self.python = python
        digest = hashlib.md5(f"{settings} {python}".encode())
        for path in sorted(self.folder.rglob("*.py")):
            digest.update(path.read_bytes())
        # Databases are found again as long as the project is the same.
        self.digest = digest.hexdigest()[:10]

    @classmethod
    def from_options(cls, options):
        """Return the project that options of make_parser() describe."""
        backend = BACKENDS[options.backend]()
        return cls(options.project, backend, options.settings, options.python)

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        self.backend.drop(self.work)
        if isinstance(exc_value, CommandFailed):
            sys.exit(str(exc_value))

    @property
    def work(self):
        """Return the name of the database that this process works on."""
        return f"bench_work_{os.getpid()}"

    def get_name(self, state):
        """Return the name of the prepared database for a state."""
        return f"bench_{self.digest}_{state}"

    def prepared(self, state, tree, *commands, start=None):
        """
        Return the name of a database made by running commands with a tree.

        They start from an empty database or from the one named ``start``. A
        database prepared earlier is used again.
        """
        name = self.get_name(state)
        if not self.backend.exists(name):
            self.reset(start)
            for command in commands:
                if error := self.run(tree, *command).get("error"):
                    raise CommandFailed(f"{' '.join(command)}: {error}")
            self.keep(state)
        return name

    def keep(self, state):
        """Keep the work database as a prepared one."""
        self.backend.copy(self.work, self.get_name(state))

    def reset(self, source=None):
        """Make the work database empty or a copy of a prepared one."""
        if source:
            self.backend.copy(source, self.work)
        else:
            self.backend.create(self.work)

    def run(self, tree, *command, record=None, hash_seed=0):
        """
        Run a command of ``measure.py`` with a tree on the work database.

        Return what it counted with wall and CPU seconds, peak RSS in MB and
        the output. If the command failed, "error" has its last line.
        """
        stats = Path(tempfile.gettempdir()) / f"{self.work}.json"
        arguments = [self.python, str(MEASURE), "--stats", str(stats)]
        if record:
            arguments += ["--record", str(record)]
        variables = {
            **environment(tree, self.folder, hash_seed=hash_seed),
            "DJANGO_SETTINGS_MODULE": self.settings,
            "DATABASE": json.dumps(self.backend.settings(self.work)),
        }
        output = stats.with_suffix(".out")
        stats.unlink(missing_ok=True)
        start = time.perf_counter()
        with open(output, "w+") as file:
            process = subprocess.Popen(
                [*arguments, *command],
                cwd=self.folder,
                env=variables,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            # Unlike getrusage(RUSAGE_CHILDREN), it tells one child's peak.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if not stats.exists():
            raise CommandFailed(output.read_text())
        result = json.loads(stats.read_text())
        result.update(
            wall=wall,
            cpu=usage.ru_utime + usage.ru_stime,
            rss=usage.ru_maxrss / 1024,
            output=output.read_text(),
        )
        stats.unlink()
        output.unlink()
        return result

    def plans(self, tree):
        """Return what ``measure.py plan`` prints."""
        # Some packages ask the database something when they're imported.
        self.reset()
        result = self.run(tree, "plan")
        if error := result.get("error"):
            raise CommandFailed(error)
        return json.loads(result["output"].splitlines()[-1])
