"""
Compare, statement by statement, the SQL with which two trees migrate.

    python compare_sql.py PROJECT --trees STOCK [PATCHED] --records FOLDER \\
        [--backend sqlite] [--apps LABEL …]

Recorded are: everything forward and, from a fully migrated database each, one
app to zero and everything forward again. What the first tree did is kept in
FOLDER and used again; delete it to record anew. With one tree, that is all.

The order of some statements of unpatched Django follows that of sets of
strings, thus PYTHONHASHSEED. Statements of a migration in another order are
accepted if the first tree, too, has them in another order with one of a few
other seeds.

Queries for content types and permissions are left out, and unless
``--transactions`` is given, so are statements that open and close
transactions. Rows of ``django_migrations`` are compared on their own, as a
migration may be recorded inside or after its transaction.
The exit status is 1 if there is a difference.
"""

import json
import re
import sys
from itertools import zip_longest
from pathlib import Path

from project import CommandFailed, Project, make_parser

TRANSACTION = re.compile(
    r"-- (commit|rollback|autocommit)|BEGIN|SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO"
)
# Named after the thread that made it.
SAVEPOINT = re.compile(r"[\"`]s\d+_x\d+[\"`]")
# How receivers of post_migrate find out what to write. What they write is
# compared by compare_rows.py.
READ_BY_RECEIVERS = re.compile(
    r"SELECT .* FROM .(django_content_type|auth_permission)\b"
)
# Sent by the recorder. If there are receivers of pre_delete or post_delete, it
# reads the row of an unapplied migration and deletes it by its primary key.
BY_RECORDER = re.compile(
    r"(INSERT INTO|DELETE FROM|SELECT .* FROM) .django_migrations\b"
)
RECORDED = re.compile(BY_RECORDER.pattern + r".* <- \('(\w+)', '([^']+)'")
# Sent after the transaction, thus before or after a migration is recorded.
AFTER_TRANSACTION = re.compile("PRAGMA foreign_keys = ON")
ADDRESS = re.compile(r"0x[0-9a-f]+")
# In the place of the error of a step that couldn't begin.
NOT_RUN = "not run"
CONTEXT = 3
HASH_SEEDS = 6


class Records:
    """
    What one tree did in each step of a project.

    Steps are "forward", and "LABEL-zero" and "LABEL-again" for each app.
    ``prepared`` is the name of the fully migrated database; with ``keep``,
    steps that have been recorded earlier aren't run again.
    """

    def __init__(self, folder, project, tree, prepared, keep=True, hash_seed=0):
        self.folder = folder
        self.project = project
        self.tree = tree
        self.prepared = prepared
        self.keep = keep
        self.hash_seed = hash_seed
        self.transactions = False
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, step, suffix="sql"):
        return self.folder / f"{step}.{suffix}"

    def error(self, step):
        """Return the error that a step ended in, or an empty string."""
        result = json.loads(self.path(step, "json").read_text())
        return ADDRESS.sub("0x…", result.get("error", ""))

    def record(self, step):
        """Record a step, and the one before it that it continues."""
        # "LABEL-again" is recorded after "LABEL-zero".
        last_step = step.replace("-zero", "-again")
        if self.keep and self.path(last_step, "json").exists():
            return
        label, _, direction = step.rpartition("-")
        if direction == "forward":
            self.project.reset()
            self.run(step, "migrate")
        elif direction == "zero":
            self.project.reset(self.prepared)
            self.run(step, "migrate", label, "zero")
            # It starts from here, which only now is in the work database.
            self.run(f"{label}-again", "migrate", after=step)

    def run(self, step, *command, after=None):
        """Run a command on the work database, unless ``after`` has failed."""
        result = {"error": NOT_RUN}
        self.path(step).write_text("")
        if not (after and self.error(after)):
            result = self.project.run(
                self.tree, *command, record=self.path(step), hash_seed=self.hash_seed
            )
            self.path(step, "sql.pickle").unlink()
        result["command"] = command
        self.path(step, "json").write_text(json.dumps(result, indent=1))

    def prepare(self):
        """Make the fully migrated database."""
        backend = self.project.backend
        recorded = self.path("forward", "json").exists()
        if self.keep and recorded and backend.exists(self.prepared):
            return
        self.path("forward", "json").unlink(missing_ok=True)
        self.record("forward")
        if error := self.error("forward"):
            raise CommandFailed(f"{self.tree}: {error}")
        backend.copy(self.project.work, self.prepared)

    def statements(self, step):
        """Yield the statements of a step, with marks of its migrations."""
        for line in self.path(step).read_text().splitlines():
            if TRANSACTION.match(line) and not self.transactions:
                continue
            if READ_BY_RECEIVERS.match(line):
                continue
            line = SAVEPOINT.sub('"savepoint"', line)
            yield line

    def flat(self, step):
        """Return two lists: the statements, and what the recorder did."""
        lines = list(self.statements(step))
        return (
            [line for line in lines if not BY_RECORDER.match(line)],
            [line for line in lines if BY_RECORDER.match(line)],
        )

    def migrations(self, step):
        """Return {(app label, name) or None for the rest: statements}."""
        migrations, lines = {}, []
        for line in self.statements(step):
            if found := RECORDED.match(line):
                migrations[found[2], found[3]] = lines
                lines = []
            elif not BY_RECORDER.match(line) and not AFTER_TRANSACTION.match(line):
                lines.append(line)
        return {**migrations, None: lines}


def difference(one, other):
    """Return lines that show the first difference of two lists, or none."""
    for i, pair in enumerate(zip_longest(one, other)):
        if pair[0] != pair[1]:
            same = [f"    {line}" for line in one[max(0, i - CONTEXT) : i]]
            shown = [*same, f"  - {pair[0]}", f"  + {pair[1]}"]
            return [f"  statement {i + 1}:", *shown]
    return []


def reordered(one, other):
    """
    Return the migrations with the same statements in another order.

    Return None if there are other differences.
    """
    if list(one) != list(other):
        return None
    different = {key for key in one if one[key] != other[key]}
    if any(sorted(one[key]) != sorted(other[key]) for key in different):
        return None
    return different


def compare(step, first, second, others):
    """
    Compare a step of two trees.

    ``others`` are records of the first tree with other hash seeds, made if
    need be. Return (whether the trees agree, lines to print).
    """
    errors = [records.error(step) for records in (first, second)]
    if errors[0] and errors[1] in ("", errors[0]) or errors[0] == NOT_RUN:
        outcome = f"fails ({errors[1]})" if errors[1] else "succeeds"
        return True, [f"{step}: first fails ({errors[0]}), second {outcome}"]
    if errors[0] != errors[1]:
        return False, [f"{step}: DIFFERENT, errors {errors}"]
    pairs = list(zip(first.flat(step), second.flat(step)))
    size = sum(len(one) for one, _ in pairs)
    lines = [line for pair in pairs for line in difference(*pair)]
    if not lines:
        return True, [f"{step}: same, {size} statements"]
    migrations = first.migrations(step)
    moved = reordered(migrations, second.migrations(step))
    if moved:
        unexplained = set(moved)
        for other in others:
            other.record(step.replace("-again", "-zero"))
            varied = other.migrations(step)
            unexplained -= {key for key in moved if varied.get(key) != migrations[key]}
            if not unexplained:
                note = f"{len(moved)} migrations in an order that varies by hash seed"
                return True, [f"{step}: same, {size} statements, {note}"]
        lines.insert(0, f"  same statements, another order: {unexplained}")
    return False, [f"{step}: DIFFERENT, {size} statements", *lines]


def compare_project(project, options):
    """Print how all steps compare, and return whether the trees agree."""
    folder = options.records.resolve() / f"{project.digest}-{options.backend}"

    def records(name, tree, **kwargs):
        prepared = project.get_name(name)
        return Records(folder / name, project, tree, prepared, **kwargs)

    sides = [
        records(name, tree, keep=name == "first")
        for name, tree in zip(("first", "second"), options.trees)
    ]
    first = sides[0]
    others = [
        Records(folder / f"seed{i}", project, first.tree, first.prepared, hash_seed=i)
        for i in range(1, HASH_SEEDS)
    ]
    for each in (*sides, *others):
        each.transactions = options.transactions
    labels = options.apps
    if labels is None:
        plans = project.plans(first.tree)["plans"]
        labels = sorted({key.split(".")[0] for key in plans})
    agree = True

    def check(step):
        nonlocal agree
        if len(sides) == 1:
            print(f"{step}: recorded", flush=True)
            return
        same, lines = compare(step, *sides, others)
        agree &= same
        print("\n".join(lines), flush=True)

    for side in sides:
        side.prepare()
    check("forward")
    for label in labels:
        for side in sides:
            side.record(f"{label}-zero")
        check(f"{label}-zero")
        check(f"{label}-again")
    return agree


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--apps", nargs="*", metavar="LABEL", help="default: all")
    parser.add_argument("--transactions", action="store_true")
    options = parser.parse_args()
    with Project.from_options(options) as project:
        agree = compare_project(project, options)
    sys.exit(not agree)


if __name__ == "__main__":
    main()
