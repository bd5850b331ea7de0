"""
Throw-away databases for the benchmarks.

Each class has the same methods: ``settings(name)`` returns what belongs into
``DATABASES["default"]``; ``create(name)`` makes an empty database in place of
any that exists; ``copy(source, name)`` makes one with the content of another;
``exists(name)`` and ``drop(name)`` do what they say.

The servers are local ones without a password unless the environment variable
``BENCHMARK_POSTGRESQL`` or ``BENCHMARK_MARIADB`` has other settings in JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def memory_folder():
    """Return a memory-backed folder, or else a temporary one."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK):
        print("No /dev/shm: SQLite databases are on a disk.", file=sys.stderr)
        folder = Path(tempfile.gettempdir())
    folder /= "migration-benchmarks"
    folder.mkdir(exist_ok=True)
    return folder


def server_settings(variable, **default):
    return {**default, **json.loads(os.environ.get(variable, "{}"))}


class SQLite:
    def __init__(self):
        self.folder = memory_folder()

    def path(self, name):
        return self.folder / f"{name}.sqlite3"

    def settings(self, name):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self.path(name))}

    def create(self, name):
        self.drop(name)

    def copy(self, source, name):
        shutil.copyfile(self.path(source), self.path(name))

    def exists(self, name):
        return self.path(name).exists()

    def drop(self, name):
        self.path(name).unlink(missing_ok=True)


class PostgreSQL:
    def __init__(self):
        self.server = server_settings(
            "BENCHMARK_POSTGRESQL",
            ENGINE="django.db.backends.postgresql",
            HOST="127.0.0.1",
            USER="postgres",
        )

    def settings(self, name):
        return {**self.server, "NAME": name}

    def execute(self, sql, params=()):
        import psycopg

        with psycopg.connect(
            host=self.server["HOST"],
            user=self.server["USER"],
            password=self.server.get("PASSWORD"),
            dbname="postgres",
            autocommit=True,
        ) as connection:
            return connection.execute(sql, params)

    def create(self, name):
        self.drop(name)
        self.execute(f'CREATE DATABASE "{name}"')

    def copy(self, source, name):
        self.drop(name)
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')

    def exists(self, name):
        sql = "SELECT 1 FROM pg_database WHERE datname = %s"
        return self.execute(sql, [name]).rowcount == 1

    def drop(self, name):
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class MariaDB:
    def __init__(self):
        self.server = server_settings(
            "BENCHMARK_MARIADB",
            ENGINE="django.db.backends.mysql",
            HOST="127.0.0.1",
            USER="root",
        )

    def settings(self, name):
        return {**self.server, "NAME": name}

    def client(self, program, *arguments, **kwargs):
        """Run a client program and return its standard output."""
        return subprocess.run(
            [program, "-h", self.server["HOST"], "-u", self.server["USER"], *arguments],
            env={**os.environ, "MYSQL_PWD": self.server.get("PASSWORD", "")},
            stdout=subprocess.PIPE,
            check=True,
            **kwargs,
        ).stdout

    def execute(self, sql):
        return self.client("mariadb", "-N", "-e", sql)

    def create(self, name):
        self.drop(name)
        self.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")

    def copy(self, source, name):
        self.create(name)
        self.client("mariadb", name, input=self.client("mariadb-dump", source))

    def exists(self, name):
        return bool(self.execute(f"SHOW DATABASES LIKE '{name}'"))

    def drop(self, name):
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")


BACKENDS = {"sqlite": SQLite, "postgresql": PostgreSQL, "mariadb": MariaDB}
