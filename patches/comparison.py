"""Show what has changed in a patch that an overlay has another one for."""

from commands import BUILD, ROOT, SCRATCH, Failure, decode, remove, write_log
from git import git, git_bytes, try_git
from series import hash_patch, parse_patch

LOG = "range-diff.log"
# What is shown of a change. All of it is in the log.
MAX_LINES = 60


def describe_change(overlay, name):
    """
    Return the difference between the patch that an override was made for and
    the current one or, if the former isn't to be found, between the override
    and the current one.
    """
    path = overlay.series.directory / name
    old = find_version(path, overlay.get_known_hash(name))
    label = f"{overlay.series.name}/{name}"
    if old is None:
        old = (overlay.directory / name).read_bytes()
        title = f"{overlay.name}/{name} and {label} differ"
    else:
        title = f"{label} has changed"
    output = compare(old, path.read_bytes())
    write_log(LOG, f"{title}:\n{output}".encode())
    lines = output.splitlines()
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"... and {len(lines) - MAX_LINES} lines, see build/{LOG}"]
    return "\n".join([f"{title}:", *(f"    {line}".rstrip() for line in lines)])


def find_version(path, digest):
    """Return the patch with this hash in the project's history, or None."""
    log = try_git("log", "--format=%H", "--", path, cwd=ROOT)
    for commit in decode(log.stdout).split() if not log.returncode else ():
        version = try_git("show", f"{commit}:./{path.relative_to(ROOT)}", cwd=ROOT)
        if hash_patch(version.stdout) == digest:
            return version.stdout


def compare(old, new):
    """Return the output of git range-diff for two patches."""
    path = SCRATCH / "comparison"
    remove(path)
    git("init", "--quiet", path, cwd=ROOT)
    # The checkouts have the files that the patches are for.
    objects = sorted(BUILD.glob("*/.git/objects"))
    alternates = path / ".git" / "objects" / "info" / "alternates"
    alternates.write_text("".join(f"{directory}\n" for directory in objects))
    try:
        ranges = [commit_patch(path, patch) for patch in (old, new)]
    except Failure:
        # A file of another checkout is missing: compare the patches as files.
        (path / "old").write_bytes(old)
        (path / "new").write_bytes(new)
        return decode(try_git("diff", "--no-index", "old", "new", cwd=path).stdout)
    return decode(
        git_bytes(
            "range-diff", "--no-color", "--creation-factor=999", *ranges, cwd=path
        )
    )


def commit_patch(path, patch):
    """Commit a patch on top of the files that it changes and no others."""
    index = path / ".git" / "index"
    index.unlink(missing_ok=True)
    git_bytes("apply", f"--build-fake-ancestor={index}", cwd=path, stdin=patch)
    base = git("commit-tree", "-m", "Base", git("write-tree", cwd=path), cwd=path)
    git_bytes("apply", "--cached", cwd=path, stdin=patch)
    message = "\n\n".join(parse_patch(patch))
    tree = git("write-tree", cwd=path)
    commit = git("commit-tree", "-p", base, "-m", message, tree, cwd=path)
    return f"{base}..{commit}"
