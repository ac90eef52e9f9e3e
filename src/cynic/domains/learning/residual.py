"""What the judged dimensions cannot explain: the residual of a judgment, and the new dimensions it hints at.

The residual is the distance between the score that feedback gave and the score predicted from the judged dimensions, under
weights learned from older feedback. The stored Q will not do as a prediction's opponent: it is a mean of the very same
dimensions, so the two can hardly differ. Feedback is independent of them, and what no weighting of the dimensions explains
is what a further dimension could.

It is 0.618 · min(1, |actual - predicted| / 50), in [0, 0.618]: 50 points, half the scale, is the most. It is an anomaly above
0.382, that is from 31 points on. The widest band of a passing verdict is 30 points (WAG, 50 to 80), so that such a judgment
carried the wrong word, whatever it was above GROWL. Within the contract's bounds the threshold is reached by any judgment that
feedback turned around.

The prediction is ridge regression (Hoerl & Kennard 1970) on the mean of the judged dimensions and each one's distance from
it, drawn to the plain mean: with little feedback it is that mean, and a dimension that was not judged has no say.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cynic.domains.learning.bounds import PHI, PHI2, clamp, finite, within
from cynic.domains.learning.newton import solve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Severity = Literal["low", "medium", "high", "critical"]

POINTS_MAX: Final = 50.0
THRESHOLD: Final = PHI2
WEAK_BELOW: Final = 38.2
RIDGE: Final = 1.0
JUDGMENTS_MIN: Final = 30
JUDGMENTS_MAX: Final = 5000
"""Of more, the last ones given are fitted on."""
SAMPLES_MIN: Final = 3
SAMPLES_SURE: Final = 10
ANOMALIES_MAX: Final = 1000
CANDIDATES_MAX: Final = 100
DEFAULT_AXIOM: Final = "VERIFY"


class Judged(NamedTuple):
    """A judgment's dimensions, 0 to 100, and the score that feedback gave."""

    dimensions: Mapping[str, float]
    actual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """predicted = intercept + slope · mean + Σ weight · (dimension - mean), in points."""

    intercept: float
    slope: float
    weights: dict[str, float]
    judgments: int
    """How many it was fitted on."""

    def __call__(self, dimensions: Mapping[str, float]) -> float | None:
        """The score to expect, 0 to 100; None when no dimension was judged."""
        if not dimensions:
            return None
        mean = _mean(dimensions)
        apart = math.fsum(
            self.weights.get(name, 0.0) * (dimensions[name] - mean) for name in sorted(dimensions)
        )
        return clamp(self.intercept + self.slope * mean + apart, 0.0, 100.0)


PLAIN: Final = Predictor(intercept=0.0, slope=1.0, weights={}, judgments=0)
"""The mean of the judged dimensions: what is predicted before there is feedback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """A judgment that its dimensions do not explain."""

    source_id: str
    residual: float
    underscored: bool
    """Whether feedback scored it above what the dimensions foretell."""
    weak: frozenset[str]
    """The judged dimensions below 38.2."""

    @property
    def severity(self) -> Severity:
        """In thirds of the way from the threshold to 0.618, and critical there."""
        if self.residual >= PHI:
            return "critical"
        step = 3 * (self.residual - THRESHOLD) / (PHI - THRESHOLD)
        return "low" if step < 1 else "medium" if step < 2 else "high"  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A dimension that might be missing: anomalies on one side that share their weak dimensions."""

    name: str
    axiom: str
    weak: tuple[str, ...]
    underscored: bool
    samples: int
    confidence: float
    """0.618 · min(1, samples / 10)."""
    score: float
    """The mean residual, at most 0.618."""
    sources: tuple[str, ...]


def fit_predictor(judgments: Sequence[Judged], *, ridge: float = RIDGE) -> Predictor | None:
    """Learn the weights; None with fewer than 30 judgments that feedback scored. Fit on older feedback than is judged."""
    rows = [_checked(one) for one in judgments if one.dimensions][-JUDGMENTS_MAX:]
    if len(rows) < JUDGMENTS_MIN:
        return None
    names = sorted({name for row in rows for name in row.dimensions})
    at = {name: place for place, name in enumerate(names, start=2)}
    size = len(names) + 2
    # The unknowns are what differs from the plain mean: slope - 1, the intercept in hundreds, the weights.
    matrix = [[0.0] * size for _ in range(size)]
    vector = [0.0] * size
    for row in sorted(rows, key=lambda one: (one.actual, sorted(one.dimensions.items()))):
        mean = _mean(row.dimensions) / 100
        known = {at[name]: row.dimensions[name] / 100 - mean for name in sorted(row.dimensions)}
        features = {0: 1.0, 1: mean, **known}
        missed = row.actual / 100 - mean
        for i, x in features.items():
            vector[i] += x * missed
            line = matrix[i]
            for j, y in features.items():
                line[j] += x * y
    for place in range(size):
        matrix[place][place] += within(ridge, math.ulp(0.0), math.inf, "the ridge")
    found = solve(matrix, vector)
    return Predictor(
        intercept=100 * found[0],
        slope=1 + found[1],
        weights={name: found[at[name]] for name in names},
        judgments=len(rows),
    )


def residual_of(predicted: float, actual: float) -> float:
    """0.618 · min(1, |actual - predicted| / 50)."""
    distance = abs(_points(actual, "an actual score") - _points(predicted, "a predicted score"))
    return PHI * min(1.0, distance / POINTS_MAX)


def anomaly_of(source_id: str, judged: Judged, predictor: Predictor = PLAIN) -> Anomaly | None:
    """The anomaly in a judgment; None when its dimensions explain it, or none was judged."""
    _checked(judged)
    predicted = predictor(judged.dimensions)
    if predicted is None or (residual := residual_of(predicted, judged.actual)) <= THRESHOLD:
        return None
    return Anomaly(
        source_id=source_id,
        residual=residual,
        underscored=judged.actual > predicted,
        weak=weak_dimensions(judged.dimensions),
    )


def weak_dimensions(dimensions: Mapping[str, float]) -> frozenset[str]:
    """The judged dimensions below 38.2."""
    return frozenset(name for name, score in dimensions.items() if score < WEAK_BELOW)


def candidates(anomalies: Iterable[Anomaly], axiom_of: Mapping[str, str]) -> list[Candidate]:
    """Clusters of at least 3 anomalies with the same weak dimensions and side, the largest first; at most 100.

    One judgment counts once in a cluster, and of many anomalies the 1000 with the largest residuals are looked at.
    """
    looked = sorted(anomalies, key=lambda one: (-one.residual, one.source_id))[:ANOMALIES_MAX]
    clusters: dict[tuple[tuple[str, ...], bool], dict[str, Anomaly]] = {}
    for one in looked:
        key = (tuple(sorted(one.weak)), one.underscored)
        clusters.setdefault(key, {}).setdefault(one.source_id, one)
    found = [
        candidate_of(weak, list(cluster.values()), axiom_of, underscored=underscored)
        for (weak, underscored), cluster in clusters.items()
        if len(cluster) >= SAMPLES_MIN
    ]
    return sorted(found, key=lambda one: (-one.samples, -one.score, one.name))[:CANDIDATES_MAX]


def cluster_name(weak: Iterable[str], *, underscored: bool) -> str:
    """The name of what such anomalies have in common, until it is given one of its own."""
    side = "under" if underscored else "over"
    digest = hashlib.sha256("\x1f".join((side, *sorted(weak))).encode()).hexdigest()[:8]
    return f"UNNAMED_{digest.upper()}"


def candidate_of(
    weak: tuple[str, ...],
    cluster: Sequence[Anomaly],
    axiom_of: Mapping[str, str],
    *,
    underscored: bool,
) -> Candidate:
    """What a cluster of anomalies proposes; one anomaly for each judgment."""
    axioms = Counter(axiom_of[name] for name in weak if name in axiom_of)
    axiom = min(axioms, key=lambda name: (-axioms[name], name), default=DEFAULT_AXIOM)
    return Candidate(
        name=cluster_name(weak, underscored=underscored),
        axiom=axiom,
        weak=weak,
        underscored=underscored,
        samples=len(cluster),
        confidence=PHI * min(1.0, len(cluster) / SAMPLES_SURE),
        score=min(PHI, math.fsum(one.residual for one in cluster) / len(cluster)),
        sources=tuple(sorted(one.source_id for one in cluster)),
    )


def _checked(judged: Judged) -> Judged:
    _points(judged.actual, "an actual score")
    for name, score in judged.dimensions.items():
        _points(score, name)
    return judged


def _points(value: float, what: str) -> float:
    return within(finite(value, what), 0.0, 100.0, what)


def _mean(dimensions: Mapping[str, float]) -> float:
    return math.fsum(dimensions.values()) / len(dimensions)
