"""The checkout: a repository with one commit per patch, to work in."""

import hashlib

import docs
import series
import topics
from bases import PATCHES, RELEASE, Base, get_sha256, read_sums
from commands import (
    ROOT,
    SCRATCH,
    Failure,
    HalfApplied,
    Progress,
    WorkWouldBeLost,
    decode,
    get_reason,
    is_system_error,
    remove,
    say,
    write_atomically,
    write_log,
)
from comparison import describe_change
from git import git, git_paths, try_git
from overlays import Overlay, Series, choose_series, find_overlays

BRANCH = "fastmigrations"
# In the place of a hash: an export began and didn't end.
EXPORTING = "exporting"


class Checkout:
    def __init__(self, base, topic=None):
        self.base = base
        # Only this topic of the series is applied, with those that it needs.
        self.topic = topic and topics.find_topic(PATCHES, topic)
        self.path = base.checkout
        if topic:
            name = f"{self.path.name}-{topics.get_slug(self.topic)}"
            self.path = self.path.with_name(name)
        self.name = self.path.relative_to(ROOT)
        self.git_dir = self.path / ".git"
        # What the checkout was last in step with: a commit, and a hash of the
        # patches. It tells work in the checkout from patches that are newer
        # than the checkout.
        self.state_file = self.git_dir / "series-state"
        # This exists while the files are changed to those of another commit.
        self.switch_file = self.git_dir / "series-switch"
        # What comes after a conflict.
        self.next_step = "--export"
        # The hashes of the patches, one by one, that the checkout was last
        # made of. They tell an overlay's export which are newer.
        self.sums_file = self.git_dir / "series-sums"

    @property
    def series(self):
        """The series, or its overlay for the version that the checkout has."""
        chosen = choose_series(Series(PATCHES), self.path)
        if self.topic:
            return topics.TopicSeries(self.topic, chosen, PATCHES)
        return chosen

    def git(self, *args):
        return git(*args, cwd=self.path)

    def refuse(self, reason, error=WorkWouldBeLost):
        raise error(f"{self.name} {reason}")

    # What it is in step with.

    def read_state(self):
        """Return the known commit and the known hash of the patches."""
        if not self.state_file.exists():
            return "upstream", ""
        commit, _, patches = self.state_file.read_text().strip().partition(" ")
        return commit, patches

    def write_state(self, commit, patches):
        write_atomically(self.state_file, f"{commit} {patches}\n".encode())

    def write_sums(self, sums=None):
        sums = self.get_sums() if sums is None else sums
        lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
        write_atomically(self.sums_file, "".join(lines).encode())

    def get_sums(self):
        """Return the hashes of the patches and of their overrides."""
        paths = {*Series(PATCHES).get_paths(), *self.series.get_paths()}
        return {str(path.relative_to(ROOT)): get_sha256(path) for path in sorted(paths)}

    def get_newer_patches(self):
        """Return the names of the patches that changed since, or are gone."""
        old, new = read_sums(self.sums_file), self.get_sums()
        if self.read_state()[1] == EXPORTING:
            # An export that was interrupted has changed the others.
            directory = str(PATCHES.relative_to(ROOT))
            old, new = (
                {name: sums[name] for name in sums if name.startswith(directory)}
                for sums in (old, new)
            )
        names = sorted({*old, *new})
        return [name for name in names if old.get(name) != new.get(name)]

    # The way to the series.

    def update(self, force=False):
        """Make the checkout, or apply the patches that were changed."""
        if not self.path.exists():
            self.make()
        self.base.check_origin(self.path)
        if force:
            self.discard_work()
        else:
            self.finish_switch()
            self.refuse_unfinished_work(", or use --force to discard the work")
            self.refuse_unexported_work()
            if self.read_state()[1] == get_hash(self.series.get_paths()):
                self.write_sums()
                self.note_outdated_patches()
                return
        self.import_series()
        self.note_outdated_patches()

    def note_outdated_patches(self):
        """An export takes what stands for a patch as checked."""
        if isinstance(self.series, Overlay):
            for name in self.series.get_outdated():
                say(
                    f"note: {self.series.name}/{name} stands for a patch that has "
                    f"changed since: --check shows what, change it before --export"
                )

    def make(self):
        new = self.path.with_name(self.path.name + ".new")
        remove(new)
        self.base.make(new)
        new.rename(self.path)

    def fetch_original_files(self):
        """
        A three-way merge starts from the files that the patches were made for.
        """
        branches = {f"django-{RELEASE}": Base(RELEASE)}
        if self.topic and self.base.name != RELEASE:
            # What stands for patches was made there.
            branches["series"] = self.base
        for branch, base in branches.items():
            original = Checkout(base)
            try:
                original.update()
            except WorkWouldBeLost:
                if not self.topic:
                    raise
                # It has the files of the patches that it was made of.
            refspec = f"+{BRANCH}:{branch}"
            self.git("fetch", "--quiet", "--no-tags", original.path, refspec)

    def import_series(self):
        """
        Apply the series in a copy, and take the commits over when all of them
        are there. A run that ends before that leaves the checkout as it was.
        """
        if self.base.name != RELEASE or self.topic:
            self.fetch_original_files()
        copy = SCRATCH / "checkout"
        paths = self.series.get_paths()
        patches, sums = get_hash(paths), self.get_sums()
        conflict = apply_series(self.copy_upstream(copy), paths)
        if conflict and self.topic:
            raise Failure(f"{conflict}: the topic {self.topic} needs more than it says")
        if conflict:
            self.stop_in_conflict(conflict, sums)
        self.git("fetch", "--quiet", "--no-tags", copy, BRANCH)
        self.switch_to(self.git("rev-parse", "FETCH_HEAD"), patches)
        self.write_sums(sums)

    def copy_upstream(self, path):
        """Make another repository, to apply the series in."""
        remove(path)
        git("clone", "--quiet", "--shared", "--no-checkout", self.path, path, cwd=ROOT)
        git("fetch", "--quiet", "origin", "tag", "upstream", cwd=path)
        git("checkout", "--quiet", "-B", BRANCH, "upstream", cwd=path)
        return path

    def stop_in_conflict(self, conflict, sums):
        """Have the same conflict in the checkout, where it can be solved."""
        self.switch_to(self.git("rev-parse", "upstream"), "")
        self.write_sums(sums)
        apply_patches(self.path, self.series.get_paths())
        raise Failure(
            f"{conflict}; solve it in {self.name} and 'git am --continue', then "
            f"{self.next_step}; or 'git am --abort' there"
        )

    def switch_to(self, commit, patches):
        """Check out a commit as the branch. The next run can finish it."""
        switch = f"{self.git('rev-parse', 'HEAD')} {commit} {patches}\n"
        write_atomically(self.switch_file, switch.encode())
        self.git("checkout", "--quiet", "--force", "-B", BRANCH, commit)
        self.end_switch(commit, patches)

    def end_switch(self, commit, patches):
        self.write_state(commit, patches)
        self.switch_file.unlink()

    def finish_switch(self):
        """Go on where an earlier run was interrupted."""
        if not self.switch_file.exists():
            return
        say(f"Going on with {self.name}, where an earlier run was interrupted.")
        old, new, *patches = self.switch_file.read_text().split()
        (self.git_dir / "index.lock").unlink(missing_ok=True)
        # Leave the files alone until it's known that nobody has changed them.
        self.git("symbolic-ref", "HEAD", f"refs/heads/{BRANCH}")
        self.git("reset", "--quiet", "--mixed", new)
        unfinished = git_paths("diff", "--name-only", "-z", old, new, cwd=self.path)
        for path in self.get_changed_paths():
            if path not in unfinished or not self.is_between(path, old, new):
                self.refuse(
                    f"was left half applied, and {path} was changed since: undo "
                    f"that, or use --force to discard the work",
                    HalfApplied,
                )
        self.reset_files()
        self.end_switch(new, *patches or [""])

    def get_changed_paths(self):
        changed = git_paths(
            *["status", "--porcelain", "--no-renames", "--untracked-files=all", "-z"],
            cwd=self.path,
        )
        return [line[3:] for line in changed]

    def is_between(self, path, old, new):
        """Is a file as in the one commit, or written in part to the other?"""
        file = self.path / path
        if not file.exists():
            return True
        content = file.read_bytes()
        return content == self.read_file(old, path) or (
            self.read_file(new, path).startswith(content)
        )

    def read_file(self, commit, path):
        return try_git("show", f"{commit}:{path}", cwd=self.path).stdout

    # What is never lost.

    def refuse_unfinished_work(self, advice):
        applying = self.git_dir / "rebase-apply"
        if (applying / "applying").exists():
            self.refuse(
                f"is in the middle of git am: --continue or --abort it there{advice}",
                HalfApplied,
            )
        if applying.exists() or (self.git_dir / "rebase-merge").exists():
            self.refuse(
                f"is in the middle of git rebase: --continue or --abort it "
                f"there{advice}"
            )
        if self.get_changed_paths():
            self.refuse(f"has uncommitted changes: commit or stash them{advice}")

    def refuse_unexported_work(self):
        """
        Work is what the branch has that import or export has not seen, and
        what is on no branch at all.
        """
        known = self.git("rev-parse", self.read_state()[0])
        if self.git("rev-parse", BRANCH) != known or self.git(
            *["rev-list", "HEAD", "--not", "--branches"]
        ):
            advice = "cherry-pick them elsewhere" if self.topic else "--export them"
            self.refuse(
                f"has commits that are in no patch file: {advice}, or --force to "
                f"discard them"
            )

    def discard_work(self):
        (self.git_dir / "index.lock").unlink(missing_ok=True)
        for command in ("am", "rebase"):
            try_git(command, "--quit", cwd=self.path)
        self.reset_files()
        self.write_state(self.git("rev-parse", "upstream"), "")
        self.switch_file.unlink(missing_ok=True)

    def reset_files(self):
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "--force", "-d")

    # The way back to patch files.

    def export(self, force=False):
        if not self.path.exists():
            raise Failure(
                f"there is no {self.name} to export: run ./django_checkout.sh first"
            )
        self.finish_switch()
        self.refuse_unfinished_work(" before the export")
        head = try_git("symbolic-ref", "--short", "HEAD", cwd=self.path)
        if head.stdout.strip() != BRANCH.encode():
            self.refuse(f"is not on the branch {BRANCH}: check it out first")
        commit, patches = self.read_state()
        own = self.series
        # An overlay's patches change along with those that it stands for. The
        # old versions of others would become overrides.
        if isinstance(own, Overlay):
            newer = self.get_newer_patches()
            if newer and not force:
                self.refuse(
                    f"lacks changes made since in {shorten(newer)}: run "
                    f"./django_checkout.sh --django {self.base.option} first"
                )
        else:
            known = get_hash(own.get_paths()), EXPORTING, ""
            if patches not in known and not force:
                self.refuse(
                    "lacks changes made in patches/6.1 since: --export --force "
                    "overwrites them, --force alone discards the checkout's commits"
                )
        content = self.render(self.path)
        self.write_state(commit, EXPORTING)
        series.write(own.directory, content)
        if docs.PATH.exists():
            write_atomically(docs.PATH, docs.render(PATCHES).encode())
        head = self.git("rev-parse", BRANCH)
        self.write_state(head, get_hash(self.series.get_paths()))
        self.write_sums()

    def render(self, checkout):
        """Return the files that the commits in a copy of the checkout make."""
        if isinstance(self.series, Overlay):
            return self.series.render(checkout)
        return series.render(PATCHES, checkout)

    # What CI checks.

    def check(self, force=False):
        errors = series.check(PATCHES)
        name = PATCHES.relative_to(ROOT)
        errors += [f"{name}/{error}" for error in topics.check(PATCHES)]
        changes = []
        for overlay in find_overlays(Series(PATCHES)):
            errors += overlay.check()
            for name in overlay.get_outdated():
                changes.append(describe_change(overlay, name))
        # One patch may have changed for several overlays.
        for change in dict.fromkeys(changes):
            say(change)
        if docs.PATH.exists() and docs.PATH.read_text() != docs.render(PATCHES):
            errors.append("docs/series.md is made by --export, and out of date")
        for error in errors[:-1]:
            say(f"error: {error}")
        if errors:
            raise Failure(errors[-1])
        self.update(force)
        copy = self.copy_upstream(SCRATCH / "check")
        conflict = apply_series(copy, self.series.get_paths())
        if conflict:
            raise Failure(f"{conflict}; run ./django_checkout.sh to solve it")
        self.check_round_trip(copy)

    def check_round_trip(self, copy):
        content = self.render(copy)
        directory = self.series.directory
        old = {path.name: path.read_bytes() for path in series.get_files(directory)}
        if content == old:
            return
        # Let git show the difference.
        for name, files in [("old", old), ("new", content)]:
            (SCRATCH / name).mkdir()
            for path in files:
                (SCRATCH / name / path).write_bytes(files[path])
        diff = try_git("diff", "--no-index", "old", "new", cwd=SCRATCH)
        write_log("check.diff", diff.stdout)
        raise Failure(f"--export would change {self.series.name}, see build/check.diff")


def shorten(names):
    """Return some of the names and the number of the others."""
    others = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + others


def get_hash(paths):
    """Identify the patches and their order."""
    digest = hashlib.sha1()
    for path in paths:
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def apply_series(path, patches):
    """
    Apply the patches to what is checked out, one by one. Return None, or a
    sentence that says which patch doesn't apply.
    """
    with Progress(f"Applying {len(patches)} patches") as progress:
        for done, patch in enumerate(patches):
            progress.show(done, len(patches))
            process = apply_patches(path, [patch])
            if process.returncode:
                return describe_conflict(path, patch, process)
        progress.show(len(patches), len(patches))


def apply_patches(path, patches):
    return try_git(
        *["am", "--quiet", "--3way", "--keep-non-patch"],
        *["--committer-date-is-author-date", *patches],
        cwd=path,
    )


def describe_conflict(path, patch, process):
    write_log("am.log", process.stdout)
    name = patch.relative_to(ROOT)
    if is_system_error(process):
        raise Failure(f"could not apply {patch.name}: {get_reason(process)}")
    files = git_paths("diff", "--name-only", "--diff-filter=U", "-z", cwd=path)
    if not files:
        # If git could not even try to merge, any file may be why.
        numbers = try_git("apply", "--numstat", "-z", patch, cwd=path).stdout
        files = [line.split("\t")[-1] for line in decode(numbers).split("\0")[:-1]]
    return (
        f"{name} does not apply: conflict in "
        f"{' '.join(files) or 'the patch itself'}"
    )
