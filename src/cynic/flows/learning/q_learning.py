"""Q-learning on one answer: each dog's value in the state of the decision moves towards what its vote was worth.

The router of the domain does it, as it does when it is run by itself: the values start at the best reward, are held where
they were consolidated, and are given up when the mean reward falls and stays low. The detector of such a fall gets
one number for each answer, the mean of what its votes were worth.

A correction exchanges a reward, is no update, and tells the detector nothing. What was learned before everything
started anew is in no value any more, so correcting it changes none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.adaptive import AdaptiveRouter
from cynic.domains.learning.ewc import Consolidation, Gradients
from cynic.domains.learning.qlearning import Step
from cynic.domains.learning.td_tracking import TdTracker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.domains.learning.adaptive import Found
    from cynic.domains.learning.answers import Outcome
    from cynic.flows.learning.answers import Event

WINDOW: Final = TdTracker().window


@dataclass(slots=True, kw_only=True)
class Moved:
    """What one answer did to the values."""

    journal: list[Sequence[object]] = field(default_factory=list["Sequence[object]"])
    """Rows of td_error_tracker: state, action, error, rolling mean, converged, drift, value, target, reward,
    and the place of the answer."""
    changes: dict[str, float] = field(default_factory=dict[str, float])
    """Dog → by how much its value changed."""
    updates: int = 0
    found: Found = "nothing"
    """On a drift all values are gone after these rows."""


@dataclass(slots=True, kw_only=True)
class QLearning:
    """The router with what watches over it."""

    router: AdaptiveRouter
    tracker: TdTracker = field(default_factory=TdTracker)
    reset_as: int = 0
    """The place of the last answer that the table does not hold any more."""

    @classmethod
    def restored(
        cls,
        document: Mapping[str, object],
        watched: Mapping[str, Any],
        consolidation: Consolidation,
        gradients: Iterable[tuple[str, str, float, float, int]],
    ) -> QLearning:
        """The router of a snapshot with what is kept beside it, under a tracker that has seen nothing."""
        cells: dict[str, dict[str, Gradients]] = {}
        for state, dog, total, squares, count in gradients:
            cells.setdefault(state, {})[dog] = Gradients(
                gradient_sum=float(total), gradient_sq_sum=float(squares), update_count=count
            )
        return cls(
            router=AdaptiveRouter.resume(
                {**document, "stats": watched}, DOGS, consolidation, cells
            ),
            reset_as=cast("int", watched.get("resetAs", 0)),
        )

    def watched(self) -> dict[str, object]:
        """What `restored` needs of it besides the table and what was consolidated."""
        return {**self.router.watched(), "resetAs": self.reset_as}

    def ready(self, states: Iterable[str], updates_min: int) -> list[str]:
        """Those of the states in which a dog has had so many updates since they were last consolidated, in order."""
        gradients = self.router.learner.gradients
        return sorted(
            state
            for state in states
            if any(seen.update_count >= updates_min for seen in gradients.get(state, {}).values())
        )

    def learn(self, event: Event, former: Outcome | None, *, place: int, root: int) -> Moved:
        """Fold one answer, the `place`-th; one that takes a former answer back exchanges the reward.

        `root` is the place of the first answer of this person to the judgment.
        """
        if former is None:
            return self._update(event, place)
        return self._correct(event, former, place) if root > self.reset_as else Moved()

    def _update(self, event: Event, place: int) -> Moved:
        moved = Moved()
        state, router, push = event.state, self.router, self.tracker.push
        rewards = event.rewards(event.outcome)
        for dog, reward in rewards:
            learned = router.update(Step(state, dog, reward))
            mean, converged = push(learned.td_error)
            moved.journal.append(
                (
                    *(state, dog, learned.td_error, mean, converged, False),
                    *(learned.after, learned.target, reward, place),
                )
            )
            moved.changes[dog] = learned.after - learned.before
        moved.updates = len(rewards)
        if rewards:
            moved.found = router.watch(math.fsum(reward for _, reward in rewards) / len(rewards))
        if moved.found == "drift":
            self.reset_as = place
            self.tracker.clear()
            last = moved.journal[-1]
            moved.journal[-1] = (*last[:5], True, *last[6:])
        return moved

    def _correct(self, event: Event, former: Outcome, place: int) -> Moved:
        """A correction is journaled without target and reward."""
        moved = Moved()
        state, weight = event.state, self.router.step_size.initial_weight
        before_rewards = dict(event.rewards(former))
        for dog, reward in event.rewards(event.outcome):
            before, after = self.router.learner.exchange(
                *(state, dog, before_rewards[dog], reward), initial_weight=weight
            )
            moved.journal.append(
                (state, dog, after - before, None, False, False, after, None, None, place)
            )
            moved.changes[dog] = after - before
        return moved
