"""
Squash a whole project, and finish that, by nothing but the commands: the walk
from squashmigrations --all to squashmigrations --finish.

    DJANGO_SETTINGS_MODULE=oscar_settings PYTHONPATH=DJANGO:projects \\
    python squash_project.py [--elide NAME] [--until NAME] [--stock STOCK] \\
    [--database]

Works on copies of the migrations of all apps, also those of packages. Prints
the table of --stat, what each step says, and the CPU time of a fresh database
by the original migrations, by the squashed ones, by those that are left in the
end, and without migrations. --elide and --until are passed on. --stock counts
the operations that unpatched Django leaves in the same ranges. --database does
all of that in the PostgreSQL database of the environment variable DATABASE,
which has to be empty and is emptied after each step, rather than in SQLite.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import django
from django.db.migrations.loader import MigrationLoader
from squash_command import Copies

# Run as processes of their own.
MIGRATE = """
import time
import django
django.setup()
from django.core.management import call_command
start = time.process_time()
call_command("migrate", verbosity=0, run_syncdb={})
print(time.process_time() - start)
"""
SCHEMA = """
import json
import django
django.setup()
from django.db import connection
from django.db.migrations.squashing.verification import get_schema
schema = get_schema(connection, ())
print(json.dumps({name: sorted(parts) for name, parts in schema.items()}))
"""
CLEAR = """
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("DROP SCHEMA public CASCADE")
    cursor.execute("CREATE SCHEMA public")
"""
TABLES = """
import django
django.setup()
from django.db import connection
print(*connection.introspection.table_names())
"""
# Squashed migrations that were there before are given as pairs.
RANGES = """
import json
import sys
import django
django.setup()
from django.db.migrations.loader import MigrationLoader
old = set(map(tuple, json.load(sys.stdin)))
squashed = [
    migration
    for key, migration in MigrationLoader(None, replace_migrations=False)
    .replacements.items()
    if key not in old
]
print(json.dumps([(m.app_label, m.replaces, len(m.operations)) for m in squashed]))
"""
COUNT = """
import json
import sys
import django
django.setup()
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.optimizer import MigrationOptimizer
loader = MigrationLoader(None)
counts = []
for app_label, keys, _ in json.load(sys.stdin):
    operations = [
        operation
        for key in keys
        for operation in loader.disk_migrations[tuple(key)].operations
    ]
    counts.append(len(MigrationOptimizer().optimize(operations, app_label)))
print(json.dumps(counts))
"""


class Walk:
    def __init__(self, copies, directory, options, old_squashes):
        self.copies = copies
        self.env = copies.env
        self.directory = Path(directory)
        self.options = options
        # The keys of squashed migrations that are there already.
        self.old_squashes = old_squashes
        self.number = 0

    def use_file(self):
        """Use a new database, unless it's that of the settings."""
        if not self.options.database:
            self.number += 1
            name = str(self.directory / f"{self.number}.sqlite3")
            database = {"ENGINE": "django.db.backends.sqlite3", "NAME": name}
            self.env["DATABASE"] = json.dumps(database)
        else:
            self.python(CLEAR)

    def python(self, code, input="", **env):
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**self.env, **env},
            input=input,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def measure(self, name, syncdb=False):
        """Print the CPU time of a fresh database."""
        env = {}
        if syncdb:
            env["DJANGO_SETTINGS_MODULE"] = "squash_copies_none"
        if not self.options.database:
            memory = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            env["DATABASE"] = json.dumps(memory)
        times = []
        for _ in range(3):
            if self.options.database:
                self.python(CLEAR)
            times.append(float(self.python(MIGRATE.format(syncdb), **env)))
        print(f"CPU time {name}: {min(times):.2f} s", flush=True)

    def run(self, *args, quiet=False):
        start = time.perf_counter()
        status, output = self.copies.run(*args)
        seconds = time.perf_counter() - start
        print(f"$ {' '.join(args)}  # status {status}, {seconds:.1f} s")
        lines = re.sub(r"\s*\[[^]\n]*\]\n", "\n", output).strip().splitlines()
        if quiet and not status and len(lines) > 6:
            lines = [*lines[:2], "...", *lines[-3:]]
        print("\n".join(lines), flush=True)
        return status, output

    def get_schema(self):
        return json.loads(self.python(SCHEMA))

    def check(self):
        self.run("migrate", "--no-color", quiet=True)
        self.run("makemigrations", "--check", "--dry-run", quiet=True)

    def count_with_stock(self):
        """Print apps in which unpatched Django has fewer operations."""
        ranges = self.python(RANGES, json.dumps(sorted(self.old_squashes)))
        # The first one is the patched Django.
        _, *paths = self.env["PYTHONPATH"].split(os.pathsep)
        stock_counts = self.python(
            COUNT, ranges, PYTHONPATH=os.pathsep.join([self.options.stock, *paths])
        )
        patched, stock = Counter(), Counter()
        for (app_label, _, count), stock_count in zip(
            json.loads(ranges), json.loads(stock_counts)
        ):
            patched[app_label] += count
            stock[app_label] += stock_count
        total, stock_total = patched.total(), stock.total()
        print(
            f"operations in squashed migrations: {total}, unpatched {stock_total}, "
            f"{total / stock_total:.1%}"
        )
        for app_label, count in patched.items():
            if count > stock[app_label]:
                print(f"  MORE: {app_label} {count}, unpatched {stock[app_label]}")

    def walk(self):
        self.measure("without migrations", syncdb=True)
        self.measure("before")
        self.use_file()
        self.check()
        before = self.get_schema()
        elide = [arg for name in self.options.elide for arg in ("--elide", name)]
        elide += [arg for name in self.options.until for arg in ("--until", name)]
        verify = ["--verify", *["default"] * self.options.database]
        status, _ = self.run(
            "squashmigrations", "--all", "--noinput", "--stat", *elide, *verify
        )
        if status:
            sys.exit(1)
        self.check()
        if self.options.stock and not elide:
            self.count_with_stock()
        if self.options.database:
            # It's emptied by the measurement.
            self.run("squashmigrations", "--finish", "--noinput", quiet=True)
        else:
            self.measure("squashed")
            self.run("squashmigrations", "--finish", "--noinput", quiet=True)
        self.check()
        self.measure("finished")
        self.use_file()
        self.check()
        schema = self.get_schema()
        print("same schema in the end:", schema == before, len(before), "tables")
        for name in sorted({*before, *schema}):
            old, new = set(before.get(name, ())), set(schema.get(name, ()))
            if old != new:
                print(f"  {name}: {sorted(old - new)} -> {sorted(new - old)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elide", action="append", default=[])
    parser.add_argument("--until", action="append", default=[])
    parser.add_argument("--stock")
    parser.add_argument("--database", action="store_true")
    options = parser.parse_args()
    django.setup()
    loader = MigrationLoader(None)
    with tempfile.TemporaryDirectory() as directory:
        copies = Copies(loader, directory)
        old_squashes = {
            key
            for key, migration in loader.disk_migrations.items()
            if migration.replaces
        }
        walk = Walk(copies, directory, options, old_squashes)
        if options.database and (tables := walk.python(TABLES).split()):
            sys.exit(
                f"error: the database of DATABASE has {len(tables)} tables, which "
                f"would be removed: give an empty one"
            )
        (Path(directory) / "squash_copies_none.py").write_text(
            "from squash_copies_settings import *  # NOQA\n"
            "MIGRATION_MODULES = dict.fromkeys(MIGRATION_MODULES)\n"
        )
        try:
            walk.walk()
        finally:
            if options.database:
                walk.python(CLEAR)


if __name__ == "__main__":
    main()
