"""Whether what comes again under an idempotency key is the request that came first.

A reservation keeps all that was asked, and a ledger row all that its report said. Of a report of a call that was
booked before its own row keeps the claimed cost alone: only by that one can it be told from another.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.errors import ConflictError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from cynic.flows.budget_fields import Operation
    from cynic.flows.spending import Ask

_SAME: Final = (
    "model", "tokens_input", "tokens_output", "session_id", "task_id", "router_type", "task_type",
    "task_complexity", "source", "occurred_at",
)  # fmt: skip
_KEYS: Final = ("response_id", "trace_id", "span_id")
_REPEATED: Final = "repeated"
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("budget.sql")))


class RequestDiffersError(ConflictError):
    """The idempotency key was used before, for another request."""

    code = "request-differs"


def differing(
    conn: psycopg.Connection,
    operations: Sequence[Operation],
    given: Sequence[Mapping[str, object]],
    rows: Sequence[Sequence[object]],
) -> set[int]:
    """The places of repetitions that say something else than what they repeat."""
    again = [place for place, row in enumerate(rows) if row[1] == _REPEATED]
    asked = [place for place in again if operations[place].ask is not None]
    keyed = [place for place in again if operations[place].request_key is not None]
    found: set[int] = set()
    if asked:
        ids = [operations[place].reservation_id for place in asked]
        stored = {row[0]: row[1:] for row in conn.execute(_SQL["asked"], {"ids": ids})}
        for place in asked:
            former = stored.get(operations[place].reservation_id)  # None once retention took it
            if former is not None and former != _asked(cast("Ask", operations[place].ask)):
                found.add(place)
    if keyed:
        keys = [operations[place].request_key for place in keyed]
        cursor = conn.execute(_SQL["reported"], {"keys": keys})
        names = [column.name for column in cursor.description or ()]
        reports = {row[0]: dict(zip(names, row, strict=True)) for row in cursor}
        for place in keyed:
            report = reports.get(operations[place].request_key)
            if report is not None and not _is_same(given[place], report):
                found.add(place)
    return found


def _asked(ask: Ask) -> tuple[object, ...]:
    """What was asked, as the statement gives back what was kept of it."""
    task = ask.task
    return (
        ask.estimated_usd, timedelta(seconds=ask.holds_seconds), ask.provider, ask.model, task.session_id, task.task_id,
        task.task_type, task.router_type, task.task_complexity,
    )  # fmt: skip


def _is_same(given: Mapping[str, object], stored: Mapping[str, object]) -> bool:
    claim = given.get("claimed_cost_usd")
    if stored["claimed_cost_usd"] != (None if claim is None else Decimal(cast("str", claim))):
        return False
    if stored["linked"]:
        return True
    return (
        all(given.get(name) == stored[name] for name in _SAME)
        and given.get("usage", {}) == stored["usage"]
        and str(given["provider"]).lower() == str(stored["provider"]).lower()
        # A key that the row does not have may have gone to the row of another report.
        and all(stored[name] in {None, given.get(name)} for name in _KEYS)
    )
