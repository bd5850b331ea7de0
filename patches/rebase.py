"""
Take the series to another release of the same Django, such as a new one.

The patches, the pinned release and its hash are only written once everything
has passed. Until then, all that changes is the checkout of that release.
"""

import json
import re
import sys

import docs
import series
from bases import PATCHES, RELEASE, Base, run_pip
from checkout import BRANCH, Checkout, apply_series, get_hash
from commands import (
    ROOT,
    SCRATCH,
    Failure,
    get_reason,
    is_system_error,
    run,
    say,
    write_atomically,
    write_log,
)
from git import git_bytes
from overlays import Series, find_overlays
from wheel import build_wheel

FEATURE_RELEASE = RELEASE.rpartition(".")[0]
# Tests of what the patches are about.
TEST_LABELS = ("migrations", "schema", "version")
# What says how to install the build, and names the release for that.
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/install.md")


class RebasedCheckout(Checkout):
    """The checkout that the files to be written make."""

    # Those of the project are still for the old release.
    series = None

    def __init__(self, base, path, series):
        super().__init__(base)
        self.path = path
        self.series = series


class RebasedSeries(Series):
    """The patches of the files to be written."""

    def __init__(self, files):
        super().__init__(PATCHES)
        self.files = files

    def get_paths(self):
        return [self.directory / name for name in self.files if name != "series"]


def rebase(version, digest=None):
    """
    Rebase the series and return the path of the wheel, or None if there's
    nothing to do.
    """
    pattern = re.escape(FEATURE_RELEASE) + r"\.\d+"
    if version != "latest" and not re.fullmatch(pattern, version):
        raise Failure(
            f"--rebase {version}: give a release of Django {FEATURE_RELEASE}, such as "
            f"{FEATURE_RELEASE}.4, or latest; --django is for others"
        )
    if not digest and version != RELEASE:
        version, digest = ask_index(version)
        if version != RELEASE:
            say(
                f"note: --sha256 isn't given, so the package index's hash of Django "
                f"{version} is used: {digest}; compare it with upstream's"
            )
    if version == RELEASE:
        say(f"Nothing to do: {PATCHES.relative_to(ROOT)} is for Django {RELEASE}.")
        return
    base = Base(version)
    base.digest = digest
    old, new = Checkout(Base(RELEASE)), Checkout(base)
    new.next_step = f"--rebase {version} again"
    old.update()
    update(new, version)
    files = render(new, version)
    rebased = apply_again(new, files)
    run_tests(new, version)
    changes = compare(old, rebased)
    wheel = build_wheel(rebased)
    write(version, digest, files, changes)
    # It's in step with what has been written.
    new.git("fetch", "--quiet", "--no-tags", rebased.path, BRANCH)
    new.switch_to(
        new.git("rev-parse", "FETCH_HEAD"), get_hash(Series(PATCHES).get_paths())
    )
    list_mentions()
    return wheel


def ask_index(version):
    """Return a release and the hash of its source distribution."""
    if version == "latest":
        requirement = f"Django~={FEATURE_RELEASE}.0"
        say(f"Looking for the newest release of Django {FEATURE_RELEASE}.")
    else:
        requirement = f"Django=={version}"
    SCRATCH.mkdir(exist_ok=True)
    path = SCRATCH / "report.json"
    run_pip(
        *["install", "--dry-run", "--ignore-installed", "--report", path, requirement],
        system_error="could not ask for Django",
        error=f"pip found no hash of Django {version}",
        advice="give --sha256 and put the source distribution into build/",
        version=version,
    )
    (item,) = json.loads(path.read_text())["install"]
    return (
        item["metadata"]["version"],
        # pip has compared it with what it downloaded.
        item["download_info"]["archive_info"]["hashes"]["sha256"],
    )


def update(new, version):
    """
    Apply the series, unless somebody has done so by hand: after a conflict, or
    to mend what the tests found.
    """
    if new.path.exists():
        new.base.fetch_sdist()
        new.finish_switch()
        new.refuse_unfinished_work(f", then --rebase {version} again")
        commit = new.git("rev-parse", BRANCH)
        if new.git("rev-parse", "HEAD") != commit:
            new.refuse(f"is not on the branch {BRANCH}: check it out first")
        known = new.git("rev-parse", new.read_state()[0])
        if commit not in (known, new.git("rev-parse", "upstream")):
            say(f"Taking the commits that {new.name} has.")
            return
    new.update()


def render(new, version):
    """Return the files that the commits in the checkout make."""
    files = series.render(PATCHES, new.path)
    # The number of the build counts anew for each release.
    for name in files:
        if "local-version" in name:
            text = files[name].decode().replace(RELEASE, version)
            text = re.sub(r"\+fastmigrations\.\d+", "+fastmigrations.1", text)
            files[name] = text.encode()
    return files


def apply_again(new, files):
    """Apply what is to be written, as anybody would."""
    directory = SCRATCH / "rebased"
    directory.mkdir(parents=True)
    names = [name for name in files if name != "series"]
    for name in names:
        (directory / name).write_bytes(files[name])
    copy = new.copy_upstream(SCRATCH / "checkout")
    conflict = apply_series(copy, [directory / name for name in names])
    if conflict:
        raise Failure(conflict)
    # The hashes of blobs in them are those of what they make.
    files.update(series.render(PATCHES, copy))
    return RebasedCheckout(new.base, copy, RebasedSeries(files))


def run_tests(new, version):
    say(f"Running the tests of {', '.join(TEST_LABELS)}, which takes some minutes.")
    process = run(
        *[sys.executable, ROOT / "runtests.py", "--checkout", new.path, *TEST_LABELS],
        cwd=ROOT,
        log="rebase.log",
    )
    if process.returncode:
        reason = f": {get_reason(process)}" if is_system_error(process) else ""
        raise Failure(
            f"tests fail on Django {version}, see build/rebase.log{reason}; mend the "
            f"commits in {new.name}, then {new.next_step}"
        )


def compare(old, rebased):
    """
    Print how the commits differ, and return the subjects of those that do, but
    for the one that names the release.
    """
    old_range = f"{old.git('rev-parse', 'upstream')}..{old.git('rev-parse', BRANCH)}"
    rebased.git("fetch", "--quiet", "--no-tags", old.path, BRANCH)
    output = git_bytes(
        *["range-diff", "--no-color", old_range, f"upstream..{BRANCH}"],
        cwd=rebased.path,
    )
    write_log("range-diff.txt", output)
    text = output.decode(errors="replace").rstrip()
    print(text, flush=True)
    changes = re.findall(
        r"^ *(?:-|\d+): +[-0-9a-f]+ ([!<>]) +(?:-|\d+): +[-0-9a-f]+ (.+)$", text, re.M
    )
    gone, new = ({text for kind, text in changes if kind == mark} for mark in "<>")
    # What has changed too much for git is a change, too.
    changes = [("!" if text in gone & new else kind, text) for kind, text in changes]
    return [
        change
        for change in dict.fromkeys(changes)
        if "a local version" not in change[1]
    ]


# What is written in the end.


def write(version, digest, files, changes):
    """Write all files. The release comes last: it's what a run begins with."""
    contents = get_contents(version, digest, changes)
    series.write(PATCHES, files)
    for overlay in find_overlays(Series(PATCHES)):
        for name in overlay.get_outdated():
            say(f"note: {overlay.name}/{name} stands for a patch that has changed")
    if docs.PATH.exists():
        write_atomically(docs.PATH, docs.render(PATCHES).encode())
    for path, text in contents.items():
        write_atomically(path, text.encode())


def get_contents(version, digest, changes):
    """Return the text of other files in which the release is."""
    contents = {}
    for name in DOCUMENTS:
        path = ROOT / name
        if path.exists():
            text = path.read_text(encoding="utf-8").replace(RELEASE, version)
            text = re.sub(r"\+fastmigrations\.\d+", "+fastmigrations.1", text)
            contents[path] = text
    path = ROOT / "CHANGELOG.md"
    text = path.read_text(encoding="utf-8") if path.exists() else "# Changes\n"
    contents[path] = add_section(text, version, changes)
    path = PATCHES / "SHA256SUMS"
    old_name, name = (f"django-{release}.tar.gz" for release in (RELEASE, version))
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if line.split()[1] not in (old_name, name)]
    contents[path] = "".join([f"{digest}  {name}\n", *kept])
    path = ROOT / "patches" / "bases.py"
    old_line, line = (f'RELEASE = "{release}"\n' for release in (RELEASE, version))
    text = path.read_text(encoding="utf-8")
    if text.count(old_line) != 1:
        raise Failure(f"patches/bases.py has no line {old_line.strip()}")
    contents[path] = text.replace(old_line, line)
    return contents


def add_section(changelog, version, changes):
    """Return the change log with a section for the first build."""
    title = f"## {version}+fastmigrations.1\n"
    if title in changelog:
        say(f"note: CHANGELOG.md has a section for {version} already")
        return changelog
    items = [f"The patches of the last build for {RELEASE}, on Django {version}."]
    for mark, text in [
        ("!", "Changed for that:"),
        ("<", "Dropped:"),
        (">", "Added:"),
    ]:
        subjects = [subject for kind, subject in changes if kind == mark]
        items += [f"{text} {subject}" for subject in subjects]
    section = f"{title}\nNot released yet.\n\n"
    section += "".join(f"- {item}\n" for item in items)
    head, separator, rest = changelog.partition("\n## ")
    if separator:
        return f"{head}\n{section}\n## {rest}"
    return f"{head}\n{section}"


def list_mentions():
    """Name the files that are about the old release, whether right or not."""
    others = []
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md"):
        for path in sorted(ROOT.glob(pattern)):
            name = str(path.relative_to(ROOT))
            if name != "CHANGELOG.md" and RELEASE in path.read_text(encoding="utf-8"):
                others.append(name)
    if others:
        say(f"note: these still name {RELEASE}, see whether they should: {others}")
    say(f"Written to {PATCHES.relative_to(ROOT)}: commit it, and run ./runtests.py")
