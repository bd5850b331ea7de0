"""Run git such that nobody's configuration has a say in what it writes."""

import os
import subprocess

from commands import ROOT, Failure, get_reason, run

CONFIGURATION = {
    "core.excludesFile": os.devnull,
    "core.attributesFile": str(ROOT / "patches" / "gitattributes"),
    # Nothing goes on in the background.
    "gc.auto": "0",
    "maintenance.auto": "false",
}
IDENTITY = {
    "GIT_AUTHOR_NAME": "Django",
    "GIT_AUTHOR_EMAIL": "foundation@djangoproject.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "fastmigrations",
    "GIT_COMMITTER_EMAIL": "fastmigrations@localhost",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}
# What the caller's environment may keep.
KEPT = ("GIT_SSL", "GIT_SSH", "GIT_PROXY", "GIT_TRACE", "GIT_EXEC_PATH")


def get_environment():
    """Return an environment in which the caller is in no repository."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("GIT_") or name.startswith(KEPT)
    }
    env |= IDENTITY
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    # What only reads the repository leaves no lock in it, however it ends.
    env["GIT_OPTIONAL_LOCKS"] = "0"
    # The output is read.
    env["LC_ALL"] = "C"
    env["GIT_CONFIG_COUNT"] = str(len(CONFIGURATION))
    for number, (key, value) in enumerate(CONFIGURATION.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


def get_network_environment():
    """
    Return an environment with the caller's configuration, which may have
    proxies, keys and so on, but in no repository.
    """
    env = {**os.environ, "LC_ALL": "C"}
    for name in git_bytes("rev-parse", "--local-env-vars").decode().split():
        env.pop(name, None)
    return env


def try_git(*args, cwd=None, env=None):
    return run("git", *args, cwd=cwd, env=env or get_environment())


def git_bytes(*args, cwd=None, stdin=None):
    """Return the standard output of a command that is expected to succeed."""
    process = subprocess.run(
        ["git", *map(str, args)],
        cwd=cwd,
        env=get_environment(),
        capture_output=True,
        # For the sake of the lock.
        close_fds=False,
        **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
    )
    if process.returncode:
        process.stdout = process.stderr
        raise Failure(f"git {args[0]}: {get_reason(process)}")
    return process.stdout


def git(*args, cwd):
    return git_bytes(*args, cwd=cwd).decode().strip()


def git_paths(*args, cwd):
    """Return the paths that a command prints when it's given -z."""
    output = git_bytes(*args, cwd=cwd)
    return [os.fsdecode(path) for path in output.split(b"\0") if path]
