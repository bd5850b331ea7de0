import os
import sys

from checkout_tests.utils import run_command


def run_isolated(*args, cwd, **env):
    """Run a command that isn't part of these tests, nor of their coverage."""
    ignored = ("COVERAGE_", "DJANGO_", "PYTHONPATH", "RUNTESTS_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ignored)}
    return run_command(*args, cwd=cwd, env={**inherited, **env})


def run_upstream_tests(checkout, *labels):
    """Run upstream's tests in a checkout, and return the output."""
    return run_isolated(
        *[sys.executable, "tests/runtests.py", *labels],
        cwd=checkout,
        PYTHONPATH=str(checkout),
    )
