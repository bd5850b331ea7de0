#!/bin/sh
# Make the virtual environments of the real projects, without Django: that
# comes from the tree that is measured. Usage: environments.sh FOLDER [PYTHON]
set -e
here=$(dirname "$0")
for name in wagtail oscar reusable; do
    "${2:-python3}" -m venv "$1/$name"
    # Some packages ask for an older Django, hence --no-deps. The files list
    # what they need besides.
    "$1/$name/bin/pip" install --quiet --no-deps \
        --requirement "$here/requirements-$name.txt"
done
