"""
Undoing migrations gives the state of those that are still applied, whatever
the order and whatever else is applied.
"""

import os

from django.db.migrations.state import ProjectState
from django.test import SimpleTestCase
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from .projects import projects


def get_settings(max_examples):
    """
    The examples are always the same unless the environment variable
    MAX_EXAMPLES says how many other ones to try. Making one that fails smaller
    takes minutes, SHRINK=1 does it.
    """
    return settings(
        max_examples=int(os.environ.get("MAX_EXAMPLES", max_examples)),
        derandomize="MAX_EXAMPLES" not in os.environ,
        phases=[
            phase for phase in Phase if phase != Phase.shrink or "SHRINK" in os.environ
        ],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def describe(state):
    """Return all that matters in a state, in its order."""
    return [
        (
            model_key,
            model_state.name,
            [
                (name, field.deconstruct()[1:])
                for name, field in model_state.fields.items()
            ],
            {
                name: sorted(value) if isinstance(value, set) else value
                for name, value in model_state.options.items()
            },
            model_state.bases,
            model_state.managers,
        )
        for model_key, model_state in state.models.peek_items()
    ]


class StateTests(SimpleTestCase):
    maxDiff = None

    @get_settings(200)
    @given(projects(reuse_names=True))
    def test_each_operation(self, project):
        state = ProjectState()
        for key in project.get_full_plan():
            migration = project.migrations[key]
            for operation in migration.operations:
                before = describe(state)
                old_models = state.models.clone()
                operation.state_forwards(migration.app_label, state)
                state.note_changes(
                    migration.app_label, operation, old_models, state.models.clone()
                )
                after = describe(state)
                operation.state_backwards(migration.app_label, state)
                self.assertEqual(describe(state), before)
                state.redo_changes(migration.app_label, operation)
                self.assertEqual(describe(state), after)

    @get_settings(200)
    @given(projects(reuse_names=True), st.data())
    def test_canonical(self, project, data):
        full_plan = project.get_full_plan()
        graph = project.get_graph()
        first = data.draw(st.sampled_from(full_plan))
        to_unapply = set(graph.backwards_plan(first))
        rebuilt = []

        def create_state(partial, note=True):
            state = ProjectState()
            for key in full_plan:
                migration = project.migrations[key]
                if partial and migration == partial:
                    migration = partial
                if key in to_unapply and note:
                    migration.mutate_state_noting_changes(state)
                elif key in applied:
                    migration.mutate_state(state, preserve=False)
            rebuilt.append(partial)
            return state

        applied = set(full_plan)
        state = create_state(None)
        state.apps
        while to_unapply:
            candidates = [
                key
                for key in full_plan
                if key in to_unapply
                and not any(child in applied for child in graph.node_map[key].children)
            ]
            key = data.draw(st.sampled_from(candidates))
            project.migrations[key].unmutate_state(state, create_state)
            applied.remove(key)
            to_unapply.remove(key)
            canonical = create_state(None, note=False)
            self.assertEqual(describe(state), describe(canonical))
            self.assertEqual(
                [model._meta.label for model in state.apps.get_models()],
                [model._meta.label for model in canonical.apps.get_models()],
            )
