"""
Compare, statement by statement, the SQL with which two trees migrate.

    python compare_sql.py PROJECT --trees STOCK [PATCHED] --records FOLDER \\
        [--backend sqlite] [--apps LABEL …]

Recorded are: everything forward and, from a fully migrated database each, one
app to zero and everything forward again. What the first tree did is kept in
FOLDER and used again; delete it to record anew. With one tree, that is all.

Statements that open and close transactions are left out unless
``--transactions`` is given. Rows of ``django_migrations`` are compared on
their own, as a migration may be recorded inside or after its transaction.
The exit status is 1 if there is a difference.
"""

import argparse
import json
import re
import sys
from itertools import zip_longest
from pathlib import Path

from databases import BACKENDS
from project import CommandFailed, Project

TRANSACTION = re.compile(
    r"-- (commit|rollback|autocommit)|BEGIN|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO"
)
# Named after the thread that made it.
SAVEPOINT = re.compile(r"[\"`]s\d+_x\d+[\"`]")
# Django takes these names from a set, so their order means nothing.
CONTENT_TYPES = re.compile(
    r"(SELECT .* FROM .django_content_type. WHERE .* IN \(.*) <- \((.*)\)$"
)
ADDRESS = re.compile(r"0x[0-9a-f]+")
CONTEXT = 3


class Records:
    """What one tree did in each step; a step is a command and its start."""

    def __init__(self, folder, project, tree, keep):
        self.folder = folder
        self.project = project
        self.tree = tree
        self.keep = keep
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, step):
        return self.folder / f"{step}.sql"

    def result(self, step):
        return json.loads(self.path(step).with_suffix(".json").read_text())

    def error(self, step):
        """Return the error that a step ended in, or an empty string."""
        error = self.result(step).get("error", "")
        return ADDRESS.sub("0x…", error)

    def known(self, *steps):
        return self.keep and all(
            self.path(step).with_suffix(".json").exists() for step in steps
        )

    def run(self, step, *command):
        """Record a command on the work database; return whether it succeeded."""
        result = self.project.run(self.tree, *command, record=self.path(step))
        Path(f"{self.path(step)}.pickle").unlink()
        result["command"] = command
        path = self.path(step).with_suffix(".json")
        path.write_text(json.dumps(result, indent=1))
        return "error" not in result

    @property
    def full(self):
        return f"bench_{self.project.digest}_{self.folder.name}"

    def forward(self):
        backend = self.project.backend
        if self.known("forward") and backend.exists(self.full):
            return
        self.project.reset()
        self.run("forward", "migrate")
        backend.copy(self.project.work, self.full)

    def zero_and_again(self, label):
        zero, again = f"{label}-zero", f"{label}-again"
        if self.known(zero, again):
            return
        self.path(again).with_suffix(".json").unlink(missing_ok=True)
        self.project.reset(self.full)
        if self.run(zero, "migrate", label, "zero"):
            self.run(again, "migrate")
        else:
            # Nothing to go forward from.
            self.path(again).write_text("")
            path = self.path(again).with_suffix(".json")
            path.write_text(json.dumps({"error": "not run"}))

    def statements(self, step, transactions):
        """Return two lists: statements about the schema, and the recorder's."""
        schema, recorder = [], []
        for line in self.path(step).read_text().splitlines():
            if TRANSACTION.match(line) and not transactions:
                continue
            line = SAVEPOINT.sub('"savepoint"', line)
            if found := CONTENT_TYPES.match(line):
                line = f"{found[1]} <- {sorted(found[2].split(', '))}"
            (recorder if "django_migrations" in line else schema).append(line)
        return schema, recorder


def difference(one, other):
    """Return lines that show the first difference of two lists, or none."""
    for i, pair in enumerate(zip_longest(one, other)):
        if pair[0] != pair[1]:
            same = [f"    {line}" for line in one[max(0, i - CONTEXT) : i]]
            shown = [*same, f"  - {pair[0]}", f"  + {pair[1]}"]
            return [f"  statement {i + 1}:", *shown]
    return []


def compare(step, first, second, transactions):
    """
    Compare a step of two trees.

    Return (whether they agree, lines to print).
    """
    errors = [records.error(step) for records in (first, second)]
    if errors[0]:
        if errors[1] in ("", errors[0]):
            outcome = "fails too" if errors[1] else "succeeds"
            return True, [f"{step}: first fails ({errors[0]}), second {outcome}"]
    if errors[0] != errors[1]:
        return False, [f"{step}: DIFFERENT, errors {errors}"]
    lines = []
    pairs = zip(
        first.statements(step, transactions), second.statements(step, transactions)
    )
    total = 0
    for one, other in pairs:
        total += len(one)
        lines += difference(one, other)
    verdict = "DIFFERENT" if lines else "same"
    return not lines, [f"{step}: {verdict}, {total} statements", *lines]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--trees", nargs="+", required=True, metavar="TREE")
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--backend", choices=BACKENDS, default="sqlite")
    parser.add_argument("--settings", default="settings")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--apps", nargs="*", metavar="LABEL", help="default: all")
    parser.add_argument("--transactions", action="store_true")
    options = parser.parse_args()
    project = Project(
        options.project,
        BACKENDS[options.backend](),
        options.settings,
        options.python,
    )
    folder = options.records.resolve() / f"{project.digest}-{options.backend}"
    sides = [
        Records(folder / name, project, tree, keep=name == "first")
        for name, tree in zip(("first", "second"), options.trees)
    ]
    labels = options.apps
    if labels is None:
        plans = project.plans(options.trees[0])["plans"]
        labels = sorted({key.split(".")[0] for key in plans})
    agree = True

    def check(step):
        nonlocal agree
        if len(sides) == 1:
            print(f"{step}: recorded", flush=True)
            return
        same, lines = compare(step, *sides, options.transactions)
        agree &= same
        print("\n".join(lines), flush=True)

    try:
        for side in sides:
            side.forward()
        check("forward")
        for label in labels:
            for side in sides:
                side.zero_and_again(label)
            check(f"{label}-zero")
            check(f"{label}-again")
    except CommandFailed as error:
        sys.exit(str(error))
    finally:
        project.close()
    sys.exit(not agree)


if __name__ == "__main__":
    main()
