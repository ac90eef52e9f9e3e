"""Routing by values that are exact while the world stays and are given up when it turns.

Sample-mean Q with an optimistic start (Sutton & Barto 2018, section 2.6) explores each dog of a state a few times and
then wastes little. What it lacks is a way back after a change: its step size is spent. ADWIN on the rewards gives it
one: when their mean falls beyond chance, the table starts anew. A rise is no alarm, since learning itself makes one,
and resetting on it would punish success. A reset lifts the locks of consolidation too: they guard
against feedback that is wrong for a while, not against a world that is another one.

Which of the two it is, a fall alone does not say. While any cell is locked, a fall is only suspected to be a change: it
is one when the mean of the next 500 rewards is below the middle between the means before and after the fall, and none
as soon as the detector sees the mean rise above that middle again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

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
    from collections.abc import Collection, Mapping, Sequence

OPTIMISM: Final = 1.0
"""The initial value: the best a reward can be."""
STEP_SIZE: Final = StepSize(rule="sample-mean", initial_weight=2.0)
EPSILON: Final = 0.005
"""Never 0: every choice needs a propensity."""
DRIFT_DELTA: Final = 0.05
DRIFT_CLOCK: Final = 8
PROBATION: Final = 500
"""Rewards after a fall that decide whether it stays, where locks are at stake."""

Found = Literal["nothing", "suspicion", "recovery", "drift"]


def _detector() -> Adwin:
    return Adwin(delta=DRIFT_DELTA, clock=DRIFT_CLOCK)


@dataclass(slots=True, kw_only=True)
class Suspicion:
    """A fall of the mean reward that may pass: what came since."""

    middle: float
    """Between the mean before the fall and the one after it."""
    rewards: int = 0
    total: float = 0.0


@dataclass(slots=True, kw_only=True)
class AdaptiveRouter:
    """The table, what was consolidated of it, and the detector that may end both."""

    learner: Careful
    step_size: StepSize = STEP_SIZE
    epsilon: float = EPSILON
    detector: Adwin = field(default_factory=_detector)
    suspicion: Suspicion | None = None
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
        learned = self.update(step)
        return learned, self.watch(step.reward) == "drift"

    def update(self, step: Step) -> Learned:
        """Fold one reward into the table, without looking for drift."""
        return self.learner.learn(step, step_size=self.step_size)

    def watch(self, reward: float) -> Found:
        """Look for drift in the next decision's mean reward; on finding it, everything starts anew."""
        found = self._find(reward)
        if found == "drift":
            self.learner.forget()
            self.suspicion = None
            self.resets += 1
        elif found == "recovery":
            self.suspicion = None
        return found

    def _find(self, reward: float) -> Found:
        before = self.detector.mean
        changed = self.detector.update(reward)
        fell = changed and self.detector.change < 0
        doubt = self.suspicion
        if doubt is not None:
            doubt.rewards += 1
            doubt.total += reward
            rose = changed and not fell and (self.detector.mean or 0.0) >= doubt.middle
            if rose or doubt.rewards >= PROBATION:
                kept_low = not rose and doubt.total / doubt.rewards < doubt.middle
                return "drift" if kept_low else "recovery"
            return "nothing"
        if not fell:
            return "nothing"
        if not self.learner.consolidation.locked or before is None or self.detector.mean is None:
            return "drift"
        self.suspicion = Suspicion(middle=(before + self.detector.mean) / 2)
        return "suspicion"

    def consolidate(self, states: Collection[str] | None = None) -> Consolidation:
        """Anchor what was learned, of all states or of some; each is a task of its own, since a decision is one step."""
        return self.learner.end_task(task_of=str, states=states)

    def state(self) -> dict[str, object]:
        """Table and detector as the JSON document {table, visits, stats}; consolidation and gradients are kept apart."""
        return snapshot(self.learner.table, self.watched())

    def watched(self) -> dict[str, object]:
        """What it knows besides the table, as a JSON document: resets, detector, suspicion."""
        return {
            "resets": self.resets,
            "detector": self.detector.state(),
            "suspicion": None if self.suspicion is None else asdict(self.suspicion),
        }

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
        detector, suspicion = stats.get("detector"), stats.get("suspicion")
        return cls(
            learner=Careful(
                table=restored(document, dogs, OPTIMISM),
                consolidation=consolidation,
                gradients={} if gradients is None else gradients,
            ),
            detector=_detector() if detector is None else Adwin.resume(detector),
            suspicion=None if suspicion is None else Suspicion(**suspicion),
            resets=stats.get("resets", 0),
        )
