"""Residual detection: judgments that their dimensions do not explain, and the dimensions that they hint at.

Only answers with an `actual_score` on judgments with dimensions count: an outcome alone says on which side a score should
have been, not where. What was learned up to the former cycle predicts; then this cycle's answers are learned. A judgment
is an anomaly by the last answer that shows it one. Where that answer is taken back, its row goes, its `anomalies` row is
resolved, and its cluster has it no longer.

A cluster holds its newest 100 judgments, and the 100 clusters that were added to last are kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple, Self, cast

from cynic.db import sqlfile
from cynic.domains.core.dimensions import AXIOM_OF
from cynic.domains.learning.residual import (
    CANDIDATES_MAX,
    SAMPLES_MIN,
    Anomaly,
    Candidate,
    Judged,
    Predictor,
    anomaly_of,
    candidate_of,
    cluster_name,
    weak_dimensions,
)
from cynic.domains.learning.residual_fit import Fit, Sample
from cynic.flows.edge import to_json
from cynic.flows.learning import seen, state
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "residual"
SOURCES_MAX: Final = 100
SETTLED_BELOW: Final = 0.02
"""A weight that moved by less in a cycle has come to rest."""
SOURCES_SHOWN_MAX: Final = 10
SERIOUS: Final = frozenset({"high", "critical"})

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("residual.sql")))


class Source(NamedTuple):
    """An anomaly as its cluster keeps it."""

    judgment_id: str
    feedback_id: str
    residual: float
    place: int


@dataclass(slots=True, kw_only=True)
class Cluster:
    """Anomalies on one side that share their weak dimensions."""

    weak: tuple[str, ...]
    underscored: bool
    sources: list[Source] = field(default_factory=list[Source])
    added: int = 0
    """In this cycle."""

    @classmethod
    def read(cls, weights: Mapping[str, object]) -> Self:
        """The cluster as it is stored."""
        return cls(
            weak=tuple(cast("Sequence[str]", weights["weak"])),
            underscored=bool(weights["underscored"]),
            sources=[
                Source(*cast("tuple[str, str, float, int]", one))
                for one in cast("Sequence[Sequence[object]]", weights["sources"])
            ],
        )

    @property
    def name(self) -> str:
        """The name of the candidate that it is, or will be."""
        return cluster_name(self.weak, underscored=self.underscored)

    def candidate(self) -> Candidate | None:
        """What it proposes; None while its judgments are too few."""
        if len(self.sources) < SAMPLES_MIN:
            return None
        anomalies = [
            Anomaly(
                source_id=one.judgment_id,
                residual=one.residual,
                underscored=self.underscored,
                weak=frozenset(self.weak),
            )
            for one in self.sources
        ]
        return candidate_of(self.weak, anomalies, AXIOM_OF, underscored=self.underscored)

    def row(self) -> dict[str, object]:
        """The cluster to be stored."""
        weights = {
            "weak": self.weak,
            "underscored": self.underscored,
            "sources": [list(one) for one in self.sources],
            "last": max((one.place for one in self.sources), default=0),
        }
        return {"loop": LOOP, "state": self.name, "answers": self.added, "weights": weights}


class Found(NamedTuple):
    """An anomaly, with the answer that shows it and the score that was foretold."""

    anomaly: Anomaly
    answer: Answered
    predicted: float


def turn(cycle: Cycle) -> Turn:
    """Judge this cycle's answers by what older ones taught, then learn from them."""
    kept = cycle.kept(LOOP) or {}
    fit = Fit.read(cast("Mapping[str, object]", kept["fit"])) if kept else Fit()
    former = cast("Mapping[str, float]", kept.get("weights", {}))
    scored = [one for one in cycle.answers if _counts(one)]
    gone = [one for one in seen.taken_back_once(cycle, LOOP) if _counts(one)]
    before = {"samples": fit.judgments}
    if not scored and not gone:
        return Turn(before=before, after=before)
    predictor = fit.predictor()
    found = [] if predictor is None else _anomalies(scored, predictor)
    _keep_anomalies(cycle, found, gone)
    fit.advance(cycle.until)
    fit.fold([_sample(one) for one in gone], -1)
    fit.fold([_sample(one) for one in scored])
    weights = {} if predictor is None else predictor.weights
    cycle.keep(LOOP, {"fit": fit.document(), "weights": weights}, answers=len(scored))
    moved = {name: weights[name] - former.get(name, 0.0) for name in sorted(weights)}
    return Turn(
        weight_deltas=[delta for delta in moved.values() if delta],
        before=before,
        after={"samples": fit.judgments},
        parts=Parts(
            outcomes=dict(zip(fit.names, fit.counts, strict=True)),
            cells=max(len(AXIOM_OF), len(fit.names)),
            # A weight that nothing was known of before has not moved.
            converged={
                name: abs(delta) < SETTLED_BELOW for name, delta in moved.items() if name in former
            }
            or None,
            hits=_hits(seen.first_answers(cycle), found) if predictor is not None else (),
        ),
    )


def _counts(one: Answered) -> bool:
    return bool(one.dimensions) and one.actual_score is not None


def _sample(one: Answered) -> Sample:
    return Sample(one.place, _judged(one))


def _judged(one: Answered) -> Judged:
    return Judged(one.dimensions, cast("float", one.actual_score))


def _anomalies(scored: Iterable[Answered], predictor: Predictor) -> list[Found]:
    found: list[Found] = []
    for one in scored:
        anomaly = anomaly_of(one.judgment_id, _judged(one), predictor)
        if anomaly is not None:
            found.append(Found(anomaly, one, predictor(one.dimensions) or 0.0))
    return found


def _hits(answers: Sequence[Answered], found: Sequence[Found]) -> list[bool]:
    missed = {one.answer.place for one in found}
    return [one.place not in missed for one in answers if _counts(one)]


def _keep_anomalies(cycle: Cycle, found: Sequence[Found], gone: Sequence[Answered]) -> None:
    """Bring clusters, anomalies and candidates up to date with what this cycle shows and takes back."""
    if not found and not gone:
        return
    clusters = _clusters(cycle, found, gone)
    withdrawn = _taken_out(clusters, gone)
    for one in found:
        _add(clusters, one)
    if withdrawn:
        _withdraw(cycle, withdrawn, found)
    if found:
        _write_anomalies(cycle, found)
    state.save_loops(cycle.conn, [one.row() for _, one in sorted(clusters.items())], cycle.now)
    _propose(cycle, clusters)


def _clusters(cycle: Cycle, found: Iterable[Found], gone: Iterable[Answered]) -> dict[str, Cluster]:
    """The clusters, on both sides, of the judgments concerned; new ones only where something is found."""
    weak = {tuple(sorted(one.anomaly.weak)) for one in found}
    lost = {tuple(sorted(weak_dimensions(one.dimensions))) for one in gone}
    names = sorted(
        cluster_name(one, underscored=side) for one in weak | lost for side in (False, True)
    )
    rows = cycle.conn.execute(_SQL["clusters"], {"names": names})
    return {name: Cluster.read(weights) for name, weights in rows}


def _taken_out(clusters: Mapping[str, Cluster], gone: Iterable[Answered]) -> set[str]:
    """Take the anomalies of answers that count no longer out of their clusters; the judgments concerned."""
    ids = {str(one.feedback_id) for one in gone}
    withdrawn: set[str] = set()
    for cluster in clusters.values():
        withdrawn |= {one.judgment_id for one in cluster.sources if one.feedback_id in ids}
        cluster.sources = [one for one in cluster.sources if one.feedback_id not in ids]
    return withdrawn


def _withdraw(cycle: Cycle, withdrawn: set[str], found: Sequence[Found]) -> None:
    """Anomalies go whose answer was taken back, unless another answer shows them."""
    shown = {one.answer.judgment_id for one in found}
    serious = {one.answer.judgment_id for one in found if one.anomaly.severity in SERIOUS}
    rows = {
        "ids": sorted(withdrawn - shown),
        "anomaly_ids": sorted(map(_anomaly_id, withdrawn - serious)),
    }
    cycle.conn.execute(_SQL["withdraw"], rows)
    for judgment_id in rows["ids"]:
        cycle.log(LOOP, "withdrawn", judgment_id=judgment_id)


def _add(clusters: dict[str, Cluster], one: Found) -> None:
    weak = tuple(sorted(one.anomaly.weak))
    judgment_id = one.answer.judgment_id
    for side in (False, True):
        if (other := clusters.get(cluster_name(weak, underscored=side))) is not None:
            other.sources = [s for s in other.sources if s.judgment_id != judgment_id]
    name = cluster_name(weak, underscored=one.anomaly.underscored)
    cluster = clusters.setdefault(name, Cluster(weak=weak, underscored=one.anomaly.underscored))
    source = Source(
        judgment_id, str(one.answer.feedback_id), one.anomaly.residual, one.answer.place
    )
    cluster.sources = [*cluster.sources, source][-SOURCES_MAX:]
    cluster.added += 1


def _write_anomalies(cycle: Cycle, found: Sequence[Found]) -> None:
    # Of several answers on one judgment the last one speaks.
    rows: dict[str, dict[str, object]] = {}
    for one in found:
        anomaly = one.anomaly
        rows[anomaly.source_id] = {
            "place": one.answer.place,
            "judgment_id": anomaly.source_id,
            "anomaly_id": _anomaly_id(anomaly.source_id),
            "residual": anomaly.residual,
            "severity": anomaly.severity,
            "serious": anomaly.severity in SERIOUS,
            "description": _described(one),
        }
        cycle.log(
            LOOP,
            "anomaly",
            judgment_id=anomaly.source_id,
            action=anomaly.severity,
            feedbackId=str(one.answer.feedback_id),
            predicted=one.predicted,
            actual=one.answer.actual_score,
            residual=anomaly.residual,
            weak=sorted(anomaly.weak),
            candidate=cluster_name(anomaly.weak, underscored=anomaly.underscored),
        )
    cycle.conn.execute(_SQL["anomalies"], {"rows": to_json(list(rows.values())), "now": cycle.now})


def _propose(cycle: Cycle, clusters: Mapping[str, Cluster]) -> None:
    """Write the candidates of the clusters that changed, and drop what is beyond the bounds."""
    rows: list[dict[str, object]] = []
    for _, cluster in sorted(clusters.items()):
        candidate = cluster.candidate()
        if candidate is None:
            continue
        rows.append(
            {
                "name": candidate.name,
                "description": _hint(candidate, cluster),
                "score": candidate.score,
                "axiom": candidate.axiom,
            }
        )
    poor = sorted(set(clusters) - {cast("str", row["name"]) for row in rows})
    new = cycle.conn.execute(
        _SQL["candidates"], {"rows": to_json(rows), "poor": poor, "now": cycle.now}
    )
    for name, description in new.fetchall():
        sources = [one.judgment_id for one in clusters[name].sources]
        cycle.log(LOOP, "candidate", action=name, description=description, sources=sources)
    cycle.conn.execute(_SQL["bound"], {"clusters": CANDIDATES_MAX})


def _anomaly_id(judgment_id: str) -> str:
    return f"ano_{hashlib.sha256(judgment_id.encode()).hexdigest()[:24]}"


def _described(one: Found) -> str:
    actual = cast("float", one.answer.actual_score)
    side = "above" if actual > one.predicted else "below"
    return (
        f"Feedback gave judgment {one.answer.judgment_id} {actual:g} points, {abs(actual - one.predicted):.0f} {side} "
        f"the {one.predicted:.0f} that its dimensions foretell. {_weakness(one.anomaly.weak)}"
    )


def _hint(candidate: Candidate, cluster: Cluster) -> str:
    side = "above" if candidate.underscored else "below"
    newest = [one.judgment_id for one in cluster.sources[-SOURCES_SHOWN_MAX:]]
    more = candidate.samples - len(newest)
    return (
        f"Feedback scored {candidate.samples} judgments far {side} what their dimensions foretell. "
        f"{_weakness(candidate.weak)} They are {', '.join(newest)}{f' and {more} before' if more else ''}."
    )


def _weakness(weak: Iterable[str]) -> str:
    names = sorted(weak)
    return f"Weak dimensions: {', '.join(names)}." if names else "None of them is weak."
