"""What the loops know, from the database and back: read for a batch of answers, written with what the batch changed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.verdict import passes
from cynic.db import sqlfile
from cynic.domains.dogs.pack import ABSTENTION, DOGS
from cynic.domains.learning import qlearning
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.thompson import Arm
from cynic.flows.edge import to_json
from cynic.flows.learn_loops import Event, Former, Known, new_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    import psycopg

    from cynic.domains.learning.answers import Outcome
    from cynic.flows.learn_loops import Changes

PASSING: Final = frozenset({"HOWL", "WAG"})
DOGS_STATE: Final = "default"

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("learn.sql")))


def taken(rows: Iterable[tuple[object, ...]]) -> list[str]:
    """The signals of the rows that were taken, in their order: restored ones first, then by writer and id."""
    ordered = sorted(rows, key=_order)
    return [cast("str", row[0]) for row in ordered]


def _order(row: tuple[object, ...]) -> tuple[bool, int, int]:
    _, restored, written_by, row_id = row
    return not restored, cast("int", written_by), cast("int", row_id)


def events(rows: Iterable[tuple[object, ...]]) -> list[Event]:
    """The answers to fold; one that was folded before is none."""
    return [_event(row) for row in rows if not row[3]]


def _event(row: tuple[object, ...]) -> Event:
    _, feedback_id, outcome, _, judgment_id, verdict, context, task, item, *former, votes = row
    former_id, former_outcome, former_applied = former
    return Event(
        feedback_id=cast("UUID", feedback_id),
        outcome=cast("Outcome", outcome),
        judgment_id=cast("str", judgment_id),
        passed=verdict in PASSING,
        context=cast("str | None", context),
        task=cast("str | None", task),
        item=cast("str", item),
        votes=_sides(cast("Sequence[tuple[str, float]]", votes or ())),
        former=None
        if former_id is None
        else Former(
            feedback_id=cast("UUID", former_id),
            outcome=cast("Outcome", former_outcome),
            applied=bool(former_applied),
        ),
    )


def _sides(votes: Iterable[tuple[str, float]]) -> list[tuple[str, bool]]:
    """Dog and side; whoever abstained, or failed, took none."""
    exact = ((dog, Decimal(str(score))) for dog, score in votes)
    return [(dog, passes(100 * score)) for dog, score in exact if score != ABSTENTION]


def load(conn: psycopg.Connection, batch: Sequence[Event]) -> tuple[Known, Mapping[str, object]]:
    """What the loops know of what the batch is about, and the counts of the service."""
    row = conn.execute(_SQL["state"]).fetchone()
    if row is None:
        conn.execute(_SQL["make_state"])
        row = conn.execute(_SQL["state"]).fetchone()
    document, stats = cast("tuple[Mapping[str, object], Mapping[str, object]]", row)
    known = new_known(qlearning.restored(document, DOGS))
    window = conn.execute(_SQL["window"], {"limit": known.tracker.window}).fetchall()
    known.tracker.restore(reversed([cast("float", one[0]) for one in window]))
    for loop, state, weights in conn.execute(_SQL["loops"], {"keys": to_json(_keys(batch))}):
        if loop == "thompson":
            known.arms[state] = {dog: Arm(**arm) for dog, arm in weights.items()}
        elif loop == "calibration":
            known.kinds[state] = {side: Tally(**tally) for side, tally in weights.items()}
        else:
            known.dogs = {dog: Tally(**tally) for dog, tally in weights.items()}
    return known, stats


def _keys(batch: Sequence[Event]) -> list[dict[str, str]]:
    keys = {
        ("dog-votes", DOGS_STATE),
        *(("thompson", event.arms) for event in batch),
        *(("calibration", event.kind) for event in batch),
    }
    return [{"loop": loop, "state": state} for loop, state in sorted(keys)]


def save(conn: psycopg.Connection, known: Known, changes: Changes, now: datetime) -> None:
    """Write what the batch changed."""
    loops = [
        {"loop": loop, "state": state, "answers": answers, "weights": _weights(known, loop, state)}
        for (loop, state), answers in sorted(changes.touched.items())
    ]
    for name, key, rows in (
        ("save_loops", "loops", loops),
        ("journal", "rows", changes.journal),
        ("episodes", "episodes", list(changes.episodes.values())),
        ("log", "events", changes.log),
    ):
        if rows:
            conn.execute(_SQL[name], {key: to_json(rows), "now": now})
    if changes.dropped:
        conn.execute(_SQL["drop_episodes"], {"ids": changes.dropped})
    marks = {"applied": list(changes.applied), "taken_back": list(changes.taken_back)}
    conn.execute(_SQL["mark"], marks)


def _weights(known: Known, loop: str, state: str) -> dict[str, dict[str, object]]:
    if loop == "thompson":
        return {
            dog: {"alpha": arm.alpha, "beta": arm.beta} for dog, arm in known.arms[state].items()
        }
    tallies = known.kinds[state] if loop == "calibration" else known.dogs
    return {name: {"right": t.right, "wrong": t.wrong} for name, t in tallies.items()}


def moment(text: object) -> datetime | None:
    """A moment as the counts keep it."""
    return None if text is None else datetime.fromisoformat(cast("str", text))
