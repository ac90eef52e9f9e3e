"""What the maturity of preferences is measured by: what was seen, what has come to rest, and what was foretold.

Of several voters the one that weighed most before the cycle foretells the side, unless all weighed the same or those that
weighed most took both. Of a single one it is foretold whether it is right, if answers said so more often than not in the
context before, or not. Where nothing was known nothing was foretold, and a changed mind was foretold when it was made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.domains.dogs.pack import DOGS
from cynic.flows.learning import seen
from cynic.flows.learning.answers import DEFAULT_CONTEXT
from cynic.flows.learning.turn import Parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.preference_table import Preferences
    from cynic.flows.learning.cycle import Answered, Cycle

SETTLED_BELOW: Final = 0.02
"""A weight that moved by less has come to rest."""
ALIKE_WITHIN: Final = 1e-9
"""Shares that differ by less differ by their rounding."""


class Expected(NamedTuple):
    """A vote that was the only one of its judgment."""

    right: bool
    """Whether its dog was mostly right in the context; else it was mostly wrong."""
    came: bool
    """Whether it was right."""


def context_of(answer: Answered) -> str:
    """Where the weights of this decision are kept."""
    return answer.context or DEFAULT_CONTEXT


def expected(cycle: Cycle, preferences: Mapping[str, Preferences]) -> dict[int, Expected]:
    """Place of the answer → what was expected of its only vote, before the answers of the cycle are counted."""
    found: dict[int, Expected] = {}
    for one in seen.first_answers(cycle):
        votes = dict(one.votes)
        if len(votes) != 1 or one.right_side is None:
            continue
        ((dog, side),) = votes.items()
        counts = preferences[context_of(one)].seen.get(dog)
        balance = 0 if counts is None else counts["correct"] - counts["incorrect"]
        if balance:
            found[one.place] = Expected(balance > 0, side == one.right_side)
    return found


def foretold(
    cycle: Cycle, shares: Mapping[str, Mapping[str, float]], single: Mapping[int, Expected]
) -> list[bool]:
    """In the order of learning, whether what was known before this cycle came true; `shares` are those before it."""
    hits: list[bool] = []
    for one in seen.first_answers(cycle):
        if (alone := single.get(one.place)) is not None:
            hits.append(alone.right == alone.came)
            continue
        side = _weightier(dict(one.votes), shares[context_of(one)])
        if side is not None and one.right_side is not None:
            hits.append(side == one.right_side)
    return hits


def _weightier(votes: Mapping[str, bool], shares: Mapping[str, float]) -> bool | None:
    """The side of those that weigh most; None when all weigh the same, or they took both."""
    weights = [shares[dog] for dog in votes]
    if not weights or max(weights) - min(weights) < ALIKE_WITHIN:
        return None
    best = {side for dog, side in votes.items() if max(weights) - shares[dog] < ALIKE_WITHIN}
    return best.pop() if len(best) == 1 else None


def parts(
    preferences: Mapping[str, Preferences],
    moved: Mapping[str, Mapping[str, float]],
    hits: Sequence[bool],
) -> Parts:
    """The cells are the dogs in the contexts of the cycle; those that are in no pair have no weight that could move."""
    outcomes = {
        f"{name}/{dog}": counts["correct"] + counts["incorrect"] + counts["partial"]
        for name, one in preferences.items()
        for dog, counts in one.seen.items()
    }
    converged = {
        f"{name}/{dog}": abs(moved[name][dog]) < SETTLED_BELOW
        for name, one in preferences.items()
        for dog in sorted(one.wins.keys() | {dog for row in one.wins.values() for dog in row})
    }
    return Parts(
        outcomes=outcomes,
        cells=len(DOGS) * len(preferences),
        converged=converged or None,
        hits=hits,
    )
