#!/bin/sh
# Make the virtual environments of the real projects, without Django: that
# comes from the tree that is measured. Usage: environments.sh FOLDER [PYTHON]
set -e
here=$(dirname "$0")
for name in wagtail oscar reusable pretalx pretix; do
    "${2:-python3}" -m venv "$1/$name"
    # Some packages ask for an older Django, hence --no-deps. The files list
    # what they need besides.
    "$1/$name/bin/pip" install --quiet --no-deps \
        --requirement "$here/requirements-$name.txt"
done

# pretix takes the parameters of lookups for lists, but Django 6.1 has tuples.
sed -i "s/sql, params = super().process_rhs(qn, connection)/&; params = list(params)/" \
    "$1"/pretix/lib/python*/site-packages/pretix/base/models/fields.py
