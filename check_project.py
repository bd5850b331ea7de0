#!/usr/bin/env python3
"""Check a project, see ./check_project.py --help."""

# This file has to start in old versions of Python, in which it looks for a
# newer one.
import os
import subprocess
import sys


def find_python():
    folder = os.path.dirname(os.path.abspath(__file__))
    process = subprocess.Popen(
        [os.path.join(folder, "django_checkout.sh"), "--python"],
        stdout=subprocess.PIPE,
    )
    output = process.communicate()[0]
    if process.returncode:
        sys.exit(2)
    return output.decode().strip()


if __name__ == "__main__":
    if sys.version_info < (3, 12):
        python = find_python()
        os.execv(python, [python] + sys.argv)
    from migration_comparison.cli import main

    main()
