"""
Undoing migrations gives the state of those that are still applied, whatever
the order and whatever else is applied.
"""

import os

from django.db.migrations.changes import StateChanges
from django.db.migrations.exceptions import StateBackwardsError
from django.db.migrations.history import StateHistory
from django.db.migrations.state import ProjectState
from django.db.migrations.utils import resolve_relation
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


def describe_in_any_order(state):
    """
    Return what matters in a state but the order of models and fields. It
    doesn't matter if a relation of a model to itself is given as "self".
    """
    models = {}
    for model_key, name, fields, options, *rest in describe(state):
        for _, (_, _, kwargs) in fields:
            if "to" in kwargs:
                kwargs["to"] = resolve_relation(kwargs["to"], *model_key)
        models[model_key] = name, dict(fields), options, rest
    return models


class StateTests(SimpleTestCase):
    maxDiff = None

    @get_settings(200)
    @given(projects(reuse_names=True))
    def test_each_operation(self, project):
        """
        What was noted restores the state before each operation, its order
        included. Where the operation knows what was before, it says the same.
        """
        state = ProjectState()
        for key in project.get_full_plan():
            migration = project.migrations[key]
            for operation in migration.operations:
                before = describe(state)
                old_models = state.models.clone()
                operation.state_forwards(migration.app_label, state)
                state.models.seal()
                after = describe(state)
                own_state, noted_state = state.clone(), state.clone()
                changes = StateChanges(old_models, state.models.clone())
                changes.undo(noted_state)
                self.assertEqual(describe(noted_state), before)
                try:
                    operation.state_backwards(migration.app_label, own_state)
                except StateBackwardsError:
                    self.assertEqual(describe(own_state), after)
                else:
                    self.assertEqual(
                        describe_in_any_order(own_state),
                        describe_in_any_order(noted_state),
                    )
                self.assertEqual(describe(state), after)

    @get_settings(200)
    @given(projects(reuse_names=True), st.data())
    def test_canonical(self, project, data):
        full_plan = project.get_full_plan()
        graph = project.get_graph()
        first = data.draw(st.sampled_from(full_plan))
        to_unapply = set(graph.backwards_plan(first))
        applied = list(full_plan)

        def get_history(to_unapply=()):
            return StateHistory(
                [project.migrations[key] for key in applied],
                [project.migrations[key] for key in to_unapply],
                ProjectState,
            )

        history = get_history(to_unapply)
        state = history.create_state()
        state.apps
        while to_unapply:
            candidates = [
                key
                for key in full_plan
                if key in to_unapply
                and not any(child in applied for child in graph.node_map[key].children)
            ]
            key = data.draw(st.sampled_from(candidates))
            after = describe(state)
            states = history.walk_back(state, project.migrations[key])
            self.assertEqual(describe(states[-1]), after)
            self.assertIs(states[0], state)
            applied.remove(key)
            to_unapply.remove(key)
            canonical = get_history().create_state()
            self.assertEqual(describe(state), describe(canonical))
            self.assertEqual(
                [model._meta.label for model in state.apps.get_models()],
                [model._meta.label for model in canonical.apps.get_models()],
            )
