"""What the truth probably was, from voters whose habits are learned with it: Dawid & Skene 1979, by EM.

The labels of the items are hidden; each voter has a confusion matrix P(says | true), or in the one-coin form a single
skill, the errors spread evenly. EM starts from the shares of the votes and runs E, prior, M in turn, in logarithms, with
counts not below 1e-10, at most 100 times.

It stops as crowd-kit does (Ustalov et al. 2024): when the lower bound, with the prior counted once for each vote, gains less
than 1e-5 a vote. That is before the model has made itself certain, and does better on public votes than going to the end.

A voter with few votes is drawn towards the pack: `pseudo_votes` are added to its counts, distributed as the whole pack votes
(the pooled confusion matrix). Without them a dog of five votes is taken for a perfect one. The one-coin form ignores them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cynic.domains.learning.crowd import Ballot

ROUNDS_MAX: Final = 100
GAIN_MIN: Final = 1e-5
FLOOR: Final = 1e-10
Rows = list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The fitted model."""

    labels: dict[str, str]
    """The most probable label of each item; ties go to the first in sorted order."""
    posterior: dict[str, dict[str, float]]
    """item → label → probability. Over-confident: votes are not as independent as the model holds them."""
    prior: dict[str, float]
    confusion: dict[str, dict[str, dict[str, float]]]
    """voter → said → true → P(said | true), of the labels that the voter used (of all with pseudo-votes)."""
    skills: dict[str, float]
    """P(a vote is right), by the posterior."""
    bound: float
    """The evidence lower bound of all votes, in nats."""
    rounds: int


@dataclass(slots=True)
class _Votes:
    """Votes as numbers: an item holds the rows (voter · labels + said) of its votes."""

    items: list[str]
    voters: list[str]
    labels: list[str]
    rows: list[list[int]]

    @property
    def count(self) -> int:
        return sum(map(len, self.rows))


def dawid_skene(
    ballot: Ballot, *, one_coin: bool = False, pseudo_votes: float = 0.0, rounds: int | None = None
) -> Truth | None:
    """Fit until the bound stands still, or for exactly `rounds`; None without votes."""
    if not 0 <= pseudo_votes < math.inf:
        raise InvalidDataError(f"pseudo-votes are at least 0, not {pseudo_votes}")
    votes = _numbered(ballot)
    if not votes.items:
        return None
    posterior = _shares(votes)
    prior = _prior(posterior)
    errors = _errors(votes, posterior, one_coin=one_coin, pseudo_votes=pseudo_votes)
    last, done = -math.inf, 0
    while done < (ROUNDS_MAX if rounds is None else rounds):
        posterior = _expected(votes, prior, errors)
        prior = _prior(posterior)
        errors = _errors(votes, posterior, one_coin=one_coin, pseudo_votes=pseudo_votes)
        done += 1
        score = _bound(votes, posterior, prior, errors, prior_each_vote=True)
        if rounds is None and score - last < GAIN_MIN * votes.count:
            break
        last = score
    bound = _bound(votes, posterior, prior, errors)
    return _named(votes, posterior, prior, errors, bound, done)


def bound_of(
    ballot: Ballot, labels: dict[str, str], *, one_coin: bool = False, pseudo_votes: float = 0.0
) -> float | None:
    """The evidence lower bound of the same model when these labels are held to be true; None without votes."""
    votes = _numbered(ballot)
    if not votes.items:
        return None
    certain = [[float(label == labels[item]) for label in votes.labels] for item in votes.items]
    errors = _errors(votes, certain, one_coin=one_coin, pseudo_votes=pseudo_votes)
    return _bound(votes, certain, _prior(certain), errors)


def _numbered(ballot: Ballot) -> _Votes:
    labels, voters = ballot.labels, ballot.voters
    said = {label: place for place, label in enumerate(labels)}
    by = {voter: place * len(labels) for place, voter in enumerate(voters)}
    items = sorted(ballot.votes)
    rows = [
        [by[voter] + said[label] for voter, label in sorted(ballot.votes[item].items())]
        for item in items
    ]
    return _Votes(items, voters, labels, rows)


def _shares(votes: _Votes) -> Rows:
    size = len(votes.labels)
    shares: Rows = []
    for rows in votes.rows:
        counts = [0.0] * size
        for row in rows:
            counts[row % size] += 1
        shares.append([count / len(rows) for count in counts])
    return shares


def _prior(posterior: Rows) -> list[float]:
    return [max(math.fsum(k) / len(posterior), FLOOR) for k in zip(*posterior, strict=True)]


def _expected(votes: _Votes, prior: Sequence[float], errors: Rows) -> Rows:
    """The E-step: posterior of each item's label."""
    logs = [[math.log(p) for p in row] for row in errors]
    start = [math.log(p) for p in prior]
    found: Rows = []
    for rows in votes.rows:
        scores = list(map(sum, zip(start, *(logs[row] for row in rows), strict=True)))
        top = max(scores)
        powers = [math.exp(score - top) for score in scores]
        total = sum(powers)
        found.append([power / total for power in powers])
    return found


def _errors(votes: _Votes, posterior: Rows, *, one_coin: bool, pseudo_votes: float) -> Rows:
    """The M-step: P(said | true) in rows (voter, said)."""
    size = len(votes.labels)
    if one_coin:
        return [
            [
                min(1 - FLOOR, max(FLOOR, skill if k == said else (1 - skill) / max(1, size - 1)))
                for k in range(size)
            ]
            for skill in _skills(votes, posterior)
            for said in range(size)
        ]
    counts = [[0.0] * size for _ in range(len(votes.voters) * size)]
    used = [False] * len(counts)
    for rows, probable in zip(votes.rows, posterior, strict=True):
        for row in rows:
            used[row] = True
            counts[row] = [a + b for a, b in zip(counts[row], probable, strict=True)]
    pooled = _pooled(counts, size) if pseudo_votes else []
    for place, row in enumerate(counts):
        if pseudo_votes:
            row[:] = [a + pseudo_votes * b for a, b in zip(row, pooled[place % size], strict=True)]
        row[:] = [max(count, FLOOR) for count in row] if used[place] or pseudo_votes else row
    for start in range(0, len(counts), size):
        totals = list(map(sum, zip(*counts[start : start + size], strict=True)))
        for row in counts[start : start + size]:
            row[:] = [max(a / b, FLOOR**2) for a, b in zip(row, totals, strict=True)]
    return counts


def _pooled(counts: Rows, size: int) -> Rows:
    """The confusion matrix of the pack as one voter."""
    pooled = [
        [math.fsum(row[k] for row in counts[said::size]) for k in range(size)]
        for said in range(size)
    ]
    totals = [max(sum(column), FLOOR) for column in zip(*pooled, strict=True)]
    return [[a / b for a, b in zip(row, totals, strict=True)] for row in pooled]


def _skills(votes: _Votes, posterior: Rows) -> list[float]:
    size = len(votes.labels)
    right, count = [0.0] * len(votes.voters), [0] * len(votes.voters)
    for rows, probable in zip(votes.rows, posterior, strict=True):
        for row in rows:
            right[row // size] += probable[row % size]
            count[row // size] += 1
    return [r / c for r, c in zip(right, count, strict=True)]


def _bound(
    votes: _Votes,
    posterior: Rows,
    prior: Sequence[float],
    errors: Rows,
    *,
    prior_each_vote: bool = False,
) -> float:
    """Σ q · (ln prior + Σ ln P(said | true) - ln q) over items; or with ln prior once for each vote."""
    logs = [[math.log(p) for p in row] for row in errors]
    start = [math.log(p) for p in prior]
    total = 0.0
    for rows, probable in zip(votes.rows, posterior, strict=True):
        times = len(rows) if prior_each_vote else 1
        sums = map(sum, zip(*(logs[row] for row in rows), strict=True))
        total += sum(
            q * (times * first + said - math.log(max(q, FLOOR)))
            for q, first, said in zip(probable, start, sums, strict=True)
        )
    return total


def _named(
    votes: _Votes, posterior: Rows, prior: list[float], errors: Rows, bound: float, rounds: int
) -> Truth:
    size = len(votes.labels)
    seen = {row for rows in votes.rows for row in rows}
    confusion: dict[str, dict[str, dict[str, float]]] = {}
    for place, voter in enumerate(votes.voters):
        said = {
            label: dict(zip(votes.labels, errors[place * size + k], strict=True))
            for k, label in enumerate(votes.labels)
            if place * size + k in seen
        }
        confusion[voter] = said
    shown = {
        item: {label: max(p, FLOOR) for label, p in zip(votes.labels, row, strict=True)}
        for item, row in zip(votes.items, posterior, strict=True)
    }
    return Truth(
        labels={item: max(row.items(), key=itemgetter(1))[0] for item, row in shown.items()},
        posterior=shown,
        prior=dict(zip(votes.labels, prior, strict=True)),
        confusion=confusion,
        skills=dict(zip(votes.voters, _skills(votes, posterior), strict=True)),
        bound=bound,
        rounds=rounds,
    )
