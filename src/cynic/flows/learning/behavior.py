"""Behaviour: how sure to sound, and from which score on to approve or to block, from the feedback of each cycle.

The confidence shift moves by judgments whose confidence it governs, those that neither their writer nor calibration
gave, and never away from how often they were right. It is added to such probabilities in the judgments to come. The
thresholds are kept and shown; nothing in the record acts on a score by itself.

What a former cycle decided fades (0.95 a cycle) and is not taken back: an answer that was superseded since weighs in the
cycle in which the new one came.

What it has seen are the decided answers that stand: one that is superseded, or left open, is taken out of their number. Its
maturity is that of three cells, the shifts, each with the decided answers that speak of it: those on a confidence that
may be shifted, and those on items that the contract's thresholds approve, or block. By the contract's, since the shifted
ones move on and what is taken back must be what was counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.phi import PHI_BOUND
from cynic.db import sqlfile
from cynic.domains.learning.behavior import (
    APPROVE_FROM,
    BLOCK_BELOW,
    FEEDBACK_MIN,
    SHIFTS,
    Behavior,
    Judged,
    Stated,
    heard,
    modified,
)
from cynic.domains.learning.bounds import clamp
from cynic.flows.learning import seen
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "behavior"
SETTLED_BELOW: Final = 0.02
"""A shift that moved by less has come to rest."""
CONTRACT: Final = Behavior()

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("behavior.sql")))


@dataclass(slots=True, kw_only=True)
class _Counted:
    """The decided answers that stand."""

    spans: seen.Spans
    """The cycles whose answers are in them."""
    answers: int
    outcomes: dict[str, int]
    """Shift → those that speak of it."""

    def add(self, answers: Sequence[Answered], governed: Collection[str], times: int) -> None:
        """Count answers, or with -1 take them back."""
        self.answers += times * sum(one.outcome != "partial" for one in answers)
        for shift, count in heard(_judged(answers, CONTRACT), _stated(answers, governed)).items():
            self.outcomes[shift] += times * count


def turn(cycle: Cycle) -> Turn:
    """Move the behaviour by the answers of the cycle."""
    if not cycle.answers and not cycle.taken_back:
        return Turn()
    kept = cycle.kept(LOOP)
    before = Behavior.restored(kept or {})
    bounds = {"since": cycle.since, "until": cycle.until}
    governed = {row[0] for row in cycle.conn.execute(_SQL["governed"], bounds)}
    judged, stated = _judged(cycle.answers, before), _stated(cycle.answers, governed)
    after = modified(before, judged, stated)
    counted = _counted(cycle, kept, governed)
    counted.add(seen.taken_back(counted.spans, cycle), governed, -1)
    counted.add(cycle.answers, governed, 1)
    state = {"answers": counted.answers, "outcomes": counted.outcomes}
    spans = seen.with_this(counted.spans, cycle)
    cycle.keep(LOOP, {**asdict(after), **state, "seen": spans}, answers=len(cycle.answers))
    deltas = {name: value - asdict(before)[name] for name, value in asdict(after).items()}
    changed = {name: delta for name, delta in deltas.items() if delta}
    if changed:
        cycle.log(
            LOOP,
            "update",
            delta=changed.get("confidence_shift"),
            action=", ".join(sorted(changed)),
            changes=changed,
            governed=len(governed),
        )
    # A shift of which too few answers spoke in this cycle could not move: that says nothing of its rest.
    moved = {name for name, count in heard(judged, stated).items() if count >= FEEDBACK_MIN}
    return Turn(
        threshold_deltas=list(changed.values()),
        before=asdict(before),
        after=asdict(after),
        parts=Parts(
            outcomes=counted.outcomes,
            cells=len(SHIFTS),
            converged={name: abs(deltas[name]) < SETTLED_BELOW for name in sorted(moved)} or None,
            hits=[] if kept is None else _foretold(cycle, before),
        ),
    )


def _judged(answers: Sequence[Answered], behavior: Behavior) -> list[Judged]:
    return [Judged(one.outcome, behavior.act(one.q / 100)) for one in answers]


def _stated(answers: Sequence[Answered], governed: Collection[str]) -> list[Stated]:
    return [
        Stated(clamp(one.confidence / float(PHI_BOUND), 0.0, 1.0), one.outcome)
        for one in answers
        if one.judgment_id in governed
    ]


def _counted(
    cycle: Cycle, kept: Mapping[str, object] | None, governed: Collection[str]
) -> _Counted:
    """What was counted before this cycle; once from the answers, where an older version kept no count."""
    if kept is None:
        return _Counted(spans=[], answers=0, outcomes=dict.fromkeys(SHIFTS, 0))
    if "seen" in kept:
        return _Counted(
            spans=cast("seen.Spans", kept["seen"]),
            answers=cast("int", kept["answers"]),
            outcomes=dict(cast("Mapping[str, int]", kept["outcomes"])),
        )
    parameters = {"since": cycle.since, "approve": 100 * APPROVE_FROM, "block": 100 * BLOCK_BELOW}
    ((answers, *outcomes),) = cycle.conn.execute(_SQL["standing"], parameters)
    found = _Counted(
        spans=[[0, cycle.since]], answers=answers, outcomes=dict(zip(SHIFTS, outcomes, strict=True))
    )
    # They stood until this cycle, and are taken out with it.
    found.add(cycle.taken_back, governed, 1)
    return found


def _foretold(cycle: Cycle, before: Behavior) -> list[bool]:
    """Whether what it would have approved should have passed, and what it would have blocked should not; a warning says neither."""
    acts = [(before.act(one.q / 100), one.right_side) for one in seen.first_answers(cycle)]
    return [
        (act == "approve") == side
        for act, side in acts
        if side is not None and act in {"approve", "block"}
    ]
