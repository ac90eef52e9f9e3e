"""One weight for each voter, from feedback: P(label) = softmax over labels of Σ w_v · [v says the label].

Multinomial logistic regression with one shared feature a voter (McFadden 1974's conditional logit), by damped Newton. The
common weight is fitted first and each voter's own is drawn to it by a normal prior of precision `ridge`: a voter without
feedback weighs as the pack does, one that lies gets a negative weight. A Newton step costs the square of the votes on
an item and the cube of the voters: made for a pack, not for a crowd of thousands.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.newton import minimise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.crowd import Ballot

RIDGE: Final = 1.0
ANSWERS_MIN: Final = 20
VOTERS_MAX: Final = 200

_Item = tuple[dict[int, int], int, int]
"""voter → said, the true label, how many labels there are."""


def voter_weights(
    votes: Ballot, known: Mapping[str, str], *, ridge: float = RIDGE
) -> dict[str, float] | None:
    """The most probable weights; None with fewer than 20 known items. Items whose truth nobody voted for count too."""
    if not 0 < ridge < math.inf:
        raise InvalidDataError(f"the ridge is a positive number, not {ridge}")
    if len(votes.voters) > VOTERS_MAX:
        raise InvalidDataError(f"weights are learned for up to {VOTERS_MAX} voters")
    labels = {label: at for at, label in enumerate(sorted({*votes.labels, *known.values()}))}
    place = {voter: at for at, voter in enumerate(votes.voters)}
    items: list[_Item] = [
        (
            {place[voter]: labels[label] for voter, label in sorted(votes.votes[item].items())},
            labels[truth],
            len(labels),
        )
        for item, truth in sorted(known.items())
        if item in votes.votes
    ]
    if len(items) < ANSWERS_MIN:
        return None
    together = [(dict(said), truth, size) for said, truth, size in items]
    common = _common(together, len(place))
    fitted = _minimised(items, [common] * len(place), [common] * len(place), ridge)
    return dict(zip(votes.voters, fitted, strict=True))


def label_shares(votes: Ballot, weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """P(label) of every item under these weights; labels that nobody said about any item have none."""
    shares: dict[str, dict[str, float]] = {}
    for item, said in votes.votes.items():
        scores = dict.fromkeys(votes.labels, 0.0)
        for voter in sorted(said):
            scores[said[voter]] += weights.get(voter, 0.0)
        top = max(scores.values())
        powers = {label: math.exp(score - top) for label, score in scores.items()}
        total = sum(powers.values())
        shares[item] = {label: power / total for label, power in powers.items()}
    return shares


def labels_of(shares: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """The most probable label of each item; ties go to the first in sorted order."""
    return {item: min(row, key=lambda label: (-row[label], label)) for item, row in shares.items()}


def _common(items: Sequence[_Item], voters: int) -> float:
    """The one weight that fits everybody, found along the line on which all are equal."""

    def loss(point: list[float]) -> float:
        return _loss(items, point * voters) + point[0] ** 2 / 2

    def slopes(point: list[float]) -> tuple[list[float], list[list[float]]]:
        gradient, hessian = _slopes(items, point * voters)
        return [sum(gradient) + point[0]], [[math.fsum(map(sum, hessian)) + 1]]

    return minimise(loss, slopes, [1.0]).point[0]


def _minimised(
    items: Sequence[_Item], start: list[float], home: list[float], ridge: float
) -> list[float]:
    def loss(w: list[float]) -> float:
        return _loss(items, w) + ridge / 2 * sum((a - b) ** 2 for a, b in zip(w, home, strict=True))

    def slopes(w: list[float]) -> tuple[list[float], list[list[float]]]:
        gradient, hessian = _slopes(items, w)
        for place, (a, b) in enumerate(zip(w, home, strict=True)):
            gradient[place] += ridge * (a - b)
            hessian[place][place] += ridge
        return gradient, hessian

    return minimise(loss, slopes, start).point


def _probable(said: dict[int, int], size: int, w: Sequence[float]) -> list[float]:
    scores = [0.0] * size
    for voter, label in said.items():
        scores[label] += w[voter]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    total = sum(powers)
    return [power / total for power in powers]


def _loss(items: Sequence[_Item], w: Sequence[float]) -> float:
    return -math.fsum(
        math.log(max(_probable(said, size, w)[truth], math.ulp(0.0))) for said, truth, size in items
    )


def _slopes(items: Sequence[_Item], w: Sequence[float]) -> tuple[list[float], list[list[float]]]:
    gradient = [0.0] * len(w)
    hessian = [[0.0] * len(w) for _ in w]
    for said, truth, size in items:
        p = _probable(said, size, w)
        for voter, label in said.items():
            gradient[voter] += p[label] - (label == truth)
            row = hessian[voter]
            for other, heard in said.items():
                row[other] += (p[label] if label == heard else 0.0) - p[label] * p[heard]
    return gradient, hessian
