"""Q-learning on one answer: each dog's value in the state of the decision moves towards what its vote was worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning import qlearning
from cynic.domains.learning.adaptive import OPTIMISM, STEP_SIZE
from cynic.domains.learning.answers import exchanged
from cynic.domains.learning.qlearning import QTable, Step
from cynic.domains.learning.td_tracking import TdTracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.answers import Outcome
    from cynic.flows.learning.answers import Event

WINDOW: Final = TdTracker().window


@dataclass(slots=True, kw_only=True)
class Moved:
    """What one answer did to the values."""

    journal: list[Sequence[object]] = field(default_factory=list["Sequence[object]"])
    """Rows of td_error_tracker: state, action, error, rolling mean, converged, value, target, reward."""
    changes: dict[str, float] = field(default_factory=dict[str, float])
    """Dog → by how much its value changed."""
    updates: int = 0


@dataclass(slots=True, kw_only=True)
class QLearning:
    """The table with what watches over it."""

    table: QTable
    tracker: TdTracker = field(default_factory=TdTracker)

    @classmethod
    def restored(cls, document: Mapping[str, object]) -> QLearning:
        """The table of a snapshot, under a tracker that has seen nothing."""
        return cls(table=qlearning.restored(document, DOGS, OPTIMISM))

    def learn(self, event: Event, former: Outcome | None) -> Moved:
        """Fold one answer; one that takes a former answer back exchanges the reward and is no update."""
        return self._update(event) if former is None else self._correct(event, former)

    def _update(self, event: Event) -> Moved:
        moved = Moved()
        state = event.state
        for dog, reward in event.rewards(event.outcome):
            step = Step(state=state, dog=dog, reward=reward)
            learned = qlearning.learn(self.table, step, step_size=STEP_SIZE)
            seen = self.tracker.update(learned.td_error)
            moved.journal.append(
                (
                    *(state, dog, learned.td_error, seen.rolling_abs_mean),
                    *(seen.converged is True, learned.after, learned.target, reward),
                )
            )
            moved.changes[dog] = learned.after - learned.before
            moved.updates += 1
        return moved

    def _correct(self, event: Event, former: Outcome) -> Moved:
        """A correction is journaled without target and reward."""
        moved = Moved()
        state = event.state
        before_rewards = dict(event.rewards(former))
        for dog, reward in event.rewards(event.outcome):
            before, after = exchanged(
                *(self.table, state, dog, before_rewards[dog], reward), STEP_SIZE.initial_weight
            )
            moved.journal.append((state, dog, after - before, None, False, after, None, None))
            moved.changes[dog] = after - before
        return moved
