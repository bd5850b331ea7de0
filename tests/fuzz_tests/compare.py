"""
Compare how two Djangos migrate generated projects.

    python -m fuzz_tests.compare --stock PATH --patched PATH \\
        [--first SEED] [--count COUNT] [--seconds SECONDS] [--db sqlite]
    python -m fuzz_tests.compare … --minimize SEED

Prints the seeds of projects that differ, with the first difference of each.
Differences have kinds, and those that are expected don't count:

    better     stock raises an error, the patched Django doesn't
    stale      stock's registry has classes that are out of date: there's no
               difference to a stock that renders all models after each change
    stricter   the same for an error that the patched Django raises, and stock
               only if it renders all models after each change
    order      the same statements, or what data migrations see, in another
               order, or registries in another
    random     backwards to random targets, for which stock lacks the columns
               of later migrations

The exit status is 1 if there are others.
"""

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from .projects import make_project

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# What's compared, in this order.
PARTS = [
    "error",
    "output",
    "schema",
    "state",
    "seen",
    "rows",
    "sql",
    "signals",
    "orders",
    "signal_orders",
]
EXPECTED = ["better", "order", "random", "stale"]
NUMBER = re.compile(r"\d+")
LINES = 12
WIDTH = 400


class Runner:
    """A process that records projects under one Django."""

    def __init__(self, tree, db="sqlite", fresh=False, hash_seed=0):
        args = ["--stdin", "--db", db, *["--fresh"] * fresh]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fuzz_tests.record", *args],
            env={
                **os.environ,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHASHSEED": str(hash_seed),
                "PYTHONPATH": os.pathsep.join(map(str, [tree, HERE.parent, ROOT])),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def send(self, seed, dropped=()):
        text = ",".join(f"{number}.{index}" for number, index in sorted(dropped))
        self.process.stdin.write(f"{seed} {text}\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The process ended: {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()


class Trio:
    """Processes under stock, stock that renders afresh, and the patched."""

    def __init__(self, options):
        self.stock = Runner(options.stock, options.db)
        self.patched = Runner(options.patched, options.db)
        self.fresh = Runner(options.stock, options.db, fresh=True)
        self.runners = [self.stock, self.patched, self.fresh]

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for runner in self.runners:
            runner.close()

    def find_differences(self, seed, dropped=()):
        """Return both records and a list of differences."""
        for runner in (self.stock, self.patched):
            runner.send(seed, dropped)
        stock, patched = self.stock.receive(), self.patched.receive()
        differences = list(find_differences(stock, patched))
        if any(difference.kind not in ("better",) for difference in differences):
            self.fresh.send(seed, dropped)
            fresh = list(find_differences(self.fresh.receive(), patched))
            differences = [
                difference if self.persists(difference, fresh) else difference.stale()
                for difference in differences
            ]
        return stock, patched, differences

    def persists(self, difference, others):
        """Return whether a line of a difference is in one of the others."""
        lines = set(difference.changes())
        return any(
            (difference.step, difference.part) == (other.step, other.part)
            and (not lines or lines.intersection(other.changes()))
            for other in others
        )


class Difference:
    """The first difference between two records."""

    def __init__(self, kind, step, part, stock, patched):
        self.kind = kind
        self.step = step
        self.part = part
        self.stock = stock
        self.patched = patched

    def changes(self):
        """Return the lines that only one of them has."""
        return [line for line in self.diff() if line[:2] in ("- ", "+ ")]

    def stale(self):
        kind = {"better": "better", "worse": "stricter"}.get(self.kind, "stale")
        args = self.step, self.part, self.stock, self.patched
        return Difference(kind, *args)

    @property
    def signature(self):
        """Return what differences with the same cause have in common."""
        detail = ""
        if self.part == "error":
            errors = (self.stock["error"], self.patched["error"])
            detail = " / ".join(shorten(error) for error in errors)
            if self.patched["error"]:
                frames = self.patched.get("traceback", [""])
                detail += f" in {frames[-1]}"
        else:
            for line in self.diff():
                if line.startswith("+ "):
                    detail = NUMBER.sub("N", line)[:100]
                    break
        return f"{self.kind} {self.part}: {detail}"

    def diff(self):
        if self.part == "error":
            return [f"- {self.stock['error']}", f"+ {self.patched['error']}"] + [
                f"    {line}" for line in self.patched.get("traceback", [])
            ]
        lines = difflib.unified_diff(
            to_lines(self.stock.get(self.part) or []),
            to_lines(self.patched.get(self.part) or []),
            lineterm="",
            n=1,
        )
        return [line[:1] + " " + line[1:] for line in lines][2:]

    def __str__(self):
        lines = cut_prefixes(self.diff()[:LINES])
        return "\n    ".join([f"{self.kind}: {self.part} in step {self.step}", *lines])


def cut_prefixes(lines):
    """Cut lines to WIDTH, and what those after each other have in common."""
    result = []
    for index, line in enumerate(lines):
        start = 0
        for other in lines[max(0, index - 1) : index] + lines[index + 1 : index + 2]:
            common = len(os.path.commonprefix([line[1:], other[1:]]))
            start = max(start, common - WIDTH // 4)
        result.append(line[:2] + ("…" if start else "") + line[2 + start :][:WIDTH])
    return result


def shorten(error):
    return NUMBER.sub("N", str(error))[:80]


def to_lines(value):
    if isinstance(value, dict):
        return [f"{key}: {json.dumps(item)}" for key, item in value.items()]
    return [json.dumps(item) for item in value]


def find_differences(stock, patched):
    """Yield differences, of which those after the first may follow from it."""
    for step, other in zip(stock["steps"], patched["steps"]):
        parts = [part for part in PARTS if step.get(part) != other.get(part)]
        if step["error"] and "error" not in parts:
            # Both failed alike, at what may be another moment.
            parts = [p for p in parts if p in ("schema", "rows")]
        for part in parts:
            kind = classify(step, other, part)
            yield Difference(kind, step["name"], part, step, other)
        if set(parts) & {"error", "schema", "rows", "output"}:
            # What follows starts from something else.
            return
    if len(stock["steps"]) != len(patched["steps"]):
        last = stock["steps"][-1]
        yield Difference("worse", last["name"], "output", last, patched["steps"][-1])


def classify(step, other, part):
    if " random" in step["name"] and (part != "error" or step["error"]):
        return "random"
    if part in ("orders", "signal_orders"):
        return "order"
    if part in ("sql", "seen") and is_reordered(step[part], other[part]):
        return "order"
    if part == "error" and step["error"] and not other["error"]:
        return "better"
    if part == "error" and not step["error"]:
        return "worse"
    if step["error"] and (not other["error"] or gets_further(step, other)):
        return "better"
    return "different"


def is_reordered(entries, others):
    """Return whether two lists of JSON values have the same ones."""
    return sorted(map(json.dumps, entries)) == sorted(map(json.dumps, others))


def gets_further(step, other):
    applied = [set(s["rows"].get("django_migrations", ())) for s in (step, other)]
    if "Unapplying" in "".join(step["output"]):
        applied.reverse()
    return applied[0] < applied[1]


class Comparison:
    def __init__(self, options):
        self.options = options
        self.ignored = set(options.ignore)
        self.counts = Counter()
        self.signatures = {}

    def run(self):
        start = time.monotonic()
        options = self.options
        with Trio(options) as trio:
            for seed in range(options.first, options.first + options.count):
                if options.seconds and time.monotonic() - start > options.seconds:
                    break
                self.compare(seed, *trio.find_differences(seed))
        self.counts["seconds"] = round(time.monotonic() - start)
        return self.report()

    def compare(self, seed, stock, patched, differences):
        self.counts["projects"] += 1
        for name in ("applied", "unapplied"):
            self.counts[f"{name} by stock"] += stock[name]
            self.counts[f"{name} by patched"] += patched[name]
        self.counts["stock failed forward"] += bool(stock["steps"][0]["error"])
        self.counts["stock never failed"] += not any(s["error"] for s in stock["steps"])
        seen = set()
        for difference in differences:
            if difference.kind in self.ignored or difference.kind in seen:
                continue
            seen.add(difference.kind)
            self.counts[difference.kind] += 1
            seeds = self.signatures.setdefault(difference.signature, [])
            seeds.append(seed)
            if len(seeds) == 1 or difference.kind not in EXPECTED:
                print(f"Seed {seed}: {difference}", flush=True)

    def report(self):
        print()
        for signature, seeds in sorted(
            self.signatures.items(), key=lambda item: -len(item[1])
        ):
            print(f"{len(seeds)}: {signature} (seeds {seeds[:6]})")
        print(", ".join(f"{name}: {n}" for name, n in self.counts.items()))
        return any(not s.startswith(tuple(EXPECTED)) for s in self.signatures)


class Minimizer:
    """Drop operations of a project as long as it differs in the same way."""

    def __init__(self, options, trio):
        self.options = options
        self.trio = trio

    def find(self, dropped):
        return self.trio.find_differences(self.options.minimize, dropped)[2]

    def matches(self, difference):
        return (difference.kind, difference.part) == self.wanted and (
            difference.part != "error"
            or shorten(difference.patched["error"])[:40] == self.message
        )

    def run(self):
        project = make_project(self.options.minimize)
        differences = self.find(())
        kinds = self.options.kinds or ["worse", "different"]
        first = next((d for d in differences if d.kind in kinds), None)
        if first is None:
            print("There's no difference.")
            return
        self.wanted = first.kind, first.part
        self.message = shorten(first.patched["error"])[:40]
        dropped = self.reduce(
            [
                (number, index)
                for number, migration in enumerate(project.migrations)
                for index in range(len(migration.operations))
            ]
        )
        print(project.without(dropped))
        for difference in self.find(dropped):
            if self.matches(difference):
                print(difference)
                break

    def reduce(self, operations):
        """Return the operations that are not needed, the last ones first."""
        dropped = set()
        size = max(len(operations) // 2, 1)
        while True:
            kept = [item for item in reversed(operations) if item not in dropped]
            before = len(dropped)
            for start in range(0, len(kept), size):
                trial = dropped | set(kept[start : start + size])
                if any(map(self.matches, self.find(trial))):
                    dropped = trial
            if size == 1 and len(dropped) == before:
                return dropped
            size = max(size // 2, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--stock", required=True, help="unpatched Django")
    parser.add_argument("--patched", required=True)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, help="stop after that time")
    parser.add_argument("--db", default="sqlite")
    parser.add_argument("--ignore", nargs="*", default=[], help="kinds to leave out")
    parser.add_argument("--minimize", type=int, metavar="SEED")
    parser.add_argument("--kinds", nargs="*", help="kinds to minimize")
    options = parser.parse_args()
    if options.minimize is not None:
        with Trio(options) as trio:
            return Minimizer(options, trio).run()
    return Comparison(options).run()


if __name__ == "__main__":
    sys.exit(main())
