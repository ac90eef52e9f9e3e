"""What the loops know, from the database and back.

A learner keeps what it read between passes; `stats.version` says whether anybody else wrote since. What the loops keep
by context or by kind is read when a batch first asks for it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, Self, cast

from cynic.db import sqlfile
from cynic.db.copying import copy_rows
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.ewc import EWC_LAMBDA, Consolidation
from cynic.domains.learning.thompson import Arm
from cynic.flows.edge import to_json
from cynic.flows.learning.fold import Known
from cynic.flows.learning.q_learning import QLearning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    import psycopg
    from psycopg import Copy

    from cynic.flows.learning.answers import Event
    from cynic.flows.learning.fold import Changes

DOGS_STATE: Final = "default"
KEPT_MAX: Final = 10_000
"""Contexts and kinds that are kept in memory; beyond, they are read anew."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("state.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the service counts: `qlearning_state.stats`."""

    version: int = 0
    """Grows with every transaction that learns; whoever read at the same version need not read again."""
    learned: int = 0
    """Answers folded so far: the place of the last one."""
    cycled: int = 0
    """The place up to which cycles have looked."""
    cycled_at: datetime | None = None
    episodes: int = 0
    updates: int = 0
    correct: int = 0
    unfolded: int = 0
    folded_at: datetime | None = None
    refused: int = 0
    """Answers in a row that could not be learned from, since the last that could."""
    ripe: bool = False
    """Whether some state has enough new updates to be consolidated."""
    consolidated: int = 0
    """The place up to which answers are in the last consolidation."""
    consolidated_at: datetime | None = None
    """When that was; before the first, since when there is something to consolidate."""

    @classmethod
    def read(cls, stats: Mapping[str, object]) -> Counts:
        """The counts as they are stored."""

        def number(name: str) -> int:
            return cast("int", stats.get(name, 0))

        return cls(
            version=number("version"),
            learned=number("learned"),
            cycled=number("cycled"),
            cycled_at=_moment(stats.get("cycledAt")),
            episodes=number("episodes"),
            updates=number("updates"),
            correct=number("correctPredictions"),
            unfolded=number("unfolded"),
            folded_at=_moment(stats.get("foldedAt")),
            refused=number("refused"),
            ripe=bool(stats.get("ripe", False)),
            consolidated=number("consolidated"),
            consolidated_at=_moment(stats.get("consolidatedAt")),
        )

    def document(self) -> dict[str, object]:
        """The counts to be stored."""
        return {
            "version": self.version,
            "learned": self.learned,
            "cycled": self.cycled,
            "cycledAt": None if self.cycled_at is None else self.cycled_at.isoformat(),
            "episodes": self.episodes,
            "updates": self.updates,
            "correctPredictions": self.correct,
            "unfolded": self.unfolded,
            "foldedAt": None if self.folded_at is None else self.folded_at.isoformat(),
            "refused": self.refused,
            "ripe": self.ripe,
            "consolidated": self.consolidated,
            "consolidatedAt": None
            if self.consolidated_at is None
            else self.consolidated_at.isoformat(),
        }


class Keeper:
    """What is known, kept from pass to pass as long as nobody else writes."""

    def __init__(self) -> None:
        self._known: Known | None = None
        self._version = -1
        self._asked: set[tuple[str, str]] = set()

    def counts(self, conn: psycopg.Connection) -> Counts:
        """The counts as they are now."""
        row = conn.execute(_SQL["counts"]).fetchone()
        if row is None:
            conn.execute(_SQL["make_state"])
            return Counts()
        return Counts.read(row[0])

    def known(self, conn: psycopg.Connection, batch: Sequence[Event], counts: Counts) -> Known:
        """What the loops know of what the batch is about."""
        if self._known is None or self._version != counts.version or len(self._asked) > KEPT_MAX:
            self._known = Known(q=q_learning(conn))
            self._asked = set()
        known, self._known = (
            self._known,
            None,
        )  # until it is kept: an error leaves nothing half learned
        _read_loops(conn, known, keys := _keys(batch) - self._asked)
        self._asked |= keys
        return known

    def keep(self, known: Known, version: int) -> None:
        """Keep what was read and folded; it is what the database holds at this version."""
        self._known, self._version = known, version


def q_learning(conn: psycopg.Connection) -> QLearning:
    """The values with what watches over them and what holds them, as of the last commit."""
    row = conn.execute(_SQL["q_learning"]).fetchone()
    document, watched, anchor, fisher, ewc_lambda, kept = row or ({}, None, None, {}, None, None)
    locked: Mapping[str, list[str]] = {} if kept is None else kept["locked"]
    found = QLearning.restored(
        document,
        watched or {},
        Consolidation(
            anchor=_numbers(anchor or {}),
            fisher=_numbers(fisher),
            locked=frozenset((state, dog) for state, dogs in locked.items() for dog in dogs),
            ewc_lambda=EWC_LAMBDA if ewc_lambda is None else ewc_lambda,
        ),
        conn.execute(_SQL["gradients"]),
    )
    window = conn.execute(_SQL["window"], {"limit": found.tracker.window}).fetchall()
    found.tracker.restore(reversed([cast("float", one[0]) for one in window]))
    return found


def _numbers(cells: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {state: {dog: float(n) for dog, n in row.items()} for state, row in cells.items()}


def _keys(batch: Sequence[Event]) -> set[tuple[str, str]]:
    return {
        ("dog-votes", DOGS_STATE),
        *(("thompson", event.arms) for event in batch),
        *(("calibration", event.kind) for event in batch),
    }


def _read_loops(conn: psycopg.Connection, known: Known, keys: set[tuple[str, str]]) -> None:
    if not keys:
        return
    asked = to_json([{"loop": loop, "state": state} for loop, state in sorted(keys)])
    for loop, state, weights in conn.execute(_SQL["loops"], {"keys": asked}):
        if loop == "thompson":
            known.arms[state] = {dog: Arm(**arm) for dog, arm in weights.items()}
        elif loop == "calibration":
            known.kinds[state] = {side: Tally(**tally) for side, tally in weights.items()}
        else:
            known.dogs = {dog: Tally(**tally) for dog, tally in weights.items()}


def save(conn: psycopg.Connection, known: Known, changes: Changes, now: datetime) -> None:
    """Write what the batch changed, its journal apart."""
    loops = [
        {"loop": loop, "state": state, "answers": answers, "weights": _weights(known, loop, state)}
        for (loop, state), answers in sorted(changes.touched.items())
    ]
    if loops:
        save_loops(conn, loops, now)
    if changes.log:
        log(conn, changes.log, now)
    if changes.episodes:
        episodes = to_json(list(changes.episodes.values()))
        conn.execute(_SQL["episodes"], {"episodes": episodes, "now": now})
    if changes.dropped:
        conn.execute(_SQL["drop_episodes"], {"ids": changes.dropped})
    marks = {
        "ids": list(changes.places),
        "places": list(changes.places.values()),
        "taken_back": list(changes.taken_back),
    }
    conn.execute(_SQL["mark"], marks)
    if changes.tasks:
        tasks = [
            {"kind": kind, "episodes": episodes, "rewards": rewards}
            for kind, (episodes, rewards) in changes.tasks.items()
        ]
        conn.execute(_SQL["count_tasks"], {"tasks": to_json(tasks)})


class Journal:
    """The journal of a batch on its way: the server takes in the rows of one answer while the next is folded.

    From the first row until it ends, the connection can do nothing else.
    """

    def __init__(self, conn: psycopg.Connection, now: datetime) -> None:
        self._conn = conn
        self._now = now
        # One text for all rows: a moment is what COPY takes longest to write.
        self._moment = now.isoformat()
        self._stream: Copy | None = None
        self._open = ExitStack()
        self._sent = 0

    def __enter__(self) -> Self:
        """Begin; nothing is sent yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until the server has all rows; after an error none of them counts."""
        self._open.__exit__(kind, error, trace)

    def send(self, changes: Changes) -> None:
        """Send what is new; where values were given up, they are in the snapshot too, between the rows before and after."""
        rows = changes.journal
        if self._sent == len(rows):
            return
        if self._stream is None:
            cursor = self._open.enter_context(self._conn.cursor())
            self._stream = self._open.enter_context(cursor.copy(_SQL["journal"]))
        for place in range(self._sent, len(rows)):
            self._stream.write_row((*rows[place], self._moment))
        self._sent = len(rows)
        if changes.reset_at == self._sent:
            self._open.close()
            self._stream = None
            self._conn.execute(_SQL["start_anew"], {"now": self._now})
            for statement in ("drop_gradients", "drop_locks", "unprotect_tasks"):
                self._conn.execute(_SQL[statement])


def save_loops(
    conn: psycopg.Connection, loops: Sequence[Mapping[str, object]], now: datetime
) -> None:
    """Write rows of loop_persistence_state: loop, state, weights, and how many answers more are in them."""
    conn.execute(_SQL["save_loops"], {"loops": to_json(loops), "now": now})


def log(conn: psycopg.Connection, events: Sequence[Mapping[str, object]], now: datetime) -> None:
    """Write rows of learning_events."""
    moment = now.isoformat()
    copy_rows(
        conn,
        _SQL["log"],
        (
            (
                *(row["loop"], row["event"], row["judgment_id"], row["value"]),
                *(row["action"], row["delta"], to_json(row["metadata"]), moment),
            )
            for row in events
        ),
    )


def count(conn: psycopg.Connection, counts: Counts, q: QLearning | None = None) -> None:
    """Store the counts, and what watches over the values when they were moved."""
    router = {} if q is None else {"router": q.watched()}
    conn.execute(_SQL["count"], {"stats": to_json(counts.document() | router)})


def _weights(known: Known, loop: str, state: str) -> dict[str, dict[str, object]]:
    if loop == "thompson":
        return {
            dog: {"alpha": arm.alpha, "beta": arm.beta} for dog, arm in known.arms[state].items()
        }
    tallies = known.kinds[state] if loop == "calibration" else known.dogs
    return {name: {"right": t.right, "wrong": t.wrong} for name, t in tallies.items()}


def _moment(text: object) -> datetime | None:
    return None if text is None else datetime.fromisoformat(cast("str", text))
