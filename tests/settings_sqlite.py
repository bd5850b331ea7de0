"""
Upstream's test settings, with a runner that doesn't pass without a test.
"""

from test_sqlite import *  # noqa: F401, F403

TEST_RUNNER = "strict_runner.StrictRunner"
