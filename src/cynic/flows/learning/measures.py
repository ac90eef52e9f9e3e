"""What each cycle measures: how mature each loop is, how well judgments did, and how their numbers are spread.

A loop foretells an answer with what it knew after the former cycle: the dogs by their weights, Thompson by the best arm
among the voters, calibration by the likelier outcome of the kind, the others as they say themselves (`Turn.parts`).
Q-learning, whose table is not read here, is measured by how often judgments are right. A mind is foretold once, when it is
made up: an answer in whose place another one comes says nothing new of what was known. Where a part of a loop's maturity
cannot be said, no row is written; nothing is made up for it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.phi import PHI_BOUND
from cynic.db import sqlfile
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning import calibration, maturity, td_tracking
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.calibration import Scored
from cynic.domains.learning.maturity import Maturity
from cynic.domains.learning.recovery import Recovery
from cynic.domains.learning.thompson import Arm
from cynic.flows.edge import to_json
from cynic.flows.learning import seen
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.flows.learning.cycle import Answered, Cycle

KEPT_AS: Final = "measures"
STATES_MAX: Final = 55
"""Contexts and kinds that are measured: those with the most answers in the cycle."""
SETTLED_BELOW: Final = 0.02
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("measures.sql")))
_Weights = dict[str, dict[str, float]]
"""State → dog, or side → what is expected of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the loops that move with every answer know: expectations, and the outcomes behind them."""

    dogs: _Weights
    arms: _Weights
    kinds: _Weights
    outcomes: Mapping[str, Mapping[str, int]]
    """Loop → cell → outcomes."""


def turn(cycle: Cycle, turns: Mapping[str, Turn]) -> Turn:
    """Measure; `turns` are those of the loops in this cycle."""
    kept = cycle.kept(KEPT_AS) or {}
    said = {name: turn.parts for name, turn in turns.items() if turn.parts is not None}
    parts, known = _per_answer(cycle, kept) if cycle.answers else ({}, {})
    parts |= said
    recoveries = _recoveries(kept, {name: part.hits for name, part in parts.items()})
    rows = [
        row
        for name, part in sorted(parts.items())
        if (row := _row(name, part, recoveries.get(name))) is not None
    ]
    if rows:
        cycle.conn.execute(_SQL["mature"], {"maturity": to_json(rows), "now": cycle.now})
    kept_recoveries = {name: one.document() for name, one in sorted(recoveries.items())}
    weights = {**kept, **known, "recoveries": kept_recoveries}
    cycle.keep(KEPT_AS, weights, answers=len(cycle.answers))
    if not cycle.answers:
        return Turn()
    metrics = _metrics(cycle.answers)
    _write(cycle, metrics)
    return Turn(after=metrics)


def _per_answer(
    cycle: Cycle, kept: Mapping[str, object]
) -> tuple[dict[str, Parts], dict[str, object]]:
    """The parts of the loops that move with every answer, and what is kept of them for the next cycle."""
    dogs, arms, kinds = (cast("_Weights", kept.get(name, {})) for name in ("dogs", "arms", "kinds"))
    known = _known(cycle)
    answers = seen.first_answers(cycle)
    parts = {
        "dog-votes": _parts(
            known, "dog-votes", (known.dogs, dogs), len(DOGS), _weighed(answers, dogs)
        ),
        "thompson": _parts(
            known,
            "thompson",
            (known.arms, arms),
            len(DOGS) * len(known.arms),
            _best_arms(answers, arms),
        ),
        "calibration": _parts(
            known,
            "calibration",
            (known.kinds, kinds),
            2 * len(known.kinds),
            _likelier(answers, kinds),
        ),
        "q-learning": _q_parts(cycle, known, _rights(answers)),
    }
    return parts, {"dogs": known.dogs, "arms": known.arms, "kinds": known.kinds}


def _known(cycle: Cycle) -> Known:
    """What the loops know of what this cycle was about."""
    contexts = Counter(one.context or "general" for one in cycle.answers)
    kinds = Counter(one.kind for one in cycle.answers)
    states = {"contexts": _most(contexts), "kinds": _most(kinds)}
    dogs: _Weights = {}
    arms: _Weights = {}
    sides: _Weights = {}
    outcomes: dict[str, dict[str, int]] = {"thompson": {}, "dog-votes": {}, "calibration": {}}
    for loop, name, weights in cycle.conn.execute(_SQL["known"], states):
        into = {"thompson": arms, "dog-votes": dogs, "calibration": sides}[loop].setdefault(
            name, {}
        )
        for cell, counts in sorted(weights.items()):
            if loop == "thompson":
                arm = Arm(**counts)
                into[cell] = arm.alpha / (arm.alpha + arm.beta)
                outcomes[loop][f"{name} {cell}"] = math.floor(arm.pulls)
            else:
                tally = Tally(**counts)
                into[cell] = tally.mean
                outcomes[loop][f"{name} {cell}"] = tally.answers
    return Known(dogs=dogs, arms=arms, kinds=sides, outcomes=outcomes)


def _most(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[:STATES_MAX]


def _parts(
    known: Known, loop: str, moved_from: tuple[_Weights, _Weights], cells: int, hits: Sequence[bool]
) -> Parts:
    """Coverage, and what moved since the former cycle; a cell of which nothing was known then is left out."""
    now, former = moved_from
    moved = {
        f"{state} {cell}": abs(mean - former[state][cell]) < SETTLED_BELOW
        for state, means in sorted(now.items())
        for cell, mean in sorted(means.items())
        if cell in former.get(state, {})
    }
    return Parts(outcomes=known.outcomes[loop], cells=cells, converged=moved or None, hits=hits)


def _q_parts(cycle: Cycle, known: Known, hits: Sequence[bool]) -> Parts:
    """Its cells are counted with Thompson's; converged says the window of TD errors."""
    window = [
        cast("float", row[0])
        for row in cycle.conn.execute(_SQL["td_errors"], {"limit": td_tracking.UPDATES_MIN})
    ]
    converged = td_tracking.summary(window).converged
    return Parts(
        outcomes=known.outcomes["thompson"],
        cells=len(DOGS) * len(known.arms),
        converged=None if converged is None else {"all": converged},
        hits=hits,
    )


def _rights(answers: Sequence[Answered]) -> list[bool]:
    return [one.outcome == "correct" for one in answers if one.outcome != "partial"]


def _weighed(answers: Sequence[Answered], former: _Weights) -> list[bool]:
    """Whether the side that the dogs' weights speak for was right; a draw foretells nothing."""
    weights = former.get("default")
    if not weights:
        return []
    hits: list[bool] = []
    for one in answers:
        balance = math.fsum(weights.get(dog, 0.5) * (1 if side else -1) for dog, side in one.votes)
        if balance and one.right_side is not None:
            hits.append((balance > 0) == one.right_side)
    return hits


def _best_arms(answers: Sequence[Answered], former: _Weights) -> list[bool]:
    """Whether the voter with the best arm was right; the first by name of several."""
    hits: list[bool] = []
    for one in answers:
        arms = former.get(one.context or "general", {})
        voted = {dog: side for dog, side in one.votes if dog in arms}
        if voted and one.right_side is not None:
            best = min(voted, key=lambda dog: (-arms[dog], dog))
            hits.append(voted[best] == one.right_side)
    return hits


def _likelier(answers: Sequence[Answered], former: _Weights) -> list[bool]:
    """Whether the likelier outcome of the judgment's kind and side came true."""
    hits: list[bool] = []
    for one in answers:
        p = former.get(one.kind, {}).get("pass" if one.passed else "fail")
        if p is not None and one.outcome != "partial":
            hits.append((p >= 0.5) == (one.outcome == "correct"))  # noqa: PLR2004  # a half
    return hits


def _recoveries(
    kept: Mapping[str, object], hits: Mapping[str, Sequence[bool]]
) -> dict[str, Recovery]:
    stored = cast("Mapping[str, Mapping[str, object]]", kept.get("recoveries", {}))
    found = {name: Recovery.read(document) for name, document in stored.items()}
    for name, stream in sorted(hits.items()):
        if stream:
            one = found.setdefault(name, Recovery())
            for hit in stream:
                one.update(hit)
    return found


def _row(loop: str, parts: Parts, recovery: Recovery | None) -> dict[str, object] | None:
    updates = None if recovery is None else recovery.updates
    found = Maturity(
        data_coverage=None
        if parts.outcomes is None
        else maturity.data_coverage(parts.outcomes, max(parts.cells, len(parts.outcomes))),
        convergence=None if parts.converged is None else maturity.convergence(parts.converged),
        accuracy=None if recovery is None else maturity.accuracy(recovery.right, recovery.total),
        adaptability=None if updates is None else maturity.adaptability(updates),
    )
    if found.maturity is None:
        return None
    return {
        "loop": loop,
        "maturity": found.maturity,
        "data_coverage": found.data_coverage,
        "convergence": found.convergence,
        "accuracy": found.accuracy,
        "adaptability": found.adaptability,
    }


def _metrics(answers: Sequence[Answered]) -> dict[str, object]:
    """The cycle's answers in numbers; those that nothing can be said of are left out."""
    bound = float(PHI_BOUND)
    scored = [
        Scored(min(1.0, one.confidence / bound), one.outcome == "correct")
        for one in answers
        if one.outcome != "partial"
    ]
    metrics: dict[str, object] = {
        "answers": len(answers),
        "answers_scored": len(scored),
        "mean_q": fmean(one.q for one in answers),
        "mean_confidence": fmean(one.confidence for one in answers),
    }
    if scored:
        metrics["accuracy"] = fmean(one.hit for one in scored)
        metrics["brier"] = fmean((one.p - one.hit) ** 2 for one in scored)
        metrics["ece"] = calibration.expected_error(scored)
    return metrics


def _write(cycle: Cycle, metrics: Mapping[str, object]) -> None:
    answers = cycle.answers
    votes = [vote for one in answers for vote in one.votes]
    spread: dict[str, dict[str, object]] = {
        "q_score": _spread([one.q for one in answers]),
        "confidence": _spread([one.confidence for one in answers]),
        "verdict": {
            "n": len(answers),
            "counts": dict(sorted(Counter(one.verdict for one in answers).items())),
        },
    }
    if votes:
        passed = Counter(dog for dog, side in votes if side)
        failed = Counter(dog for dog, side in votes if not side)
        spread["vote"] = {
            "n": len(votes),
            "pass": passed.total(),
            "fail": failed.total(),
            "dogs": {dog: [passed[dog], failed[dog]] for dog in sorted({d for d, _ in votes})},
        }
    snapshots = [
        {"type": name, "parameters": {**one, "cycleId": cycle.cycle_id}}
        for name, one in spread.items()
    ]
    cycle.conn.execute(
        _SQL["measured"],
        {
            "metrics": to_json([{"type": name, "value": v} for name, v in metrics.items()]),
            "snapshots": to_json(snapshots),
            "now": cycle.now,
        },
    )


def _spread(values: Sequence[float]) -> dict[str, object]:
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "mean": fmean(ordered),
        "deviation": pstdev(ordered),
        "min": ordered[0],
        "max": ordered[-1],
        "quantiles": {f"{share:g}": calibration.quantile(ordered, share) for share in QUANTILES},
    }
