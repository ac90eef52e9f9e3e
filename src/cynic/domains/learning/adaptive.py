"""Routing by values that are exact while the world stays and are given up when it turns.

Sample-mean Q with an optimistic start (Sutton & Barto 2018, section 2.6) explores each dog of a state a few times and
then wastes little. What it lacks is a way back after a change: its step size is spent. ADWIN on the rewards gives it
one: when their mean falls beyond chance, the table starts anew. A rise is no alarm, since learning itself makes one,
and resetting on it would punish success. A reset lifts the locks of consolidation too: they guard
against feedback that is wrong for a while, not against a world that is another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cynic.domains.learning.drift import Adwin
from cynic.domains.learning.ewc import NOTHING_CONSOLIDATED, Careful, Consolidation, Gradients
from cynic.domains.learning.qlearning import (
    Choice,
    Learned,
    QTable,
    Step,
    StepSize,
    choose,
    restored,
    snapshot,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

OPTIMISM: Final = 1.0
"""The initial value: the best a reward can be."""
STEP_SIZE: Final = StepSize(rule="sample-mean", initial_weight=2.0)
EPSILON: Final = 0.005
"""Never 0: every choice needs a propensity."""
DRIFT_DELTA: Final = 0.05
DRIFT_CLOCK: Final = 8


def _detector() -> Adwin:
    return Adwin(delta=DRIFT_DELTA, clock=DRIFT_CLOCK)


@dataclass(slots=True, kw_only=True)
class AdaptiveRouter:
    """The table, what was consolidated of it, and the detector that may end both."""

    learner: Careful
    step_size: StepSize = STEP_SIZE
    epsilon: float = EPSILON
    detector: Adwin = field(default_factory=_detector)
    resets: int = 0

    @classmethod
    def new(cls, dogs: tuple[str, ...]) -> AdaptiveRouter:
        """A router that knows nothing yet, with the settings that were measured."""
        return cls(learner=Careful(table=QTable(dogs=dogs, initial=OPTIMISM)))

    def choose(self, context: str, dogs: Sequence[str], rng: random.Random) -> Choice:
        """Choose among the dogs that can be had, with the propensity."""
        return choose(self.learner.table, context, dogs, epsilon=self.epsilon, rng=rng)

    def learn(self, step: Step) -> tuple[Learned, bool]:
        """Fold one decision's reward; True when that made everything start anew, locks included."""
        learned = self.learner.learn(step, step_size=self.step_size)
        drift = self.detector.update(step.reward) and self.detector.change < 0
        if drift:
            self.learner.forget()
            self.resets += 1
        return learned, drift

    def consolidate(self) -> Consolidation:
        """Anchor what was learned; each context is a task of its own, since a decision is one step."""
        return self.learner.end_task(task_of=str)

    def state(self) -> dict[str, object]:
        """Table and detector as the JSON document {table, visits, stats}; consolidation and gradients are kept apart."""
        stats = {"resets": self.resets, "detector": self.detector.state()}
        return snapshot(self.learner.table, stats)

    @classmethod
    def resume(
        cls,
        document: Mapping[str, Any],
        dogs: tuple[str, ...],
        consolidation: Consolidation = NOTHING_CONSOLIDATED,
        gradients: dict[str, dict[str, Gradients]] | None = None,
    ) -> AdaptiveRouter:
        """The router whose `state` this was, with what was stored beside it."""
        stats = document["stats"]
        return cls(
            learner=Careful(
                table=restored(document, dogs, OPTIMISM),
                consolidation=consolidation,
                gradients={} if gradients is None else gradients,
            ),
            detector=Adwin.resume(stats["detector"]),
            resets=stats["resets"],
        )
