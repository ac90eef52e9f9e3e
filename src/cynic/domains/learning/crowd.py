"""From votes to one label: majority with its margin, the voters who agree with it weighted, and what to trust when.

A vote is (item, voter, label). An abstention is a missing vote, never a label. Two votes of one voter on one item are
refused: which of them counts is the caller's knowledge. Ties go to the first label in sorted order.

Majority and Wawa (each vote weighted by how often its voter agrees with the majority) are as in crowd-kit (Ustalov et al.
2024); Dawid-Skene is in `dawid_skene`, weights learned from feedback in `voter_weights`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.dawid_skene import Truth, bound_of, dawid_skene

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PSEUDO_VOTES: Final = 10.0
"""Each voter starts with these, cast as the pack votes: much for one with few votes of its own, little for one with many."""
HELD_MIN: Final = 20
"""With fewer answers of feedback, they neither accept nor refuse a model."""


class Vote(NamedTuple):
    """One voter's answer about one item; None abstains."""

    item: str
    voter: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Ballot:
    """Votes by item and voter, without abstentions; built by `ballot`."""

    votes: dict[str, dict[str, str]]
    labels: list[str]
    voters: list[str]


class Majority(NamedTuple):
    """The votes of one item, counted."""

    label: str
    shares: dict[str, float]
    margin: float
    """The share of the first less that of the second; 0 is a tie."""
    voters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One label for each item, by the rule that spoke, and why that one."""

    labels: dict[str, str]
    rule: Literal["majority", "dawid-skene"]
    reason: str
    truth: Truth | None
    """The model, when it was accepted."""


def ballot(votes: Iterable[Vote]) -> Ballot:
    """Gather votes; an item on which everybody abstained is not there."""
    gathered: dict[str, dict[str, str]] = {}
    labels: set[str] = set()
    voters: set[str] = set()
    for item, voter, label in votes:
        if label is None:
            continue
        if voter in (said := gathered.setdefault(item, {})):
            raise InvalidDataError(f"{voter} votes twice on {item}")
        said[voter] = label
        labels.add(label)
        voters.add(voter)
    return Ballot(gathered, sorted(labels), sorted(voters))


def majority(votes: Ballot) -> dict[str, Majority]:
    """Each item's votes, counted; every voter counts the same."""
    return weighted_majority(votes, dict.fromkeys(votes.voters, 1.0))


def weighted_majority(votes: Ballot, weights: Mapping[str, float]) -> dict[str, Majority]:
    """The same with a weight for each voter; one below 0 counts as 0, and where no weight is left all count the same."""
    return {item: _counted(votes, said, weights) for item, said in votes.votes.items()}


def agreement(votes: Ballot) -> dict[str, float]:
    """How often each voter says what the majority says: its weight in Wawa."""
    together = {item: found.label for item, found in majority(votes).items()}
    right = dict.fromkeys(votes.voters, 0)
    total = dict.fromkeys(votes.voters, 0)
    for item, said in votes.votes.items():
        for voter, label in said.items():
            right[voter] += label == together[item]
            total[voter] += 1
    return {voter: right[voter] / total[voter] for voter in votes.voters}


def accuracy(labels: Mapping[str, str], known: Mapping[str, str]) -> float | None:
    """The share of known items labelled so; None when none of them is labelled."""
    both = [labels[item] == truth for item, truth in known.items() if item in labels]
    return sum(both) / len(both) if both else None


def decide(votes: Ballot, held: Mapping[str, str] | None = None) -> Decision:
    """Dawid-Skene where it earns it, else the majority.

    It must explain the votes better than the majority's labels do under the same model, and, when feedback knows at least
    20 of the items, be right on those at least as often.
    """
    plain = {item: found.label for item, found in majority(votes).items()}
    truth = dawid_skene(votes, pseudo_votes=PSEUDO_VOTES)
    if truth is None:
        return Decision(labels=plain, rule="majority", reason="no votes", truth=None)
    reason = _refused(votes, plain, truth, held or {})
    if reason is not None:
        return Decision(labels=plain, rule="majority", reason=reason, truth=None)
    return Decision(
        labels=truth.labels, rule="dawid-skene", reason="explains the votes better", truth=truth
    )


def _refused(
    votes: Ballot, plain: dict[str, str], truth: Truth, held: Mapping[str, str]
) -> str | None:
    base = bound_of(votes, plain, pseudo_votes=PSEUDO_VOTES)
    if base is None or truth.bound <= base:
        return "the majority explains the votes as well"
    known = {item: label for item, label in held.items() if item in plain}
    if len(known) < HELD_MIN:
        return None
    theirs, ours = accuracy(truth.labels, known), accuracy(plain, known)
    if theirs is not None and ours is not None and theirs < ours:
        return f"right on {theirs:.3f} of {len(known)} known items, the majority on {ours:.3f}"
    return None


def _counted(votes: Ballot, said: Mapping[str, str], weights: Mapping[str, float]) -> Majority:
    counting = {voter: max(0.0, weights.get(voter, 0.0)) for voter in said}
    if not any(counting.values()):
        counting = dict.fromkeys(said, 1.0)
    sums = dict.fromkeys(votes.labels, 0.0)
    for voter in sorted(said):
        sums[said[voter]] += counting[voter]
    total = sum(sums.values())
    shares = {label: value / total for label, value in sums.items()}
    first, *others = sorted(shares, key=lambda label: (-shares[label], label))
    margin = shares[first] - (shares[others[0]] if others else 0.0)
    return Majority(first, shares, margin, len(said))
