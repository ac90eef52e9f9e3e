"""Routing by values that are exact while the world stays and are given up when it turns.

Sample-mean Q with an optimistic start (Sutton & Barto 2018, section 2.6) explores each dog of a state a few times and
then wastes little. What it lacks is a way back after a change: its step size is spent. ADWIN on the rewards gives it
one: when their mean falls beyond chance, the table starts anew. A rise is no alarm, since learning itself makes one,
and resetting on it would punish success.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cynic.domains.learning.drift import Adwin
from cynic.domains.learning.qlearning import (
    Choice,
    Learned,
    QTable,
    Step,
    StepSize,
    choose,
    learn,
    restored,
    snapshot,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Mapping, Sequence

OPTIMISM: Final = 1.0
"""The initial value: the best a reward can be."""
STEP_SIZE: Final = StepSize(rule="sample-mean", initial_weight=2.0)
EPSILON: Final = 0.01
DRIFT_DELTA: Final = 0.05
DRIFT_CLOCK: Final = 8


def _detector() -> Adwin:
    return Adwin(delta=DRIFT_DELTA, clock=DRIFT_CLOCK)


@dataclass(slots=True, kw_only=True)
class AdaptiveRouter:
    """The table with its detector. `resume` of `state` is the same router."""

    table: QTable
    step_size: StepSize = STEP_SIZE
    epsilon: float = EPSILON
    detector: Adwin = field(default_factory=_detector)
    resets: int = 0

    @classmethod
    def new(cls, dogs: tuple[str, ...]) -> AdaptiveRouter:
        """A router that knows nothing yet, with the settings that were measured."""
        return cls(table=QTable(dogs=dogs, initial=OPTIMISM))

    def choose(self, context: str, dogs: Sequence[str], rng: random.Random) -> Choice:
        """Choose among the dogs that can be had, with the propensity."""
        return choose(self.table, context, dogs, epsilon=self.epsilon, rng=rng)

    def learn(self, step: Step, keep: Collection[tuple[str, str]] = ()) -> tuple[Learned, bool]:
        """Fold one decision's reward; True when that made the table start anew, but for the cells to keep."""
        learned = learn(self.table, step, step_size=self.step_size)
        drift = self.detector.update(step.reward) and self.detector.change < 0
        if drift:
            self.table.reset(keep)
            self.resets += 1
        return learned, drift

    def state(self) -> dict[str, object]:
        """Everything it knows, as the JSON document {table, visits, stats}."""
        return snapshot(self.table, {"resets": self.resets, "detector": self.detector.state()})

    @classmethod
    def resume(cls, document: Mapping[str, Any], dogs: tuple[str, ...]) -> AdaptiveRouter:
        """The router whose `state` this was."""
        stats = document["stats"]
        return cls(
            table=restored(document, dogs, OPTIMISM),
            detector=Adwin.resume(stats["detector"]),
            resets=stats["resets"],
        )
