"""
Count the operations of squashed apps: before, after stock's optimizer, after
the optimizer of the Django that runs this script, and in the migrations that
the autodetector of stock writes from nothing.

    DJANGO_SETTINGS_MODULE=wagtail_settings PYTHONPATH=DJANGO:projects \\
    python squash.py --stock STOCK_DJANGO [--elide] [app_label ...]

With --elide data operations are left out, otherwise they are kept. The state
after the optimized operations is compared with the state after the originals,
and optimizing once more has to change nothing. --json prints the figures of
the running Django only.
"""

import argparse
import copy
import inspect
import json
import os
import subprocess
import sys
import time

import django
from django.db import migrations
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.optimizer import MigrationOptimizer

HAS_STATE = "state" in inspect.signature(MigrationOptimizer.optimize).parameters


def get_plan(loader, app_label):
    """Return the keys of an app's migrations in order."""
    plan = loader.graph._generate_plan(loader.graph.leaf_nodes(), True)
    return [key for key in plan if key[0] == app_label]


def get_operations(loader, app_label, elide):
    """Return the state before an app's migrations, and their operations."""
    plan = get_plan(loader, app_label)
    operations = []
    for key in plan:
        operations.extend(loader.graph.nodes[key].operations)
    if elide:
        operations = [elided for op in operations for elided in elide_operation(op)]
    return loader.project_state(plan[0], at_end=False), operations


def elide_operation(operation):
    if isinstance(operation, migrations.RunSQL) and operation.state_operations:
        yield migrations.SeparateDatabaseAndState(
            state_operations=operation.state_operations
        )
    elif not isinstance(operation, (migrations.RunPython, migrations.RunSQL)):
        # pretix has data operations of its own.
        if type(operation).__name__ != "CleanHierarkeyDuplicates":
            yield operation


def optimize(operations, app_label, state):
    kwargs = {"state": state.clone()} if HAS_STATE else {}
    return MigrationOptimizer().optimize(operations, app_label, **kwargs)


def apply(operations, app_label, state):
    state = state.clone()
    # Some versions change the fields of operations.
    for operation in copy.deepcopy(operations):
        operation.state_forwards(app_label, state)
    return {key: model for key, model in state.models.items() if key[0] == app_label}


def from_scratch(models, app_label, state):
    from_state, to_state = state.clone(), state.clone()
    for model_state in models.values():
        to_state.add_model(model_state.clone())
    changes = MigrationAutodetector(from_state, to_state)._detect_changes()
    return sum(len(migration.operations) for migration in changes.get(app_label, ()))


def measure(app_labels, elide):
    loader = MigrationLoader(None)
    results = {}
    for app_label in app_labels or sorted(loader.migrated_apps):
        files = [key for key in loader.disk_migrations if key[0] == app_label]
        if not app_labels and len(files) < 3:
            continue
        state, operations = get_operations(loader, app_label, elide)
        before = apply(operations, app_label, state)
        start = time.perf_counter()
        try:
            optimized = optimize(operations, app_label, state)
        except Exception as e:
            results[app_label] = {"note": repr(e)}
            continue
        seconds = time.perf_counter() - start
        notes = []
        try:
            if apply(optimized, app_label, state) != before:
                notes.append("state differs")
        except Exception as e:
            notes.append(f"cannot be applied: {e!r}")
        if HAS_STATE and optimize(optimized, app_label, state) != optimized:
            notes.append("not stable")
        results[app_label] = {
            "before": len(operations),
            "after": len(optimized),
            "scratch": from_scratch(before, app_label, state),
            "seconds": seconds,
            "note": ", ".join(notes),
        }
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app_labels", nargs="*")
    parser.add_argument("--stock")
    parser.add_argument("--elide", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    django.setup()
    results = measure(options.app_labels, options.elide)
    if options.json:
        json.dump(results, sys.stdout)
        return
    stock = {}
    if options.stock:
        arguments = [arg for arg in sys.argv[1:] if arg not in ("--stock",)]
        arguments.remove(options.stock)
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        paths = [options.stock, *paths[1:]]
        stock = json.loads(
            subprocess.run(
                [sys.executable, "-W", "ignore", __file__, "--json", *arguments],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                check=True,
                stdout=subprocess.PIPE,
            ).stdout
        )
    print(f"{'':28}{'before':>7}{'stock':>7}{'ours':>7}{'scratch':>8}{'s':>7}{'s':>7}")
    total = dict.fromkeys(("before", "stock", "ours", "scratch", "t0", "t1"), 0)
    for app_label, result in results.items():
        if "after" not in result:
            print(f"{app_label:28}{result['note']}")
            continue
        reference = stock.get(app_label, {})
        row = {
            "before": result["before"],
            "stock": reference.get("after", 0),
            "ours": result["after"],
            "scratch": reference.get("scratch", result["scratch"]),
            "t0": reference.get("seconds", 0),
            "t1": result["seconds"],
        }
        note = result["note"]
        if reference.get("note"):
            note += f" (stock: {reference['note'][:70]})"
        for key, value in row.items():
            total[key] += value
        print_row(app_label, row, note)
    print_row("total", total)


def print_row(name, row, note=""):
    print(
        f"{name:28}{row['before']:7}{row['stock']:7}{row['ours']:7}"
        f"{row['scratch']:8}{row['t0']:7.2f}{row['t1']:7.2f}  {note}".rstrip()
    )


if __name__ == "__main__":
    main()
