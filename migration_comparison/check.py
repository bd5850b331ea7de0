"""
Compare how two Djangos migrate one project, step by step.
"""

import hashlib
import json
import re
import shutil
import time
from collections import Counter
from pathlib import Path

from .project import CommandFailed, TimeIsUp
from .records import Difference, find_differences, get_moved, read_records

TREES = ("unpatched", "patched")
# The order of some statements of unpatched Django is that of a set of strings.
HASH_SEEDS = range(1, 6)
KINDS = {
    "same": "the same",
    "order": "the same, in an order that varies from run to run in unpatched Django",
    "states": "states of all applied migrations",
    "fresh": "models that are up to date",
    "deferred": "deferred SQL follows later changes",
    "fixed": "unpatched Django fails, patched Django doesn't",
    "fails": "both fail alike",
    "different": "DIFFERENT",
    "not run": "not compared",
}
EXPLANATIONS = {
    "order": (
        "Unpatched Django takes some tables or rows in the order of a set of "
        "strings, which another PYTHONHASHSEED changes. With another seed it does "
        "the same as the patched Django, or changes the order of the same "
        "migration, too."
    ),
    "states": (
        "To unapply migrations, unpatched Django makes their states from those "
        "that come before in the full plan, and leaves out others that are applied, "
        "too. The patched Django has all that are applied. This was tested: "
        "unpatched Django does exactly the same once it is given the states of all "
        "applied migrations."
    ),
    "fresh": (
        "Unpatched Django renders models again that it takes for related to what "
        "changed, and misses some. This was tested: it does exactly the same as the "
        "patched Django once it renders all models after each change."
    ),
    "deferred": (
        "Unpatched Django creates an index or constraint at the end of a migration "
        "although a later operation of the same migration has removed, renamed or "
        "altered what it's for. The patched Django lets it follow the change. This "
        "was tested: unpatched Django ends up with the same schema once it executes "
        "such statements after each operation."
    ),
    "fixed": "See docs/differences.md for what unpatched Django gets wrong.",
}
# What to correct in unpatched Django, see the recorder, and the kind if it
# does the same then.
BACKWARDS_VARIANTS = {
    "": "same",
    "applied": "states",
    "deferred": "deferred",
    "applied+deferred": "deferred",
    "fresh": "fresh",
    "applied+fresh": "states",
}
FORWARDS_VARIANTS = {"": "same", "deferred": "deferred", "fresh": "fresh"}
# What may be deferred, and what later operations do to it.
DEFERRED = re.compile(
    r"(\[\w+\] )?(CREATE (UNIQUE )?INDEX|DROP INDEX|ALTER INDEX|COMMENT ON"
    r"|ALTER TABLE \S+ (ADD|DROP|RENAME) CONSTRAINT)\b"
)
FIGURES = ["seconds", "cpu", "rss", "renders", "statements", "db_seconds"]


class Step:
    """
    Commands to compare, one after the other.

    ``start`` is the state of the databases to start from, ``keep`` the one to
    keep them as, and ``size`` how many migrations it's about.
    """

    def __init__(self, name, commands, title, start="full", keep=None, size=1):
        self.name = name
        self.commands = commands
        self.title = title
        self.start = start
        self.keep = keep
        self.size = size
        self.label = name.removeprefix("app-") if name.startswith("app-") else None
        self.variants = BACKWARDS_VARIANTS
        if name in ("forward", "makemigrations", "tests"):
            self.variants = FORWARDS_VARIANTS


class Verdict:
    """How the records of a step compare."""

    def __init__(self, step, kind, note="", commands=(), differences=()):
        self.step = step
        self.kind = kind
        self.note = note
        # For each command {"unpatched" and "patched": its figures}.
        self.commands = list(commands)
        self.differences = list(differences)

    @property
    def agrees(self):
        return self.kind != "different"

    def get_total(self, tree, figure):
        values = [c[tree][figure] for c in self.commands if tree in c]
        if not values:
            return None
        return max(values) if figure == "rss" else sum(values)

    def as_dict(self):
        return {
            "step": self.step.name,
            "app": self.step.label,
            "title": self.step.title,
            "kind": self.kind,
            "verdict": KINDS[self.kind],
            "explanation": EXPLANATIONS.get(self.kind, ""),
            "note": self.note,
            "totals": {
                tree: {figure: self.get_total(tree, figure) for figure in FIGURES}
                for tree in TREES
            },
            "commands": self.commands,
            "differences": self.differences,
        }


def get_newest(migrations, count):
    """
    Return the newest migrations, the last one first.

    None is followed by one that it depends on. Those of the project itself
    come before those of packages, and those that depend on most others first.
    """
    left = dict(migrations)
    newest = []
    while left and len(newest) < count:
        needed = {parent for info in left.values() for parent in info["parents"]}
        key = max(
            (key for key in left if key not in needed),
            key=lambda key: (left[key]["own"], left[key]["ancestors"], key),
        )
        newest.append(key)
        del left[key]
    return newest


def get_steps(info, labels, newest):
    """Return the steps of a project, the quickest to tell something first."""
    migrations = info["migrations"]
    databases = [[]]
    if len(info["aliases"]) > 1:
        databases = [["--database", alias] for alias in info["aliases"]]

    def migrate(*args):
        return [["migrate", *args, *database] for database in databases]

    sizes, own = {}, {}
    for key, migration in migrations.items():
        label = key.split(".")[0]
        sizes[label] = max(sizes.get(label, 0), migration["descendants"])
        own[label] = own.get(label, False) or migration["own"]
    count = len(migrations)
    steps = [
        Step("forward", migrate(), "all forward", start=None, keep="full", size=count),
        Step(
            "makemigrations",
            [["makemigrations", "--check", "--dry-run"]],
            "makemigrations --check",
            size=0,
        ),
    ]
    keys = get_newest(migrations, newest)
    if keys:
        commands = [
            command
            for key in keys
            for command in migrate(key.split(".")[0], migrations[key]["previous"])
        ]
        title = f"the newest {len(keys)} back and forward"
        commands = [*commands, *migrate()]
        steps.append(Step("newest", commands, title, size=2 * len(keys)))
    tests = [["set_up_test_databases"]]
    steps.append(Step("tests", tests, "test databases", start=None, size=count))
    wanted = [label for label in sizes if not labels or label in labels]
    wanted.sort(key=lambda label: (not own[label], sizes[label], label))
    for label in wanted:
        commands = [*migrate(label, "zero"), *migrate()]
        title = f"{label} to zero and forward"
        size = 2 * sizes[label]
        steps.append(Step(f"app-{label}", commands, title, size=size))
    return steps


class Estimate:
    """How long steps take, learnt from those that were run."""

    def __init__(self):
        self.floor = dict.fromkeys(TREES, 3.0)
        self.rate = {"unpatched": 0.06, "patched": 0.01}

    def predict(self, tree, step):
        return self.floor[tree] + self.rate[tree] * step.size

    def learn(self, tree, step, seconds):
        if step.size:
            rate = max(seconds - self.floor[tree], 0.001) / step.size
            known = 0.5 if step.name != "forward" else 0
            self.rate[tree] = known * self.rate[tree] + (1 - known) * rate


class Check:
    """
    A comparison that goes on where it stopped.

    ``trees`` has the folders of both Djangos by the names in TREES, and
    ``report`` is called with each verdict.
    """

    def __init__(
        self, project, trees, labels, newest, progress, time_limit=None, report=None
    ):
        self.project = project
        self.trees = trees
        self.labels = labels
        self.newest = newest
        self.progress = progress
        self.deadline = time_limit and time.monotonic() + time_limit
        self.report = report or (lambda verdict: None)
        self.estimate = Estimate()
        self.verdicts = []
        self.info = {}
        self.steps = []
        self.pending = []
        self.complete = False
        # Why nothing could follow, if so.
        self.obstacle = ""
        self.refused = set()

    # Preparations.

    def prepare(self):
        """Find out what there is to compare."""
        for tree in TREES:
            self.progress.say(f"looking at the project with {tree} Django")
            info = self.project.get_info(self.trees[tree])
            path = Path(info["django_path"]).parent
            if path.resolve() != self.trees[tree].resolve():
                raise CommandFailed(
                    f"the settings import Django from {path}, not the one to compare"
                )
            self.info[tree] = info
            self.estimate.floor[tree] = info["seconds"]
        info = self.info["unpatched"]
        if info["migrations"].keys() != self.info["patched"]["migrations"].keys():
            raise CommandFailed("the project has other migrations with each Django")
        labels = {key.split(".")[0] for key in info["migrations"]}
        for label in self.labels:
            if label not in labels:
                raise CommandFailed(f"there is no app {label} with migrations")
        if not info["migrations"]:
            raise CommandFailed("no app has migrations")
        self.estimate.rate = {
            tree: rate * max(info["models"], 20) / 100
            for tree, rate in self.estimate.rate.items()
        }
        self.steps = get_steps(info, self.labels, self.newest)
        # What a record depends on. If it's the same, the record is kept.
        self.digests = {
            tree: self.get_digest(
                hash_tree(self.trees[tree]), info["digest"], info["python"]
            )
            for tree in TREES
        }

    def prune(self):
        """Delete the records of what has changed since."""
        for path in self.project.work.glob("records/*"):
            if path.name.partition("-")[0] not in self.digests.values():
                shutil.rmtree(path)

    def get_digest(self, *parts):
        project = self.project
        parts = [*parts, project.settings, project.python, project.server]
        parts += [sorted(project.variables.items()), self.info["unpatched"]["engines"]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    # Records.

    def get_path(self, tree, step, variant="", hash_seed=0):
        digest = self.digests[tree]
        # What the databases start from was made by unpatched Django.
        if step.start:
            digest += f"-{self.digests['unpatched'][:6]}"
        name = step.name
        if name == "newest":
            name += f"-{self.newest}"
        name += f"-{variant}" * bool(variant) + f"-seed{hash_seed}" * bool(hash_seed)
        return self.project.work / "records" / digest / f"{name}.json"

    def is_recorded(self, *args):
        return self.get_path(*args).exists()

    def get_marker(self, state):
        digest = self.digests["unpatched"][:6]
        return self.project.databases / f"{state}-{digest}.made"

    def run(self, tree, step, variant="", hash_seed=0, keep=None, record=None):
        """Run a step, record it and return the result."""
        predicted = self.estimate.predict(tree, step)
        if self.deadline and time.monotonic() + predicted / 2 > self.deadline:
            raise TimeIsUp
        title = step.title + (" once more" if variant or hash_seed else "")
        self.pending = [item for item in self.pending if item != (tree, step)]
        with self.progress.task(f"{title}, {tree}", predicted):
            result = self.project.run(
                self.trees[tree],
                *step.commands,
                start=step.start,
                keep=keep,
                freeze=True,
                compare=True,
                variant=variant,
                hash_seed=hash_seed,
                record=record and str(record),
                deadline=self.deadline,
            )
        if "error" in result:
            raise CommandFailed(f"{step.title}, {tree}: {result['error']}")
        if not variant and not hash_seed:
            self.estimate.learn(tree, step, result["wall"])
        return result

    def get(self, tree, step, variant="", hash_seed=0):
        """Return the records of a step, which is run unless it was before."""
        path = self.get_path(tree, step, variant, hash_seed)
        record = path.with_suffix(".sql")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            if step.start:
                self.make(step.start)
            keep = step.keep if tree == "unpatched" and not variant else None
            result = self.run(tree, step, variant, hash_seed, keep, record)
            # Only what is complete has the name.
            new = path.with_suffix(".new")
            new.write_text(json.dumps(result))
            new.replace(path)
            if keep and "error" not in result["commands"][-1]:
                self.get_marker(keep).touch()
        records, refused = read_records(path, record)
        self.refused.update(refused)
        return records

    def make(self, state):
        """Have databases in a state, which may be gone."""
        marker = self.get_marker(state)
        if marker.exists():
            return
        [step] = [step for step in self.steps if step.keep == state]
        # The patched Django is quicker.
        tree = "patched" if self.get_verdict(step.name).kind == "same" else "unpatched"
        self.run(tree, step, keep=state)
        marker.touch()

    def get_verdict(self, name):
        [verdict] = [v for v in self.verdicts if v.step.name == name]
        return verdict

    # Comparison.

    def compare(self, step):
        """Return the verdict of a step."""
        first = self.get("unpatched", step)
        second = self.get("patched", step)
        commands = [
            {
                "command": command,
                **{
                    tree: {
                        **{figure: records[i].result[figure] for figure in FIGURES},
                        "migrations": len(records[i].migrations),
                        "error": records[i].error,
                    }
                    for tree, records in zip(TREES, (first, second))
                    if i < len(records)
                },
            }
            for i, command in enumerate(step.commands)
        ]
        differences = self.find(first, second)
        kind, note = self.explain(step, first, second, differences)
        shown = []
        if kind not in ("same", "fails"):
            for i, difference in differences[:1]:
                command = " ".join(step.commands[i])
                shown.append({"command": command, **difference.as_dict()})
        return Verdict(step, kind, note, commands, shown)

    def differs_in_deferred(self, step, variant, second):
        """Return whether nothing differs but statements that are deferred."""
        found = False
        for pair in zip(self.get("unpatched", step, variant), second):
            counts = [Counter(record.statements) for record in pair]
            lines = [*(counts[0] - counts[1]), *(counts[1] - counts[0])]
            if not all(map(DEFERRED.match, lines)):
                return False
            found |= bool(lines)
        return found

    def find(self, first, second, left_out=()):
        """Return [(index of the command, first difference of each part)]."""
        found = []
        for i, pair in enumerate(zip(first, second)):
            found += [
                (i, difference)
                for difference in find_differences(*pair)
                if difference.part not in left_out
            ]
            if found:
                # What follows starts from something else.
                break
        if not found and len(first) != len(second):
            error = "another number of commands was run"
            found.append(
                (min(len(first), len(second)) - 1, Difference("error", error, ""))
            )
        return found

    def explain(self, step, first, second, differences):
        """Return the kind of a difference, and a note."""
        error = first[-1].error
        note = f"unpatched Django fails: {error}" if error else ""
        if not differences:
            if first[-1].result.get("exit"):
                note = "there are changes that no migration has"
            return ("fails", error) if error else ("same", note)
        for variant, kind in step.variants.items():
            plain = variant.removesuffix("deferred").removesuffix("+")
            deferred = plain != variant
            if "fresh" in variant and self.differs_in_deferred(step, "", second):
                continue
            if deferred != self.differs_in_deferred(step, plain, second):
                continue
            base = self.get("unpatched", step, variant)
            # The statements come at other times then.
            if not self.find(base, second, ["statements"] * deferred):
                return kind, note
            if deferred:
                continue
            if seed := self.find_seed(step, variant, base, second):
                kind = "order" if kind == "same" else kind
                order = f"the same with the order of PYTHONHASHSEED={seed}"
                return kind, "; ".join(filter(None, [note, order]))
        if error and not second[-1].error:
            return "fixed", note
        return "different", note

    def find_seed(self, step, variant, base, second):
        """
        Return the last hash seed needed to show that what differs is an order
        that varies, or None.

        A migration's statements vary if they do with another seed; rows have
        to be those of another seed.
        """
        if len(base) != len(second):
            return None
        moved, rows = set(), set()
        for i, pair in enumerate(zip(base, second)):
            names = get_moved(*pair)
            parts = {difference.part for difference in find_differences(*pair)}
            if names is None or parts - {"statements", "rows"}:
                return None
            moved |= {(i, name) for name in names}
            if "rows" in parts:
                rows.add(i)
        for seed in HASH_SEEDS:
            other = self.get("unpatched", step, variant, seed)
            if len(other) != len(base):
                continue
            moved -= {
                (i, name)
                for i, name in moved
                if other[i].groups.get(name) != base[i].groups[name]
            }
            rows -= {
                i for i in rows if other[i].result["rows"] == second[i].result["rows"]
            }
            if not moved and not rows:
                return seed
        return None

    # All of it.

    def run_all(self):
        """
        Compare all steps, and return whether none differs.

        Stops early if time is up; ``complete`` tells.
        """
        self.prepare()
        self.pending = [
            (tree, step)
            for step in self.steps
            for tree in TREES
            if not self.is_recorded(tree, step)
        ]
        self.prune()
        self.progress.start(self.get_remaining)
        time_is_up = False
        for step in self.steps:
            try:
                if time_is_up:
                    raise TimeIsUp
                verdict = self.compare(step)
            except TimeIsUp:
                # What was recorded before can still be compared.
                time_is_up = True
                verdict = Verdict(step, "not run", "no time was left")
                if self.is_recorded("unpatched", step):
                    verdict.note = "no time was left for all of it"
            self.pending = [item for item in self.pending if item[1] is not step]
            self.verdicts.append(verdict)
            self.report(verdict)
            if step.name == "forward":
                self.obstacle = self.get_obstacle(verdict)
                made = verdict.kind != "not run" or self.get_marker("full").exists()
                if self.obstacle or not made:
                    break
        self.complete = len(self.verdicts) == len(self.steps) and not time_is_up
        return all(verdict.agrees for verdict in self.verdicts)

    def get_obstacle(self, verdict):
        """Return why databases can't be made for what follows, or nothing."""
        for command in verdict.commands:
            if error := command.get("unpatched", {}).get("error"):
                return f"unpatched Django can't migrate this project: {error}"
        return ""

    def get_remaining(self):
        """Return the seconds that are left, without the current task."""
        return sum(self.estimate.predict(*item) for item in self.pending)

    def clean(self):
        """Drop all databases."""
        self.project.drop(self.trees["unpatched"], "full")


def hash_tree(tree):
    """Return a hash of the code of a Django."""
    digest = hashlib.sha256()
    for path in sorted((tree / "django").rglob("*.py")):
        digest.update(str(path.relative_to(tree)).encode() + path.read_bytes())
    return digest.hexdigest()


def forget(work):
    """Delete the records of earlier runs."""
    shutil.rmtree(work / "records", ignore_errors=True)
