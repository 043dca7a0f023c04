"""
Exactly once: whatever is announced, found late, pruned, cut off or crashed in whatever
order, every client gets each killmail once (design.md §3).

:mod:`tests.support.world` is what can happen, :mod:`tests.support.client` what every
client checks, and :mod:`tests.mutations` proves that it bites.
"""

import os
from random import Random

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from tests.mutations import MUTATIONS
from tests.support.cases import SyncCase
from tests.support.world import World

_seeds = st.integers(0, 2**32 - 1)


class Machine(RuleBasedStateMachine):
    """
    Any number of things happen, and then all must be well. Each thing is drawn from a
    seed of its own: Hypothesis leaves out what is not needed for a failure.
    """

    @initialize(seed=_seeds)
    def begin(self, seed: int) -> None:
        self.world = World(Random(seed), note)

    @rule(seed=_seeds)
    def something(self, seed: int) -> None:
        self.world.step(Random(seed))

    def teardown(self) -> None:
        self.world.end()


class ExactlyOnceTests(SyncCase):
    """
    The machine, run.
    """

    def test_exactly_once(self) -> None:
        """
        Nothing is lost, repeated, out of order or unasked for.
        """
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=int(os.environ.get("EXACTLY_ONCE_EXAMPLES", "150")),
                stateful_step_count=60,
                deadline=None,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )

    def test_mistakes_apply(self) -> None:
        """
        What :mod:`tests.mutations` makes wrong stands in the package, once.
        """
        for each in MUTATIONS:
            self.assertEqual(each.source.count(each.right), 1, each.mistake)
