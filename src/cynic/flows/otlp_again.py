"""Driving dead letters again, and deriving facts again when the table of names has grown."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

import psycopg

from cynic.db import sqlfile
from cynic.domains.telemetry.otlp import aliases, logs, request, spans
from cynic.domains.telemetry.otlp.refusals import UnreadableError
from cynic.flows import otlp_store
from cynic.flows.otlp_store import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cynic.domains.telemetry.otlp.logs import EventRecord
    from cynic.domains.telemetry.otlp.spans import SpanRecord
    from cynic.flows.otlp_money import Book

    Progress = Callable[[int, int], None]

LETTERS_MAX: Final = 100
SPANS_MAX: Final = 1000
EVERY_VERSION: Final = 2**31 - 1
_SQL: Final = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("otlp_again.sql"))
)


@dataclass(slots=True)
class Retried:
    """What a run over the dead letters came to; `reasons` counts those that remain."""

    letters: int = 0
    stored: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])


@dataclass(slots=True)
class Rederived:
    """What a run over stored telemetry came to."""

    version: int
    spans: int = 0
    events: int = 0
    new_calls: int = 0
    changed_calls: int = 0
    dropped_calls: int = 0


def retry(
    conn: psycopg.Connection,
    now: datetime,
    progress: Progress | None = None,
    book: Book | None = None,
) -> Retried:
    """Try every dead letter once more; each leaves in the transaction that stores what it held."""
    run = Retried()
    if book is not None:
        # An empty price list is filled here, in no transaction that may be undone.
        book.look(conn, now)
    total = _number(conn, "count_letters", {})
    after = 0
    while found := conn.execute(_SQL["letters"], {"after": after, "limit": LETTERS_MAX}).fetchall():
        for letter_id, signal, encoding, content in found:
            after = letter_id
            run.letters += 1
            trouble = _deliver(conn, (letter_id, signal, encoding, bytes(content)), now, book)
            if trouble is None:
                run.stored += 1
            else:
                run.reasons[trouble[0]] += 1
                told = {"id": letter_id, "now": now, "reason": trouble[0], "detail": trouble[1]}
                conn.execute(_SQL["return_to_sender"], told)
            if progress is not None:
                progress(run.letters, total)
    return run


def _deliver(
    conn: psycopg.Connection,
    row: tuple[int, Any, Any, bytes],
    now: datetime,
    book: Book | None,
) -> tuple[str, str] | None:
    """Store what a letter holds; else why not."""
    letter_id, signal, encoding, content = row
    try:
        received = request.read(signal, encoding, content)
    except UnreadableError as error:
        return "unreadable", error.message
    for left in received.letters:
        return left.reason, left.detail.replace("\0", "\u2400")
    try:
        with conn.transaction():
            otlp_store.store(conn, Batch(received.spans, received.events), now, book)
            conn.execute(_SQL["deliver"], {"id": letter_id})
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        return "refused", f"the database refuses it ({error.sqlstate})"
    return None


def rederive(
    conn: psycopg.Connection,
    now: datetime,
    *,
    every: bool = False,
    progress: Progress | None = None,
    book: Book | None = None,
) -> Rederived:
    """Derive the facts of stored spans and log records with the table of today; of all of them, or of the stale ones."""
    run = Rederived(aliases.CURRENT.version)
    version = EVERY_VERSION if every else run.version
    total = _number(conn, "count_stale", {"version": version})
    after = 0
    while found := conn.execute(
        _SQL["stale_spans"], {"after": after, "version": version, "limit": SPANS_MAX}
    ).fetchall():
        after = found[-1][0]
        _add(run, otlp_store.rederive(conn, [_span(row) for row in found], [], now, book))
        run.spans += len(found)
        if progress is not None:
            progress(run.spans, total)
    after = 0
    while found := conn.execute(
        _SQL["stale_events"], {"after": after, "version": version, "limit": SPANS_MAX}
    ).fetchall():
        after = found[-1][0]
        events = [_event(row) for row in found]
        with conn.transaction():
            _add(run, otlp_store.rederive(conn, [], events, now, book))
            sessions = [event.session_id for event in events]
            told = {"digests": [event.digest for event in events], "sessions": sessions}
            conn.execute(_SQL["events_derived"], {**told, "version": run.version})
        run.events += len(found)
    return run


def _add(run: Rederived, made: otlp_store.Plan) -> None:
    run.new_calls += len(made.new_calls)
    run.changed_calls += len(made.changed_calls)
    run.dropped_calls += len(made.gone_calls)


def _number(conn: psycopg.Connection, name: str, parameters: dict[str, object]) -> int:
    row = conn.execute(_SQL[name], parameters).fetchone()
    return row[0] if row else 0


def _span(row: tuple[Any, ...]) -> SpanRecord:
    """A stored span as it was when it came."""
    _, trace_id, span_id, parent_id, name, attributes, envelope = row
    return spans.again(trace_id, span_id, parent_id, name, attributes, envelope)


def _event(row: tuple[Any, ...]) -> EventRecord:
    """A stored log record as it was when it came."""
    _, digest, name, trace_id, span_id, session_id, attributes, envelope = row
    return logs.again(bytes(digest), name, trace_id, span_id, session_id, attributes, envelope)
