"""The preferences of one context as counts, so that what a fit costs does not grow with the answers.

Within a judgment that several voted on, dogs on the right side are set against dogs on the wrong one, each vote in at
most one pair; which meet moves on with the place of the answer, so that not always the same two do. A judgment with
one vote is a routing decision: the last one waits for the next of another dog, whatever its outcome, and the two make a
pair if their outcomes differ. (Waiting for a different outcome would find one for every answer of a dog that is seldom sent,
and say nothing of the dog that is sent often.) A pair counts k = 1 for right against wrong, 0.9 for right against partly right,
0.75 for partly right against wrong (`preference_pairs`): in twentieths, so that counts are whole and are taken back
exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self, TypedDict, cast

from cynic.domains.learning.bounds import PHI
from cynic.domains.learning.preference_pairs import RANKS, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.answers import Outcome

UNITS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A dog's vote with what came of it."""

    feedback_id: str
    judgment_id: str
    place: int
    """Of the answer, in the order of learning."""
    dog: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A pair to be stored."""

    chosen: Decided
    rejected: Decided

    @property
    def units(self) -> int:
        """K in twentieths."""
        step = STEPS[RANKS[self.chosen.outcome], RANKS[self.rejected.outcome]]
        return round(UNITS * (1 + step) / 2)

    @property
    def confidence(self) -> float:
        """The stored form of k."""
        return PHI * self.units / UNITS


class Seen(TypedDict):
    """How often a dog was right, wrong and in between in the context."""

    correct: int
    incorrect: int
    partial: int


class Document(TypedDict):
    """A context as it is kept."""

    wins: dict[str, dict[str, int]]
    waiting: list[object] | None
    seen: dict[str, Seen]
    strengths: dict[str, float]
    live: dict[str, float]
    routed: int
    fitted: int


@dataclass(slots=True, kw_only=True)
class Preferences:
    """One context."""

    wins: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    """Chosen → rejected → k in twentieths; what a pair lacks to 20 counts the other way."""
    waiting: Decided | None = None
    """The last routing decision that met none of another dog yet."""
    seen: dict[str, Seen] = field(default_factory=dict[str, Seen])
    strengths: dict[str, float] = field(default_factory=dict[str, float])
    """Of the last fit, where the next one begins."""
    live: dict[str, float] = field(default_factory=dict[str, float])
    """Of the weights that are used: those of an earlier fit, where the last one was held."""
    routed: int = 0
    """Votes that were the only one of their judgment."""
    fitted: int = 0
    """Pairs in the last fit."""

    @property
    def pairs(self) -> int:
        """How many are counted."""
        return sum(units for row in self.wins.values() for units in row.values()) // UNITS

    def learn(self, votes: Sequence[Decided]) -> list[Match]:
        """Count the votes of one answered judgment, and pair them."""
        self._count(votes, 1)
        found = self._routed(votes[0]) if len(votes) == 1 else _within(votes)
        for match in found:
            self.add(match.chosen.dog, match.rejected.dog, match.units)
        return found

    def take_back(self, votes: Sequence[Decided]) -> None:
        """Uncount the votes of an answer; its pairs are taken back by whoever kept them."""
        self._count(votes, -1)
        if self.waiting is not None and self.waiting.feedback_id in {v.feedback_id for v in votes}:
            self.waiting = None

    def add(self, chosen: str, rejected: str, units: int, times: int = 1) -> None:
        """Count a pair, or with -1 take it back."""
        for winner, loser, share in (
            (chosen, rejected, units),
            (rejected, chosen, UNITS - units),
        ):
            if share:
                row = self.wins.setdefault(winner, {})
                row[loser] = row.get(loser, 0) + times * share
                if not row[loser]:
                    del row[loser]
                if not row:
                    del self.wins[winner]

    @property
    def mostly_routed(self) -> bool:
        """Whether more than half of the votes were the only one of their judgment."""
        votes = sum(
            one["correct"] + one["incorrect"] + one["partial"] for one in self.seen.values()
        )
        return 2 * self.routed > votes

    def outcomes(self) -> dict[str, tuple[float, float]]:
        """Dog → won and lost, a partial success as half of each."""
        return {
            dog: (one["correct"] + one["partial"] / 2, one["incorrect"] + one["partial"] / 2)
            for dog, one in self.seen.items()
        }

    def chosen(self) -> dict[str, float]:
        """Dog → how often it was chosen over another."""
        return {dog: sum(row.values()) / UNITS for dog, row in self.wins.items()}

    def table(self) -> dict[str, dict[str, float]]:
        """The wins in pairs."""
        return {
            dog: {other: units / UNITS for other, units in row.items()}
            for dog, row in self.wins.items()
        }

    @classmethod
    def restored(cls, document: Mapping[str, object]) -> Self:
        """A context as it was kept; an empty document is a new one."""
        if not document:
            return cls()
        kept = cast("Document", document)
        return cls(
            wins=kept["wins"],
            waiting=None if kept["waiting"] is None else _decided(kept["waiting"]),
            seen=kept["seen"],
            strengths=kept["strengths"],
            live=kept["live"],
            routed=kept["routed"],
            fitted=kept["fitted"],
        )

    def document(self) -> Document:
        """The context to be kept."""
        one = self.waiting
        return {
            "wins": self.wins,
            "waiting": None
            if one is None
            else [one.feedback_id, one.judgment_id, one.place, one.dog, one.outcome],
            "seen": self.seen,
            "strengths": self.strengths,
            "live": self.live,
            "routed": self.routed,
            "fitted": self.fitted,
        }

    def _count(self, votes: Sequence[Decided], times: int) -> None:
        self.routed += times * (len(votes) == 1)
        for vote in votes:
            seen = self.seen.get(vote.dog)
            if seen is None:
                seen = self.seen[vote.dog] = {"correct": 0, "incorrect": 0, "partial": 0}
            seen[vote.outcome] += times

    def _routed(self, vote: Decided) -> list[Match]:
        former, self.waiting = self.waiting, vote
        if former is None or former.dog == vote.dog:
            return []
        self.waiting = None
        return [] if former.outcome == vote.outcome else [_matched(former, vote)]


def _within(votes: Sequence[Decided]) -> list[Match]:
    right = sorted((v for v in votes if v.outcome == "correct"), key=lambda one: one.dog)
    wrong = sorted((v for v in votes if v.outcome == "incorrect"), key=lambda one: one.dog)
    if not right or not wrong:
        return []
    first, second = votes[0].place % len(right), votes[0].place // len(right) % len(wrong)
    pairs = zip(
        right[first:] + right[:first], wrong[second:] + wrong[:second], strict=False
    )  # as many as the fewer side has
    return [Match(chosen=one, rejected=other) for one, other in pairs]


def _matched(one: Decided, other: Decided) -> Match:
    if RANKS[one.outcome] > RANKS[other.outcome]:
        return Match(chosen=one, rejected=other)
    return Match(chosen=other, rejected=one)


def _decided(row: Sequence[object]) -> Decided:
    feedback_id, judgment_id, place, dog, outcome = row
    return Decided(
        feedback_id=cast("str", feedback_id),
        judgment_id=cast("str", judgment_id),
        place=cast("int", place),
        dog=cast("str", dog),
        outcome=cast("Outcome", outcome),
    )
