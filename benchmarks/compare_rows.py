"""
Compare the rows that receivers of post_migrate write with two Django trees.

    python compare_rows.py PROJECT --trees STOCK PATCHED [--backend sqlite] \\
        [--apps LABEL …] [--renames 2]

Each tree migrates an empty database forward, unapplies and applies again a
migration that nothing depends on, those that rename a model and take the
fewest others along, and all migrations of the apps given. After each step
the tables of content types, permissions and sites must have the same rows,
with the same primary keys.

Unpatched Django takes models that it has rendered again from a set of strings,
so the order of rows may depend on PYTHONHASHSEED. Other rows are accepted if
they are those of the first tree with one of a few other seeds. The exit status
is 1 if there is a difference.
"""

import json
import sys

from compare_sql import HASH_SEEDS, difference
from project import Project, make_parser

CONTRIB_LABELS = {"admin", "auth", "contenttypes", "sessions", "sites"}


def get_steps(plans, labels, renames):
    """Return [(name of the step, arguments of migrate), …]."""
    plan = {
        key: value
        for key, value in plans["plans"].items()
        if key.split(".")[0] not in CONTRIB_LABELS
    }
    keys = [key for key in plans["leaves"] if key in plan][:1]
    keys += sorted(
        (key for key in plans["renames"] if key in plan),
        key=lambda key: (plan[key][1], key),
    )[:renames]
    steps = [("forward", ())]
    for key in keys:
        label, name = key.split(".", 1)
        steps += [
            (f"{key} unapplied", (label, plan[key][0])),
            (f"{key} applied again", ()),
        ]
    for label in labels:
        steps += [(f"{label} zero", (label, "zero")), (f"{label} again", ())]
    return steps


def run(project, tree, steps, hash_seed):
    """Yield the error, if any, and the rows after each step as lines."""
    project.reset()
    for _, arguments in steps:
        result = project.run(
            tree, "migrate", "--verbosity", "0", *arguments, hash_seed=hash_seed
        )
        lines = [result["error"]] if "error" in result else []
        output = project.run(tree, "rows")["output"].splitlines()[-1]
        for table, rows in json.loads(output).items():
            lines += [f"{table} {row}" for row in rows]
        yield lines


def main():
    parser = make_parser(__doc__, trees=2)
    parser.add_argument("--apps", nargs="*", default=[], metavar="LABEL")
    parser.add_argument("--renames", type=int, default=2, metavar="COUNT")
    options = parser.parse_args()
    stock, patched = options.trees
    agree = True
    with Project.from_options(options) as project:
        steps = get_steps(project.plans(stock), options.apps, options.renames)
        wanted = list(run(project, patched, steps, hash_seed=0))
        found = list(run(project, stock, steps, hash_seed=0))
        others = []
        for i, (name, _) in enumerate(steps):
            lines = difference(found[i], wanted[i])
            seeds = []
            if lines:
                for seed in range(len(others) + 1, HASH_SEEDS):
                    others.append(list(run(project, stock, steps, hash_seed=seed)))
                seeds = [
                    seed
                    for seed, other in enumerate(others, 1)
                    if other[i] == wanted[i]
                ]
            if not lines:
                print(f"{name}: same, {len(wanted[i])} rows, {wanted[i][0][:60]} …")
            elif seeds:
                print(f"{name}: same as with hash seed {seeds[0]}")
            else:
                agree = False
                print("\n".join([f"{name}: DIFFERENT", *lines]))
            sys.stdout.flush()
    sys.exit(not agree)


if __name__ == "__main__":
    main()
