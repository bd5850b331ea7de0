"""
Show what a Django tree costs where no migration is involved.

    python ordinary_orm.py --trees STOCK PATCHED [--rounds 10] [--json FILE]

Each round runs each tree in a process of its own, in turns. Times are CPU
seconds; the table has the minimum and the median of the rounds, and the
second tree's minimum divided by the first one's.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path
from time import process_time

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from migration_comparison.project import get_environment  # NOQA: E402

MODEL_COUNT = 300
MODELS = """\
from django.db import models


class Model0(models.Model):
    name = models.CharField(max_length=50)
""" + "".join(
    f"""

class Model{i}(models.Model):
    name = models.CharField(max_length=50)
    number = models.IntegerField(default=0, db_index=True)
    parent = models.ForeignKey("Model{i - 1}", models.CASCADE)
    hub = models.ForeignKey("Model0", models.CASCADE, related_name="+", null=True)
    friends = models.ManyToManyField("Model{i // 2}", related_name="friends_{i}")
""" for i in range(1, MODEL_COUNT)
)


def run():
    """Return {what: CPU seconds} of this process's Django."""
    import django
    from django.apps import apps
    from django.conf import settings
    from django.db import connection

    settings.configure(
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "ordinary",
        ],
        DATABASES={
            "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    seconds = {}

    def once(name, function):
        start = process_time()
        function()
        seconds[name] = process_time() - start

    def often(name, function, number=2000):
        # The minimum has the least noise of other processes in it.
        timer = timeit.Timer(function, timer=process_time)
        seconds[name] = min(timer.repeat(repeat=5, number=number)) / number

    once("setup", django.setup)
    once(
        "get_fields, first time",
        lambda: [model._meta.get_fields() for model in apps.get_models()],
    )
    Parent, Child = apps.get_model("ordinary.Model1"), apps.get_model("ordinary.Model2")
    Hub = apps.get_model("ordinary.Model0")
    with connection.schema_editor() as editor:
        for model in (Hub, Parent, Child):
            editor.create_model(model)
    hub = Hub.objects.create(name="hub")
    parent = Parent.objects.create(name="parent", parent=hub)
    Child.objects.bulk_create(Child(name=i, parent=parent, hub=hub) for i in range(100))
    child = Child.objects.select_related("parent__parent", "hub").first()

    often("class access: _meta.get_field", lambda: Child._meta.get_field("parent"))
    often("class access: _meta.related_objects", lambda: Parent._meta.related_objects)
    often("class access: remote_field.model", lambda: Child.parent.field.related_model)
    often("instance creation", lambda: Child(name="x", parent=parent, hub=hub))
    often("related access: cached key", lambda: child.parent.parent)
    often("related access: reverse manager", lambda: parent.model2_set)
    often("related access: many-to-many manager", lambda: child.friends)
    often(
        "QuerySet construction",
        lambda: Child.objects.filter(parent__name="x", hub__isnull=False)
        .select_related("parent")
        .order_by("number"),
    )
    often(
        "QuerySet construction and compilation",
        lambda: str(Child.objects.filter(parent__parent__name="x").values("pk").query),
        number=300,
    )
    often("100 rows fetched", lambda: list(Child.objects.select_related("parent")), 50)
    often("save", child.save, number=300)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--trees", nargs="+", required=True, metavar="TREE")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = [[] for _ in options.trees]
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "ordinary"
        app.mkdir()
        (app / "__init__.py").touch()
        (app / "models.py").write_text(MODELS)
        # The first round compiles modules and doesn't count.
        for i in range(options.rounds + 1):
            for tree, rounds in zip(options.trees, results):
                output = subprocess.run(
                    [sys.executable, __file__, "--run"],
                    env=get_environment(tree, folder),
                    stdout=subprocess.PIPE,
                    check=True,
                ).stdout
                if i:
                    rounds.append(json.loads(output))
    print(f"| CPU time, µs |{' min | median |' * len(options.trees)} ratio |")
    print(f"| --- |{' --: | --: |' * len(options.trees)} --: |")
    report = {}
    for name in results[0][0]:
        values = report[name] = [
            function([seconds[name] for seconds in rounds]) * 1e6
            for rounds in results
            for function in (min, statistics.median)
        ]
        ratio = values[2] / values[0] if len(values) > 2 else 1
        cells = " | ".join(f"{value:,.2f}" for value in values)
        print(f"| {name} | {cells} | {ratio:.3f} |")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--run"]:
        print(json.dumps(run()))
    else:
        main()
