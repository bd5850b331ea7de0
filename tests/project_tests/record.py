"""
Run a management command and record every statement that it executes.

    python record.py FILE COMMAND [ARGUMENT ...]

Works in any project: DJANGO_SETTINGS_MODULE names its settings. FILE gets one
JSON list per statement, of the database's alias, the SQL and the parameters.
Queries for content types and permissions, of which the patches need fewer to
find out which ones to create, are left out, and so is what SQLite executes
between a migration and its record, which share a transaction with the patches.
"""

import json
import re
import sys

LEFT_OUT = re.compile(
    r'SELECT .* FROM "(django_content_type|auth_permission)"'
    r"|BEGIN$|PRAGMA foreign_keys = ON"
)


def normalize(text):
    """Remove what no two runs agree on: the time and names of savepoints."""
    text = re.sub(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "<time>", text)
    return re.sub(r"\bs\d+_x(\d+)\b", r"<savepoint \1>", text)


class Recorder:
    """Write what is executed through a connection to a stream."""

    def __init__(self, alias, stream):
        self.alias = alias
        self.stream = stream

    def __call__(self, execute, sql, params, many, context):
        if not LEFT_OUT.match(str(sql)):
            line = json.dumps([self.alias, str(sql), params], default=str)
            self.stream.write(normalize(line) + "\n")
        return execute(sql, params, many, context)


def main(path, *argv):
    import django
    from django.core.management import execute_from_command_line
    from django.db import connections

    django.setup()
    with open(path, "w", encoding="utf-8") as stream:
        for connection in connections.all():
            connection.execute_wrappers.append(Recorder(connection.alias, stream))
        execute_from_command_line(["manage.py", *argv])


if __name__ == "__main__":
    main(*sys.argv[1:])
