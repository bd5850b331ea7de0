"""
Lists of operations do the same whether or not they are optimized.

EXAMPLES says how many lists each test tries, and RANDOM=1 makes these other
ones than in the last run:

    EXAMPLES=2000 RANDOM=1 ./runtests.py optimizer_tests
"""

import os

from django.db.migrations.optimizer import MigrationOptimizer
from django.test import SimpleTestCase
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .lists import Database, describe, lists

profile = settings(
    max_examples=int(os.environ.get("EXAMPLES", 150)),
    derandomize="RANDOM" not in os.environ,
    database=None,
    deadline=None,
    # An explanation of a failure takes longer than it helps.
    phases=[Phase.generate, Phase.shrink],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class OptimizerTests(SimpleTestCase):
    maxDiff = None

    def check(self, builder, split, with_state):
        state, content, seen = builder.steps[split]
        operations = builder.operations[split:]
        kwargs = {"state": state.clone()} if with_state else {}
        optimized = MigrationOptimizer().optimize(operations, "app", **kwargs)
        try:
            self.assertLessEqual(len(optimized), len(operations))
            self.assert_same(builder, split, operations, optimized)
            again = MigrationOptimizer().optimize(optimized, "app", **kwargs)
            self.assertEqual(again, optimized)
        except Exception as e:
            before = ["before:", *builder.operations[:split], "operations:"]
            note = [*before, *operations, "became:", *optimized]
            e.add_note("\n".join(map(str, note)))
            raise

    def assert_same(self, builder, split, operations, optimized):
        state, content, seen = builder.steps[split]
        end_state, end_content, _ = builder.steps[-1]
        expected = Database(end_state, end_content)
        actual = Database(state, content)
        try:
            # First of all the state, which is easier to understand.
            end = state.clone()
            for operation in optimized:
                operation.state_forwards("app", end)
            self.assertEqual(describe(end), describe(end_state))
            self.apply(actual, operations, optimized)
            self.assertEqual(actual.seen, builder.database.seen[seen:])
            self.assertEqual(actual.get_schema(), expected.get_schema())
            self.assertEqual(actual.get_rows(), expected.get_rows())
        finally:
            expected.close()
            actual.close()

    def apply(self, database, operations, optimized):
        state, content = database.state, database.content
        try:
            database.apply(optimized)
        except Exception:
            # Not everything can be done in a single migration.
            original = Database(state, content)
            try:
                original.apply(operations)
            except Exception:
                pass
            else:
                raise
            finally:
                original.close()
            database.close()
            database.connect(content)
            database.seen.clear()
            database.state = state
            for operation in optimized:
                database.apply([operation])

    @profile
    @given(lists(), st.booleans())
    def test_from_nothing(self, builder, with_state):
        self.check(builder, 0, with_state)

    @profile
    @given(lists(max_size=35), st.integers(1, 20), st.booleans())
    def test_from_somewhere(self, builder, split, with_state):
        self.check(builder, min(split, len(builder.operations)), with_state)
