#!/usr/bin/env bash
# Makes a git checkout of Django with the patch series applied, see README.md.
#
#   ./django_checkout.sh            make or update build/django-6.1.3
#   ./django_checkout.sh --wheel    the same, then build the wheel into dist/
#   ./django_checkout.sh --export   write the checkout's commits to patches/
#   ./django_checkout.sh --check    check patches, metadata and round trip
#   ./django_checkout.sh --python   print the Python that is used
#
#   --django main|VERSION|PATH      on another Django: upstream's main branch,
#                                   a release, or a clone, which is only read
#   --force                         discard work that is in no patch file, or
#                                   overwrite patch files changed meanwhile
#
# PYTHON=... names the interpreter to use.
set -euo pipefail
umask 022

RELEASE=6.1.3
PATCHES=patches/6.1
UPSTREAM=https://github.com/django/django.git

die() {
    echo "error: $*" >&2
    exit 1
}

# Exit status 3 says that work would be lost.
refuse() {
    echo "error: $checkout $*" >&2
    exit 3
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

series() {
    "$python" patches/series.py "$@"
}

# The source distribution: downloaded once, its checksum verified each time.
fetch_release() {
    local sdist=build/django-$1.tar.gz sum pin
    if [[ ! -f $sdist ]]; then
        if ! "$python" -m pip download --no-deps --no-binary :all: \
            --retries 1 --dest "$temporary" "Django==$1" >build/pip.log 2>&1; then
            ! grep -q "from versions: [0-9]" build/pip.log ||
                die "there is no release $1 of Django"
            die "pip could not download Django $1, see build/pip.log: without" \
                "a network, put the source distribution at $sdist"
        fi
        mv "$temporary"/[Dd]jango-"$1".tar.gz "$sdist"
    fi
    sum=$("$python" -c 'import hashlib, sys
print(hashlib.file_digest(open(sys.argv[1], "rb"), "sha256").hexdigest())' "$sdist")
    pin=$(awk -v name="django-$1.tar.gz" '$2 == name {print $1}' "$PATCHES/SHA256SUMS")
    [[ -n $pin ]] || echo "note: $PATCHES/SHA256SUMS has no line for $sdist: $sum" >&2
    [[ $sum == "${pin:-$sum}" ]] ||
        die "$sdist has the SHA-256 $sum instead of $pin: delete it to" \
            "download it again"
}

# A release has no notes yet for the next feature release, which the patches
# add theirs to: add what upstream's main has there at first.
add_release_notes_stub() {
    local releases=$1/docs/releases
    [[ ! -e $releases/6.2.txt ]] || return 0
    cp "$PATCHES/6.2.txt" "$releases/"
    awk '/^6\.1 release$/ {
        print "6.2 release\n-----------\n.. toctree::\n   :maxdepth: 1\n\n   6.2\n"
    } {print}' "$releases/index.txt" >"$1.index"
    mv "$1.index" "$releases/index.txt"
    git -C "$1" add --all
}

# Make the repository, with Django as it is upstream tagged "upstream". Its
# first commit is always the same, so that its hash repeats.
make_checkout() {
    local new=$checkout.new
    rm -rf "$new"
    if [[ -n $origin ]]; then
        # What makes the network work may be in the user's configuration.
        (
            unset GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM
            git clone --quiet --no-tags "$origin" "$new" 2>build/clone.log
        ) || die "could not clone $origin: $(tail -n 1 build/clone.log)"
        git -C "$new" checkout --quiet -B fastmigrations
        add_release_notes_stub "$new"
        git -C "$new" diff --cached --quiet ||
            git -C "$new" commit --quiet -m "Added stub release notes for 6.2."
    else
        fetch_release "$django"
        mkdir "$new"
        tar -xzf "build/django-$django.tar.gz" --strip-components 1 -C "$new"
        git init --quiet --initial-branch fastmigrations "$new"
        # The source distribution lacks upstream's .gitignore.
        printf '%s\n' '*.egg-info' '*.pyc' __pycache__/ .coverages/ _build/ \
            >"$new/.git/info/exclude"
        git -C "$new" add --all
        add_release_notes_stub "$new"
        git -C "$new" commit --quiet -m "Django $django"
    fi
    git -C "$new" tag upstream
    if [[ $django != "$RELEASE" ]]; then
        # A three-way merge starts from the files that the patches were made
        # for.
        ./django_checkout.sh >/dev/null
        git -C "$new" fetch --quiet --no-tags "$PWD/build/django-$RELEASE" \
            "fastmigrations:django-$RELEASE"
    fi
    mv "$new" "$checkout"
}

refuse_unfinished_work() {
    local git_dir=$checkout/.git
    [[ ! -d $git_dir/rebase-apply && ! -d $git_dir/rebase-merge ]] ||
        refuse "is in the middle of git am or git rebase: --continue or" \
            "--abort it there$1"
    [[ -z $(git -C "$checkout" status --porcelain) ]] ||
        refuse "has uncommitted changes: commit or stash them$1"
}

refuse_unexported_work() {
    # Work is what the branch has that import or export has not seen, and
    # what is on no branch at all.
    [[ $(git -C "$checkout" rev-parse fastmigrations) == \
        $(git -C "$checkout" rev-parse "${known_commit:-upstream}") &&
        -z $(git -C "$checkout" rev-list HEAD --not --branches) ]] ||
        refuse "has commits that are in no patch file: --export them, or" \
            "--force to discard them"
}

discard_work() {
    git -C "$checkout" am --quit 2>/dev/null || true
    git -C "$checkout" rebase --quit 2>/dev/null || true
    git -C "$checkout" reset --quiet --hard
    git -C "$checkout" clean --quiet --force -d
}

# Apply the series to the branch that is checked out in $1. $2 says how to go
# on after a conflict.
apply_series() {
    local names files next patch
    names=$(series list "$PATCHES")
    # shellcheck disable=SC2046,SC2086 # The names contain no spaces.
    if [[ -z $names ]] || git -C "$1" am --quiet --3way --keep-non-patch \
        --committer-date-is-author-date $(printf "$PWD/$PATCHES/%s " $names) \
        >build/am.log 2>&1; then
        return
    fi
    [[ -f $1/.git/rebase-apply/next ]] || die "$(head -n 1 build/am.log)"
    next=$(cat "$1/.git/rebase-apply/next")
    patch=$PATCHES/$(sed -n "${next}p" <<<"$names")
    files=$(git -C "$1" diff --name-only --diff-filter=U)
    # If git could not even try to merge, any file of the patch may be why.
    files=${files:-$(git apply --numstat "$patch" 2>/dev/null | cut -f 3)}
    # shellcheck disable=SC2086 # The lines are joined.
    die "$patch does not apply: conflict in" ${files:-the patch itself}\; "$2"
}

# What the checkout was last in step with: a commit, and a hash of the patches.
# It tells work in the checkout from patches that are newer than the checkout.
read_state() {
    local names
    names=$(series list "$PATCHES")
    # shellcheck disable=SC2086
    patches_hash=$(cd "$PATCHES" && (echo $names && cat /dev/null $names) |
        git hash-object --stdin)
    known_commit='' known_hash=''
    [[ ! -f $state ]] || read -r known_commit known_hash <"$state"
}

write_state() {
    read_state
    echo "$(git -C "$checkout" rev-parse fastmigrations) $patches_hash" >"$state"
}

update_checkout() {
    [[ -d $checkout ]] || make_checkout
    [[ -z $origin || $origin == $(git -C "$checkout" remote get-url origin) ]] ||
        die "$checkout is a clone of something else: move or delete it"
    read_state
    if [[ -n $force ]]; then
        discard_work
    else
        refuse_unfinished_work ", or use --force to discard the work"
        refuse_unexported_work
        [[ $known_hash != "$patches_hash" ]] || return 0
    fi
    rm -f "$state"
    git -C "$checkout" checkout --quiet -B fastmigrations upstream
    apply_series "$checkout" "solve it in $checkout and 'git am --continue',\
 then --export; or 'git am --abort' there"
    write_state
}

export_series() {
    [[ -d $checkout ]] || die "there is no $checkout to export: run ./django_checkout.sh first"
    refuse_unfinished_work " before the export"
    [[ $(git -C "$checkout" symbolic-ref --short HEAD 2>/dev/null) == fastmigrations ]] ||
        refuse "is not on the branch fastmigrations: check it out first"
    read_state
    [[ -n $force || ${known_hash:=$patches_hash} == "$patches_hash" ]] ||
        refuse "lacks changes made in $PATCHES since: --export --force" \
            "overwrites them, --force alone discards the checkout's commits"
    series export "$PATCHES" "$checkout"
    write_state
}

check_series() {
    series check "$PATCHES"
    update_checkout
    git clone --quiet --shared --no-checkout "$checkout" "$temporary/check"
    git -C "$temporary/check" fetch --quiet origin tag upstream
    git -C "$temporary/check" checkout --quiet -B fastmigrations upstream
    apply_series "$temporary/check" "run ./django_checkout.sh to solve it"
    cp -R "$PATCHES" "$temporary/patches"
    series export "$temporary/patches" "$temporary/check"
    diff -r "$PATCHES" "$temporary/patches" >build/check.diff ||
        die "--export would change $PATCHES, see build/check.diff"
}

build_wheel() {
    local wheel
    git -C "$checkout" archive --prefix=source/ fastmigrations |
        tar -xf - -C "$temporary"
    # The bytes depend on the commit and on the build tools alone. Newer
    # versions of pip read the second variable instead of the first.
    SOURCE_DATE_EPOCH=$(git -C "$checkout" log -1 --format=%ct fastmigrations) \
        PIP_CONSTRAINT=$PWD/$PATCHES/build-constraints.txt \
        PIP_BUILD_CONSTRAINT=$PWD/$PATCHES/build-constraints.txt \
        "$python" -m pip wheel --no-deps --wheel-dir "$temporary" \
        "$temporary/source" >build/wheel.log 2>&1 ||
        die "pip could not build the wheel, see build/wheel.log"
    wheel=$(cd "$temporary" && echo *.whl)
    mkdir -p dist
    mv "$temporary/$wheel" dist/
    echo "$PWD/dist/$wheel"
}

action=checkout django=$RELEASE force=
while [[ $# -gt 0 ]]; do
    case $1 in
    --wheel | --export | --check | --python) action=${1#--} ;;
    --django)
        [[ $# -gt 1 ]] || die "--django needs main, a version or a path"
        django=$2
        shift
        ;;
    --force) force=yes ;;
    *)
        sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
    esac
    shift
done

# Where the clone comes from, or nothing if it is a release.
origin=
case $django in
main) origin=$UPSTREAM ;;
[0-9]*) ;;
*)
    [[ -e $django/.git ]] || die "--django $django: neither main, nor a version," \
        "nor a git checkout"
    origin=$(cd "$django" && pwd)
    ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")"
command -v git >/dev/null || die "git is not installed"
python=$(find_python)
checkout=build/django-$(basename "${origin:-$django}" .git)
[[ $django != main ]] || checkout=build/django-main
state=$checkout/.git/series-state
mkdir -p build
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

# Neither the caller's repository nor anybody's configuration has a say in what
# git writes.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=2 \
    GIT_CONFIG_KEY_0=core.excludesFile GIT_CONFIG_VALUE_0=/dev/null \
    GIT_CONFIG_KEY_1=core.attributesFile GIT_CONFIG_VALUE_1=/dev/null \
    GIT_AUTHOR_NAME=Django GIT_AUTHOR_EMAIL=foundation@djangoproject.com \
    GIT_AUTHOR_DATE=2026-01-01T00:00:00Z \
    GIT_COMMITTER_NAME=fastmigrations GIT_COMMITTER_EMAIL=fastmigrations@localhost \
    GIT_COMMITTER_DATE=2026-01-01T00:00:00Z

case $action in
python) echo "$python" ;;
checkout)
    update_checkout
    echo "$PWD/$checkout"
    ;;
wheel)
    update_checkout
    build_wheel
    ;;
export) export_series ;;
check)
    check_series
    echo "$PATCHES: $(series list "$PATCHES" | wc -l) patches checked"
    ;;
esac
