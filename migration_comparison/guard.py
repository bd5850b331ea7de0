"""
Scratch databases in the place of those that a project has configured.

Nothing here trusts the project: its settings are replaced when they're read,
and each connection is checked when it's about to be made. What is checked are
the parameters that the driver gets, so neither another alias, another thread,
a router, nor changed settings lead to a configured database.
"""

import os
import re
import sys
from pathlib import Path

# Names of databases start with it, and no others are created or dropped.
PREFIX = "check_"
# Options of drivers that would choose another database than NAME does.
NAME_OPTIONS = ["conninfo", "database", "db", "dbname", "dsn"]
# What a configured database of another engine has in common with SQLite.
COMMON_KEYS = ["ATOMIC_REQUESTS", "AUTOCOMMIT", "TIME_ZONE"]
COMMON_TEST_KEYS = ["DEPENDENCIES", "MIGRATE", "MIRROR"]
DRIVERS = ["psycopg", "psycopg2", "MySQLdb", "pymysql", "oracledb"]


class ConnectionRefused(RuntimeError):
    """Something asked for a database that isn't a scratch database."""


def is_sqlite(engine):
    return "sqlite" in engine or "spatialite" in engine


class Guard:
    """
    The scratch databases of a job.

    ``server`` is "sqlite", "configured" for databases on the servers that the
    settings name, or a dictionary like one of ``DATABASES``. ``digest`` is in
    all names, and ``folder`` has SQLite's files.
    """

    def __init__(self, server, digest, folder):
        self.server = server
        self.digest = digest
        self.folder = Path(folder)
        # {alias: settings} as configured, and as they are instead.
        self.configured = {}
        self.scratch = {}
        self.refused = []
        # What the checked connections of Django are about to connect to.
        self.work = "work"

    # Names.

    def get_name(self, alias, state):
        """Return the name of the database of an alias in a state."""
        alias = re.sub(r"\W", "_", alias.lower())[:20]
        return f"{PREFIX}{self.digest}_{alias}_{state}"

    def get_settings(self, alias, configured):
        """Return the settings of a scratch database."""
        if self.server == "sqlite":
            keep = is_sqlite(configured.get("ENGINE", ""))
            base = {
                key: value
                for key, value in configured.items()
                if keep or key in COMMON_KEYS
            }
            test = {
                key: value
                for key, value in (configured.get("TEST") or {}).items()
                if keep or key in COMMON_TEST_KEYS
            }
            base["ENGINE"] = (
                configured["ENGINE"] if keep else "django.db.backends.sqlite3"
            )
        else:
            base = {**configured}
            test = {**(configured.get("TEST") or {})}
            if isinstance(self.server, dict):
                connect = "ENGINE HOST PORT USER PASSWORD OPTIONS".split()
                base = {key: v for key, v in base.items() if key not in connect}
                base.update(self.server)
        mirror = test.get("MIRROR")
        name = self.get_name(mirror or alias, self.work)
        if is_sqlite(base["ENGINE"]):
            base["NAME"] = str(self.folder / f"{name}.sqlite3")
            test.pop("NAME", None)
        else:
            base["NAME"] = name
            test["NAME"] = self.get_name(alias, "test")
        options = base.get("OPTIONS") or {}
        base["OPTIONS"] = {k: v for k, v in options.items() if k not in NAME_OPTIONS}
        base["TEST"] = test
        return base

    def replace(self, databases):
        """Return scratch databases in the place of the configured ones."""
        replaced = {}
        for alias, configured in (databases or {}).items():
            if configured is self.scratch.get(alias):
                replaced[alias] = configured
                continue
            # An empty dictionary stands for no database.
            if not configured or configured.get("ENGINE", "").endswith(".dummy"):
                replaced[alias] = configured
                continue
            self.configured.setdefault(alias, configured)
            replaced[alias] = self.get_settings(alias, configured)
            self.scratch[alias] = replaced[alias]
        return replaced

    # Checks.

    def is_scratch(self, name):
        """Return whether a database of that name may be opened."""
        name = str(name)
        if self.is_in_memory(name):
            return True
        if name.startswith("file:"):
            name = name[5:].partition("?")[0]
        path = Path(name)
        return path.name.startswith(f"{PREFIX}{self.digest}_") and (
            path.name == name or path.parent == self.folder
        )

    @staticmethod
    def is_in_memory(name):
        return name == ":memory:" or (
            name.startswith("file:") and "mode=memory" in name
        )

    def is_configured(self, name):
        """Return whether it's the name of a configured database."""
        name = os.fsdecode(name) if isinstance(name, (bytes, os.PathLike)) else name
        if not isinstance(name, str) or not name or self.is_in_memory(name):
            return False
        if name.startswith("file:"):
            name = name[5:].partition("?")[0]
        names = [str(c.get("NAME") or "") for c in self.configured.values()]
        names += [
            str((c.get("TEST") or {}).get("NAME") or "")
            for c in self.configured.values()
        ]
        names = [other for other in names if other and not self.is_in_memory(other)]
        return name in names or os.path.realpath(name) in map(os.path.realpath, names)

    def refuse(self, name, origin):
        message = (
            f"{origin} asked for the database {name}, which is not a scratch "
            "database; it was not opened"
        )
        self.refused.append(message)
        raise ConnectionRefused(message)

    def check_connection(self, connection):
        """Raise an error if the connection isn't one to a scratch database."""
        params = connection.get_connection_params()
        origin = f'The connection "{connection.alias}"'
        names = [params[key] for key in NAME_OPTIONS if params.get(key)]
        for name in names:
            # Where databases are created and dropped from.
            if name == "postgres" and connection.alias == "__no_db__":
                if not self.is_configured(name):
                    continue
            if not self.is_scratch(name):
                self.refuse(name, origin)
        if not names and connection.alias != "__no_db__":
            self.refuse(connection.settings_dict.get("NAME"), origin)

    def check_driver(self, args, kwargs):
        """Raise an error if a driver is told to open a configured database."""
        values = [*args, *(kwargs[key] for key in NAME_OPTIONS if kwargs.get(key))]
        for value in map(str, values):
            # As in "dbname=shop host=db" and "postgresql://db/shop?x=y".
            found = re.search(r"\bdbname\s*=\s*'?([^\s']+)|://[^/]*/([^?]+)", value)
            name = (found[1] or found[2]) if found else value
            if self.is_configured(name):
                self.refuse(name, "A database driver")

    def audit(self, event, args):
        if event == "sqlite3.connect" and self.is_configured(args[0]):
            self.refuse(os.fsdecode(args[0]), "sqlite3")

    # Installation.

    def install(self):
        """Take effect, before the settings are read."""
        from django import conf
        from django.db.backends.base.base import BaseDatabaseWrapper
        from django.db.utils import ConnectionHandler

        guard = self
        read_settings = conf.Settings.__init__
        configure_settings = ConnectionHandler.configure_settings
        connect = BaseDatabaseWrapper.connect

        def read_scratch_settings(self, *args, **kwargs):
            read_settings(self, *args, **kwargs)
            self.DATABASES = guard.replace(self.DATABASES)
            # A test runner does the same.
            self.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

        def configure_scratch_settings(self, databases):
            # What replaces Django's settings hasn't been replaced yet.
            databases = conf.settings.DATABASES if databases is None else databases
            return configure_settings(self, guard.replace(databases))

        def connect_to_scratch(self, *args, **kwargs):
            guard.check_connection(self)
            return connect(self, *args, **kwargs)

        conf.Settings.__init__ = read_scratch_settings
        ConnectionHandler.configure_settings = configure_scratch_settings
        BaseDatabaseWrapper.connect = connect_to_scratch
        sys.addaudithook(self.audit)

    def install_in_drivers(self):
        """
        Check also what is opened without Django, by its configured name.

        That needs the settings.
        """
        for name in DRIVERS:
            module = sys.modules.get(name)
            if module is None:
                continue
            module.connect = self.checked(module.connect)
            if name == "psycopg":
                for cls in (module.Connection, module.AsyncConnection):
                    cls.connect = self.checked(cls.connect)

    def checked(self, connect):
        def checked_connect(*args, **kwargs):
            self.check_driver(args, kwargs)
            return connect(*args, **kwargs)

        return checked_connect
