"""Routing by values that are exact while the world stays and are given up when it turns.

Sample-mean Q with an optimistic start (Sutton & Barto 2018, section 2.6) explores each dog of a state a few times and
then wastes little. What it lacks is a way back after a change: its step size is spent. ADWIN on the rewards gives it
one: when their mean falls beyond chance, the table starts anew. A rise is no alarm, since learning itself makes one,
and resetting on it would punish success. A reset lifts the locks of consolidation too: they guard
against feedback that is wrong for a while, not against a world that is another one.

Which of the two it is, a fall alone does not say. While any cell is locked, a fall is only suspected to be a change. It
is one when 500 rewards later their mean is still below the middle between the means before and after the fall: the
mean since the detector last saw it change, so that a burst that is over does not count. It is none as soon as the
detector has seen the mean rise and a hundred rewards since then are above that middle.
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
"""Rewards after a fall until it is decided whether it stays, where locks are at stake."""
LOW_MIN: Final = 50
"""Rewards of which a mean counts as the one after the fall: what is left in the window at first is partly older."""
RECOVERED: Final = 100
"""Rewards since a rise of the mean that end a suspicion."""

Found = Literal["nothing", "suspicion", "recovery", "drift"]


def _detector() -> Adwin:
    return Adwin(delta=DRIFT_DELTA, clock=DRIFT_CLOCK)


@dataclass(slots=True, kw_only=True)
class Suspicion:
    """A fall of the mean reward that may pass: what came since."""

    before: float
    """The mean until the fall."""
    after: float
    """The lowest mean since."""
    rewards: int = 0
    risen: bool = False
    """Whether the last change of the mean since then was a rise."""

    @property
    def middle(self) -> float:
        """Between the means before the fall and after it."""
        return (self.before + self.after) / 2


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
        after = self.detector.mean
        if self.suspicion is not None and after is not None:
            return self._doubt(self.suspicion, after, changed=changed)
        if not changed or self.detector.change >= 0:
            return "nothing"
        if not self.learner.consolidation.locked or before is None or after is None:
            return "drift"
        self.suspicion = Suspicion(before=before, after=after)
        return "suspicion"

    def _doubt(self, doubt: Suspicion, mean: float, *, changed: bool) -> Found:
        """What one reward more says of a suspicion; `mean` is that since the last change."""
        doubt.rewards += 1
        if self.detector.width >= LOW_MIN:
            doubt.after = min(doubt.after, mean)
        if changed:
            doubt.risen = self.detector.change > 0
        over = doubt.risen and not changed and self.detector.width >= RECOVERED
        if over and mean >= doubt.middle:
            return "recovery"
        if doubt.rewards < PROBATION:
            return "nothing"
        return "drift" if mean < doubt.middle else "recovery"

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
