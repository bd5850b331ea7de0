"""
Find the first difference between the records of two Djangos.
"""

import json
import re
from itertools import zip_longest
from pathlib import Path

from .recorder import APPLY, END, UNAPPLY

MARKS = (APPLY, UNAPPLY)
# How receivers of post_migrate find out what to write. What they write is
# among the rows.
READ_BY_RECEIVERS = re.compile(
    r"(\[\w+\] )?SELECT .* FROM .(django_content_type|auth_permission)\b"
)
TRANSACTION = re.compile(
    r"(\[\w+\] )?(BEGIN|(RELEASE )?SAVEPOINT|ROLLBACK TO|SET CONSTRAINTS)\b"
)
# Sent by the recorder of migrations, in the transaction or after it.
BY_RECORDER = re.compile(
    r"(\[\w+\] )?(INSERT INTO|DELETE FROM|UPDATE|SELECT .* FROM) .django_migrations\b"
)
# Sent after the transaction, thus before or after a migration is recorded.
AFTER_TRANSACTION = re.compile(r"(\[\w+\] )?PRAGMA foreign_keys = ON")
CONTEXT = 3
# The length at which statements are cut when they're shown.
WIDTH = 240
# What is compared, in this order, and what it's called.
PARTS = {
    "error": "errors",
    "statements": "SQL",
    "schema": "schema",
    "rows": "rows",
    "output": "output",
}


class Record:
    """What one command did: its result, and the lines that it recorded."""

    def __init__(self, result, lines):
        self.result = result
        self.lines = lines
        self.statements, self.groups = [], {}
        # The migration that each statement is from, or "".
        self.origins = []
        self.arrange()

    @property
    def error(self):
        return self.result.get("error", "")

    def arrange(self):
        """Sort lines out into statements by migration."""
        mark = ""
        for line in self.lines:
            if line.startswith(MARKS):
                mark = line[3:]
            elif line == END:
                mark = ""
            elif not self.is_left_out(line):
                self.statements.append(line)
                self.origins.append(mark)
                self.groups.setdefault(mark, []).append(line)

    @staticmethod
    def is_left_out(line):
        return any(
            pattern.match(line)
            for pattern in (
                READ_BY_RECEIVERS,
                TRANSACTION,
                BY_RECORDER,
                AFTER_TRANSACTION,
            )
        )

    @property
    def migrations(self):
        """Return the lines that tell the order of migrations."""
        return [line for line in self.lines if line.startswith(MARKS)]


def read_records(result_path, record_path):
    """Return the records of the commands of a job, and what was refused."""
    result = json.loads(Path(result_path).read_text())
    commands = result["commands"]
    parts = [[] for _ in commands]
    index = -1
    with open(record_path, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("-- command "):
                index += 1
            elif 0 <= index < len(parts):
                parts[index].append(line)
    return [Record(*pair) for pair in zip(commands, parts)], result["refused"]


class Difference:
    """
    The first difference of two records in one of PARTS.

    ``context`` are the lines before it that both have, and ``first`` and
    ``second`` what differs; None stands for the end.
    """

    def __init__(self, part, first, second, context=(), after=(), place=""):
        self.part = part
        self.first = first
        self.second = second
        self.context = list(context)
        self.after = after
        self.place = place

    def as_dict(self):
        return {
            "part": PARTS[self.part],
            "place": self.place,
            "context": self.context,
            "unpatched": self.first,
            "patched": self.second,
            "after_unpatched": list(self.after[0]) if self.after else [],
            "after_patched": list(self.after[1]) if self.after else [],
        }


def flatten(tables):
    return [f"{table}: {line}" for table, lines in tables.items() for line in lines]


def find_first(part, one, other, places=None):
    """Return the first difference of two lists of lines, or None."""
    for i, (a, b) in enumerate(zip_longest(one, other)):
        if a != b:
            place = places[i] if places and i < len(places) else ""
            after = (one[i + 1 : i + 1 + CONTEXT], other[i + 1 : i + 1 + CONTEXT])
            context = one[max(0, i - CONTEXT) : i]
            return Difference(part, a, b, context, after, place)
    return None


def find_differences(first, second):
    """Return the first difference of each part, if there's one."""
    found = []
    if first.error != second.error:
        place = second.result.get("migration") or first.result.get("migration") or ""
        error = (first.error or None, second.error or None)
        # They stop at different places: nothing else can be the same.
        return [Difference("error", *error, place=place)]
    places = first.origins if len(first.origins) > len(second.origins) else None
    pairs = {
        "statements": (first.statements, second.statements, places or second.origins),
        "schema": (
            flatten(first.result.get("schema", {})),
            flatten(second.result.get("schema", {})),
        ),
        "rows": (
            flatten(first.result.get("rows", {})),
            flatten(second.result.get("rows", {})),
        ),
        "output": (first.result.get("output", []), second.result.get("output", [])),
    }
    if first.error:
        # They failed alike, at what may be another moment.
        del pairs["statements"], pairs["output"]
    for part, args in pairs.items():
        if difference := find_first(part, *args):
            found.append(difference)
    if not found and not first.error and first.migrations != second.migrations:
        found.append(find_first("statements", first.migrations, second.migrations))
    return found


def get_moved(first, second):
    """
    Return what has the same statements in another order: names of migrations.

    Return None if there are other differences.
    """
    if first.groups.keys() != second.groups.keys() or first.error != second.error:
        return None
    moved = {
        name for name, lines in first.groups.items() if lines != second.groups[name]
    }
    if any(sorted(first.groups[name]) != sorted(second.groups[name]) for name in moved):
        return None
    return moved


def shorten(line, other=None):
    """Return a statement as it's shown, around where it differs."""
    if line is None:
        return "(nothing)"
    if len(line) <= WIDTH:
        return line
    start = 0
    if other:
        same = next(
            (i for i, pair in enumerate(zip(line, other)) if pair[0] != pair[1]),
            min(len(line), len(other)),
        )
        start = max(0, same - WIDTH // 2)
    end = start + WIDTH
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
