"""How a dog votes on a dimension: by what its own votes on judgments show, and not at all where they show nothing.

For a candidate: a dog is for it when, on the candidate's judgments, its side was wrong more often than it usually is (exact
one-sided binomial test at 5 %). It would have needed what is missing there. A dog whose votes there could not have shown
it, had all been wrong, abstains; any other is against it.

For retiring: where the dog's side and the dimension's differ, the dimension should be right more often than not. A dog with
at least 10 such judgments is for retiring a dimension that is not. A dimension that nobody judges any more tells no dog
anything: then every dog whose votes were ever judged is for retiring it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.domains.learning.emergence_lock import ALPHA, p_value

if TYPE_CHECKING:
    from cynic.domains.learning.answers import Tally

DISAGREEMENTS_MIN: Final = 10
IDLE_DAYS: Final = 30.0
"""A dimension that was not judged for so long, in judgments that were answered, is idle."""


class Ballot(NamedTuple):
    """A dog's vote; None abstains."""

    vote: bool | None
    counted: int
    """Votes, or disagreements, behind it."""
    of_them: int
    """Wrong ones, or those in which the dimension was right."""
    p: float | None = None

    def document(self) -> dict[str, object]:
        """The ballot as JSON values."""
        return {"vote": self.vote, "counted": self.counted, "of_them": self.of_them, "p": self.p}


def on_candidate(wrong: int, votes: int, usually: Tally) -> Ballot:
    """Vote on a candidate: `wrong` of `votes` on its judgments; `usually` are all its answers, these included."""
    others_wrong = max(0, usually.wrong - wrong)
    others = max(others_wrong, usually.answers - votes)
    rate = (others_wrong + 1) / (others + 2)
    if not votes or (p_value(votes, votes, rate) or 0.0) > ALPHA:
        return Ballot(None, votes, wrong)
    p = p_value(wrong, votes, rate)
    return Ballot(p is not None and p <= ALPHA, votes, wrong, p)


def on_retiring(right: int, disagreements: int) -> Ballot:
    """Vote on retiring: the dimension was `right` in so many of the judgments in which the dog's side was another."""
    if disagreements < DISAGREEMENTS_MIN:
        return Ballot(None, disagreements, right)
    return Ballot(2 * right <= disagreements, disagreements, right)


def on_idle(usually: Tally) -> Ballot:
    """Vote on retiring what nobody judges any more."""
    return Ballot(True if usually.answers else None, usually.answers, usually.wrong)
