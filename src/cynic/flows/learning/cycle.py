"""Learning cycles: the loops that look at many answers at once, one after the other, and what they changed.

A cycle runs after every 200 answers, at that place in their order whatever the batches, and by the clock when fewer
have come, or calls of tools wait; in either case in a transaction that learns. It sees the answers since the last cycle that still count.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, LiteralString, Protocol, cast

from psycopg import DataError, IntegrityError

from cynic.base.errors import CynicError
from cynic.db import sqlfile
from cynic.domains.core.dimensions import UNNAMEABLE
from cynic.domains.learning.answers import task_kind
from cynic.flows.edge import to_json
from cynic.flows.learning import (
    behavior,
    dpo,
    emergence,
    forgetting,
    measures,
    metacognition,
    residual,
    sona,
    state,
)
from cynic.flows.learning.answers import PASSING, sides
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from cynic.domains.learning.answers import Outcome
    from cynic.flows.edge import Edge

ANSWERS: Final = 200
AFTER: Final = timedelta(minutes=10)
ERROR_CHARACTERS_MAX: Final = 500

_LOG = logging.getLogger(__name__)
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("cycle.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer that counts, with the judgment that it is about."""

    place: int
    """In the order of learning."""
    feedback_id: UUID
    judgment_id: str
    outcome: Outcome
    actual_score: float | None
    q: float
    passed: bool
    """The side the judgment took."""
    verdict: str
    context: str | None
    task: str | None
    item: str
    session_id: str | None
    user_id: UUID | None
    dimensions: Mapping[str, float]
    """Dimension → score, 0 to 100."""
    votes: Sequence[tuple[str, bool]]
    """Dog, and whether its vote passed the item; abstentions are left out."""
    judged_at: datetime
    answered_at: datetime
    confidence: float
    """Bounded, as it is stored."""

    @property
    def right_side(self) -> bool | None:
        """Whether the item should have passed, as the answer has it; None when it leaves that open."""
        return None if self.outcome == "partial" else self.passed == (self.outcome == "correct")

    @property
    def kind(self) -> str:
        """What is looked at together: the context, else the type of item."""
        return self.context or self.item

    @property
    def task_kind(self) -> str:
        """What consolidation and forgetting count together."""
        return task_kind(self.context, self.task, self.item)


@dataclass(slots=True, kw_only=True)
class Cycle:
    """What a cycle gives to each of its loops."""

    conn: psycopg.Connection
    now: datetime
    new_id: Callable[[], UUID]
    cycle_id: str
    since: int
    """The place of the last answer that the former cycle saw."""
    until: int
    """The place of the last answer that this one sees."""
    answers: Sequence[Answered]
    """Those between the two that still count, in the order of learning."""
    taken_back: Sequence[Answered] = ()
    """Answers that former cycles saw and that answers of this one superseded, in the order of learning."""
    calls: list[int] = field(default_factory=list[int])
    """Rows of calls of tools that meta-cognition took out of their queue."""
    events: list[Mapping[str, object]] = field(default_factory=list["Mapping[str, object]"])

    def window(self, answers: int) -> list[Answered]:
        """The newest answers that count up to the end of this cycle, oldest first; of the last `answers` places."""
        return answered(self.conn, max(0, self.until - answers), self.until)

    def log(
        self,
        loop: str,
        event: str,
        *,
        delta: float | None = None,
        action: str | None = None,
        judgment_id: str | None = None,
        feedback_value: float | None = None,
        **metadata: object,
    ) -> None:
        """Leave a row in learning_events; `delta` is the mean change of the weights it speaks of."""
        self.events.append(
            {
                "loop": loop,
                "event": event,
                "judgment_id": judgment_id,
                "value": feedback_value,
                "action": action,
                "delta": delta,
                "metadata": {"cycleId": self.cycle_id, **metadata},
            }
        )

    def kept(self, loop: str, state_type: str = "default") -> Mapping[str, object] | None:
        """What a loop kept of a state; None before it kept any."""
        row = self.conn.execute(_SQL["kept"], {"loop": loop, "state": state_type}).fetchone()
        return None if row is None else cast("Mapping[str, object]", row[0])

    def keep(
        self, loop: str, weights: Mapping[str, object], *, state_type: str = "default", answers: int
    ) -> None:
        """Keep what a loop knows of a state; `answers` more are in it."""
        row = {"loop": loop, "state": state_type, "weights": weights, "answers": answers}
        state.save_loops(self.conn, [row], self.now)


class Loop(Protocol):
    """A loop of a cycle: a module with this function."""

    def __call__(self, cycle: Cycle) -> Turn:
        """Look at the answers, change what follows from them, and say what was changed."""
        ...


LOOPS: Final[Mapping[str, Loop]] = {
    "residual": residual.turn,
    "emergence": emergence.turn,
    "ewc": forgetting.turn,
    "dpo": dpo.turn,
    "sona": sona.turn,
    "behavior": behavior.turn,
    "meta-cognition": metacognition.turn,
}
"""In the order in which a cycle runs them."""


def answered(conn: psycopg.Connection, since: int, until: int) -> list[Answered]:
    """The answers that count with places above `since` up to `until`, in that order."""
    rows = conn.execute(_SQL["answered"], {"since": since, "until": until}).fetchall()
    return [_answered(row) for row in rows]


def _taken_back(conn: psycopg.Connection, since: int, until: int) -> list[Answered]:
    rows = conn.execute(_SQL["taken_back"], {"since": since, "until": until}).fetchall()
    found = {one.feedback_id: one for one in map(_answered, rows)}
    return list(found.values())


def _answered(row: Sequence[object]) -> Answered:
    place, feedback_id, judgment_id, outcome, actual, q, verdict, *rest = row
    (
        context,
        task,
        item,
        session_id,
        user_id,
        dimensions,
        votes,
        judged_at,
        answered_at,
        confidence,
    ) = rest
    return Answered(
        place=cast("int", place),
        feedback_id=cast("UUID", feedback_id),
        judgment_id=cast("str", judgment_id),
        outcome=cast("Outcome", outcome),
        actual_score=None if actual is None else float(cast("float", actual)),
        q=float(cast("float", q)),
        passed=verdict in PASSING,
        verdict=cast("str", verdict),
        context=cast("str | None", context),
        task=cast("str | None", task),
        item=cast("str", item),
        session_id=cast("str | None", session_id),
        user_id=cast("UUID | None", user_id),
        dimensions=_judged(cast("Mapping[str, float]", dimensions or {})),
        votes=sides(cast("Sequence[tuple[str, float]]", votes or ())),
        judged_at=cast("datetime", judged_at),
        answered_at=cast("datetime", answered_at),
        confidence=float(cast("float", confidence)),
    )


def _judged(dimensions: Mapping[str, float]) -> dict[str, float]:
    """Those that somebody judged; the one that is computed from them is none."""
    return {name: float(score) for name, score in dimensions.items() if name != UNNAMEABLE}


def run(
    conn: psycopg.Connection,
    edge: Edge,
    counts: state.Counts,
) -> dict[str, Turn]:
    """Run every loop once over the answers since the last cycle, and leave a row of learning_cycles."""
    now = edge.clock()
    cycle = Cycle(
        conn=conn,
        now=now,
        new_id=edge.new_id,
        cycle_id=f"lrn_{edge.new_id().hex[:24]}",
        since=counts.cycled,
        until=counts.learned,
        answers=answered(conn, counts.cycled, counts.learned),
        taken_back=_taken_back(conn, counts.cycled, counts.learned),
    )
    turns = {name: _turn(cycle, name, loop) for name, loop in LOOPS.items()}
    turns["measures"] = _turn(cycle, "measures", lambda cycle: measures.turn(cycle, turns))
    if cycle.events:
        state.log(conn, cycle.events, now)
    _leave_row(cycle, turns, edge.clock())
    return turns


def _turn(cycle: Cycle, name: str, loop: Loop) -> Turn:
    """One loop's turn; data that it cannot take leave what it knew as it was, an event that says so, and the others alone."""
    before, calls = len(cycle.events), len(cycle.calls)
    try:
        with cycle.conn.transaction():
            return loop(cycle)
    except (CynicError, DataError, IntegrityError) as error:
        _LOG.warning("the loop %s could not take its turn", name, exc_info=True)
        del cycle.events[before:]
        del cycle.calls[calls:]  # they are in their queue again
        cycle.log(name, "failed", action=str(error)[:ERROR_CHARACTERS_MAX])
        return Turn()


def _causes(cycle: Cycle) -> dict[str, object]:
    """What the cycle is about, and the moment that its rows carry: whatever says no more than when leads here by it."""
    answers = {"since": cycle.since, "until": cycle.until, "at": cycle.now.isoformat()}
    if not cycle.calls:
        return {"answers": answers}
    calls = {"from": min(cycle.calls), "to": max(cycle.calls), "n": len(cycle.calls)}
    return {"answers": answers, "calls": calls}


def _leave_row(cycle: Cycle, turns: Mapping[str, Turn], ended: datetime) -> None:
    weights = [delta for turn in turns.values() for delta in turn.weight_deltas]
    thresholds = [delta for turn in turns.values() for delta in turn.threshold_deltas]
    cycle.conn.execute(
        _SQL["cycle"],
        {
            "cycle_id": cycle.cycle_id,
            "answers": len(cycle.answers),
            "patterns_updated": sum(turn.patterns_updated for turn in turns.values()),
            "patterns_merged": sum(turn.patterns_merged for turn in turns.values()),
            "weights": len(weights),
            "thresholds": len(thresholds),
            "weight_delta": fmean(map(abs, weights)) if weights else None,
            "threshold_delta": fmean(map(abs, thresholds)) if thresholds else None,
            "before": to_json({name: turn.before for name, turn in turns.items()}),
            "after": to_json({name: turn.after for name, turn in turns.items()} | _causes(cycle)),
            "duration_ms": max(0, (ended - cycle.now) // timedelta(milliseconds=1)),
            "now": ended,
        },
    )
