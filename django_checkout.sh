#!/usr/bin/env bash
# Makes a git checkout of Django with the patch series applied: --help tells
# more. This finds a Python for patches/django_checkout.py, which does the work.
#
# PYTHON=... names the interpreter to use.
set -euo pipefail

die() {
    echo "error: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.{12,13,14} \
        ~/.pyenv/versions/3.1[2-9]*/bin/python3 \
        {/usr/local,/opt/homebrew,/opt/python*}/bin/python3.1[2-9]; do
        # A command that exists may still not run: pyenv's shims.
        if "$candidate" 2>/dev/null -c 'if True:
            import pip, sys, venv
            if sys.version_info < (3, 12):
                sys.exit(1)
            print(sys.executable)'; then
            return
        fi
        [[ -z ${PYTHON-} ]] ||
            die "PYTHON=$PYTHON is no Python >= 3.12 with pip and venv"
    done
    die "no Python >= 3.12 with pip and venv: looked for python3 and" \
        "python3.12 to 3.14 in PATH, and in ~/.pyenv/versions, /usr/local/bin" \
        "and /opt; install one or name it with PYTHON=..."
}

# This file may be called through symbolic links.
script=${BASH_SOURCE[0]}
while [[ -L $script ]]; do
    target=$(readlink "$script")
    [[ $target == /* ]] || target=$(dirname "$script")/$target
    script=$target
done

python=$(find_python)
exec "$python" "$(dirname "$script")/patches/django_checkout.py" "$@"
