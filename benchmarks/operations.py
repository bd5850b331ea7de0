"""
Compare what single operations cost, and their SQL, in several trees.

    python operations.py --trees STOCK ON_DEMAND STATES

Each operation is applied to a project of ``--models`` models, which refer to
each other and to one that all refer to, from a state whose models have been
rendered like ``migrate`` does it. Printed are calls of ``ModelState.render()``
and the CPU milliseconds of ``state_forwards()`` and ``database_forwards()``.

No SQL is executed: it's collected, from a schema editor that finds no tables
but is told that each column has all kinds of constraints. ``--backend oracle``
needs neither a server nor a driver. The exit status is 1 if trees differ in
their SQL.
"""

import argparse
import json
import os
import subprocess
import sys
from time import process_time
from unittest import mock

ENGINES = {
    "sqlite": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "postgresql": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "USER": "postgres",
        "NAME": "postgres",
    },
    "mariadb": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": "127.0.0.1",
        "USER": "root",
        "NAME": "mysql",
    },
    "oracle": {"ENGINE": "django.db.backends.oracle", "NAME": "oracle"},
}


def get_state(models_count):
    from django.db import models
    from django.db.migrations.state import ModelState, ProjectState

    def fk(to, **kwargs):
        return models.ForeignKey(to, models.CASCADE, **kwargs)

    def get_fields(*fields):
        return [("id", models.AutoField(primary_key=True)), *fields]

    state = ProjectState()
    name = models.CharField(max_length=50)
    state.add_model(ModelState("shop", "Hub", get_fields(("name", name))))
    for index in range(models_count):
        fields = [
            ("name", name),
            ("slug", models.SlugField(null=True)),
            ("number", models.IntegerField(default=1)),
            ("hub", fk("shop.Hub")),
            ("previous", fk(f"shop.Model{max(index - 1, 0)}", null=True)),
        ]
        if index == 5:
            fields.append(("many", models.ManyToManyField("shop.Hub")))
        options = {
            "indexes": [models.Index(fields=["slug"], name=f"slug_{index}")],
            "unique_together": {("name", "slug")},
            "index_together": {("slug", "number")},
            "constraints": [
                models.UniqueConstraint(fields=["number", "name"], name=f"un_{index}")
            ],
        }
        state.add_model(
            ModelState("shop", f"Model{index}", get_fields(*fields), options)
        )
    return state


def get_operations():
    """Return {label: operation}."""
    from django.db import migrations as m
    from django.db import models

    def fk(to, **kwargs):
        return models.ForeignKey(to, models.CASCADE, **kwargs)

    name = "Model3"
    char = models.CharField
    return {
        "CreateModel": m.CreateModel(
            "New",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", char(max_length=20, unique=True)),
                ("day", models.DateField(db_index=True)),
                ("hub", fk("shop.Hub")),
                ("parent", fk("self", null=True)),
            ],
            {"unique_together": {("name", "day")}, "db_table_comment": "New"},
        ),
        "CreateModel, many-to-many": m.CreateModel(
            "New",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("hubs", models.ManyToManyField("shop.Hub")),
                ("others", models.ManyToManyField("self")),
            ],
        ),
        "DeleteModel": m.DeleteModel(name),
        "AddField, null": m.AddField(name, "x", models.IntegerField(null=True)),
        "AddField, default": m.AddField(name, "x", models.IntegerField(default=1)),
        "AddField, unique": m.AddField(name, "x", char(max_length=9, unique=True)),
        "AddField, foreign key": m.AddField(name, "x", fk("shop.Hub", null=True)),
        "AddField, many-to-many": m.AddField(
            name, "x", models.ManyToManyField("shop.Hub")
        ),
        "RemoveField": m.RemoveField("Hub", "name"),
        "RemoveField, foreign key": m.RemoveField(name, "hub"),
        "RemoveField, many-to-many": m.RemoveField("Model5", "many"),
        "AlterField": m.AlterField(name, "name", char(max_length=80, default="a")),
        "AlterField, not null": m.AlterField(
            name, "slug", models.SlugField(default="")
        ),
        "AlterField, foreign key": m.AlterField(name, "hub", fk("shop.Hub", null=True)),
        "AlterField, primary key": m.AlterField(
            "Hub", "id", models.BigAutoField(primary_key=True)
        ),
        "RenameField": m.RenameField(name, "number", "amount"),
        "RenameField, foreign key": m.RenameField(name, "hub", "center"),
        "RenameModel": m.RenameModel(name, "Renamed"),
        "RenameModel, all refer to it": m.RenameModel("Hub", "Renamed"),
        "AlterModelTable": m.AlterModelTable(name, "other_table"),
        "AlterModelTableComment": m.AlterModelTableComment(name, "Comment"),
        "AlterUniqueTogether": m.AlterUniqueTogether(name, {("name", "hub")}),
        "AlterIndexTogether": m.AlterIndexTogether(name, {("name", "hub")}),
        "AlterOrderWithRespectTo": m.AlterOrderWithRespectTo(name, "hub"),
        "AlterModelOptions": m.AlterModelOptions(name, {"verbose_name": "model"}),
        "AddIndex": m.AddIndex(name, models.Index(fields=["-name"], name="by_name")),
        "AddIndex, expression": m.AddIndex(
            name, models.Index(models.F("name").desc(), name="expression")
        ),
        "RemoveIndex": m.RemoveIndex(name, "slug_3"),
        "RenameIndex": m.RenameIndex(name, "by_slug", "slug_3"),
        "AddConstraint, unique": m.AddConstraint(
            name, models.UniqueConstraint(fields=["name"], name="unique_name")
        ),
        "AddConstraint, check": m.AddConstraint(
            name,
            models.CheckConstraint(condition=models.Q(number__gt=0), name="positive"),
        ),
        "RemoveConstraint": m.RemoveConstraint(name, "un_3"),
    }


def get_constraints(cursor, table_name):
    """
    Say that all combinations of columns that operations look for have
    constraints of all kinds.
    """
    constraints = {}
    for columns in (
        ["name"],
        ["slug"],
        ["number"],
        ["hub_id"],
        ["previous_id"],
        ["id"],
        ["name", "slug"],
        ["slug", "number"],
    ):
        for kind in ("index", "unique", "check", "foreign_key"):
            if len(columns) > 1 and kind in ("check", "foreign_key"):
                continue
            for convert in (str.lower, str.upper):
                constraints[
                    f"{table_name}_{'_'.join(columns)}_{kind}_{convert.__name__}"
                ] = {
                    "columns": [convert(column) for column in columns],
                    "primary_key": False,
                    "unique": kind == "unique",
                    "index": kind == "index",
                    "check": kind == "check",
                    "foreign_key": ("other", "id") if kind == "foreign_key" else None,
                    "type": "idx",
                }
    return constraints


def mock_oracle():
    """Stand in for Oracle's driver and server."""

    class Database(mock.MagicMock):
        pass

    oracledb = Database(name="oracledb")
    for name in (
        "DataError",
        "OperationalError",
        "IntegrityError",
        "InternalError",
        "ProgrammingError",
        "NotSupportedError",
        "DatabaseError",
        "InterfaceError",
        "Error",
    ):
        setattr(oracledb, name, type(name, (Exception,), {}))
    for name in ("DATETIME", "NCLOB", "CLOB", "BLOB", "TIMESTAMP", "Date", "Var"):
        setattr(oracledb, name, type(name, (), {}))
    oracledb.is_thin_mode = lambda: True
    sys.modules["oracledb"] = oracledb


def run(backend, models_count, repeat):
    """Print what each operation did, in JSON."""
    from django.conf import settings

    if backend == "oracle":
        mock_oracle()
    settings.configure(
        DATABASES={"default": ENGINES[backend]},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SECRET_KEY="-",
    )
    import django

    django.setup()
    from django.db import connection
    from django.db.migrations.state import ModelState

    renders = 0
    render = ModelState.render

    def counted_render(*args):
        nonlocal renders
        renders += 1
        return render(*args)

    ModelState.render = counted_render
    if backend == "oracle":
        type(connection).oracle_version = (23, 4)
        connection.connection = mock.MagicMock(version="23.4.0.24.5")
        connection.operators = connection._standard_operators
        cursor = mock.MagicMock()
        cursor.__enter__.return_value.fetchone.return_value = None
        connection.cursor = lambda: cursor
    if backend == "mariadb":
        connection.introspection.get_storage_engine = lambda *args: "InnoDB"
    connection.introspection.get_constraints = get_constraints
    connection.introspection.get_sequences = lambda *args, **kwargs: []
    state = get_state(models_count)
    state.apps.get_models()
    results = {}
    for label, operation in get_operations().items():
        seconds = []
        for _ in range(repeat):
            # Both of migrate's states have the models that were rendered.
            from_state = state.clone()
            to_state = state.clone()
            renders = 0
            editor = connection.schema_editor(collect_sql=True, atomic=False)
            editor.deferred_sql = []
            start = process_time()
            error = None
            try:
                operation.state_forwards("shop", to_state)
                operation.database_forwards("shop", editor, from_state, to_state)
                for statement in editor.deferred_sql:
                    editor.execute(statement, None)
            except Exception as exception:
                error = f"{type(exception).__name__}: {exception}"
            seconds.append(process_time() - start)
        results[label] = {
            "renders": renders,
            "seconds": min(seconds),
            "sql": editor.collected_sql,
            "error": error,
        }
    json.dump(results, sys.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--trees", nargs="+", metavar="TREE")
    parser.add_argument("--names", nargs="+", metavar="NAME")
    parser.add_argument("--backend", choices=ENGINES, default="sqlite")
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        return run(options.backend, options.models, options.repeat)
    arguments = [
        f"--{name}={getattr(options, name)}" for name in ("backend", "models", "repeat")
    ]
    results = [
        json.loads(
            subprocess.run(
                [sys.executable, __file__, "--run", *arguments],
                env={**os.environ, "PYTHONPATH": tree, "PYTHONHASHSEED": "0"},
                stdout=subprocess.PIPE,
                check=True,
            ).stdout
        )
        for tree in options.trees
    ]
    names = options.names or options.trees
    print("| operation |", " | ".join(f"{name} renders | ms" for name in names), "|")
    print("|---|" + "--:|--:|" * len(names))
    different = False
    for label, first in results[0].items():
        cells = [
            f"{result[label]['renders']} | {result[label]['seconds'] * 1000:.1f}"
            for result in results
        ]
        print("|", label, "|", " | ".join(cells), "|")
        for name, result in zip(names, results):
            for key in ("sql", "error"):
                if result[label][key] != first[key]:
                    different = True
                    print(f"{label}: different {key} in {name}", file=sys.stderr)
                    print(first[key], result[label][key], sep="\n", file=sys.stderr)
    statements = sum(len(result["sql"]) for result in results[0].values())
    errors = [label for label, result in results[0].items() if result["error"]]
    print(f"{statements} statements,", "different" if different else "the same")
    if errors:
        print("Errors, the same in all trees:", ", ".join(errors))
    return different


if __name__ == "__main__":
    sys.exit(main())
