"""The budget: reserve, settle, release, book. Whatever callers ask at the same time is one statement and one commit.

The arithmetic and its lock live in the database (`transact_budget`). Here calls are priced before it, outside the lock,
and answers are made after it. What is returned has been committed, unless the caller brought a transaction of its own.
"""

from __future__ import annotations

import json
from collections import ChainMap
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal, LiteralString, cast

from psycopg import DataError, IntegrityError

from cynic.db import sqlfile
from cynic.domains.cost.pricing import INPUT, OUTPUT, NoPrice, Price, Usage
from cynic.flows.budget_answers import (
    Entry,
    NotBookedError,
    Reservation,
    SettledReservationError,
    UnknownReservationError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from cynic.base.errors import CynicError
    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.spending import Ask, Report, Task

_ENCODER = json.JSONEncoder(default=str, check_circular=False, separators=(",", ":"))
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("budget.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing to do under the lock."""

    kind: Literal["reserve", "settle", "release", "charge"]
    reservation_id: UUID | None = None
    ask: Ask | None = None
    report: Report | None = None
    request_key: str | None = None


Done = Reservation | Entry


@dataclass(frozen=True, slots=True)
class Hold:
    """Whom a reservation is for, and what for. This never changes."""

    provider: str
    model: str
    asked_provider: str
    asked_model: str
    session_id: str | None
    task_id: str | None
    task_type: str | None
    router_type: str | None
    task_complexity: str | None

    @property
    def degraded(self) -> bool:
        """Whether a cheaper model was named than the one that was asked for."""
        return (self.provider, self.model) != (self.asked_provider, self.asked_model)


def transact(
    conn: psycopg.Connection,
    operations: Sequence[Operation],
    book: PriceBook,
    now: datetime,
    known: Mapping[UUID, Hold] | None = None,
) -> list[Done | CynicError]:
    """Do operations in one statement; one answer for each, in order. `known` spares asking for reservations.

    Where the database refuses one of several, each is done by itself, so that a bad one keeps no other out; inside a
    transaction of the caller's the refusal is raised instead.
    """
    holds = _holds(conn, operations, known or {})
    given = [_fields(one, book, holds, now) for one in operations]
    try:
        rows = _send(conn, given, now)
    except (DataError, IntegrityError) as error:
        if not conn.autocommit or len(operations) == 1:
            return [NotBookedError(f"this cannot be booked: {error.diag.message_primary}")] * len(
                operations
            )
        return [transact(conn, [one], book, now)[0] for one in operations]
    answers = _answers(conn, operations, given, rows)
    for index, row in enumerate(rows):
        if row[1] == "again":  # another operation on the same reservation was in the group
            answers[index] = transact(conn, [operations[index]], book, now, known)[0]
    return answers


def charges(reports: Iterable[tuple[Report, Price | NoPrice]], *, is_history: bool = False) -> str:
    """Calls with our prices of them, ready for `charge`. A cost that was reported is a claim beside our price.

    Of `is_history` what was called before the period of the budget began is not charged to it.
    """
    calls: list[dict[str, object]] = []
    for report, ours in reports:
        fields: dict[str, object] = {"place": len(calls)}
        _add_report(fields, report)
        if isinstance(ours, Price):
            fields["cost_usd"] = str(ours.usd)
            fields["price_source"], fields["price_version"] = ours.source, ours.version
        else:
            fields["unpriced_reason"] = ours.reason
        if report.cost_usd is not None:
            fields["claimed_cost_usd"] = str(report.cost_usd)
        if is_history:
            fields["is_history"] = True
        calls.append(fields)
    return _ENCODER.encode(calls)


def charge(
    conn: psycopg.Connection, calls: str, now: datetime, meanwhile: Callable[[], object] = tuple
) -> tuple[list[int], list[int]]:
    """Book `charges` in the caller's transaction; for each its ledger row, and which of these are from before.

    No two may be of one call. Takes the lock of the budget and holds it until the caller commits: call it late. `meanwhile`
    is done while the server books, and uses no connection. Raises what the database raises.
    """
    with conn.pipeline():
        cursor = conn.execute(_SQL["book_calls"], {"calls": calls, "now": now})
        meanwhile()
        ids, linked = cursor.fetchone() or (None, None)
    return ids or [], linked or []


def tend(conn: psycopg.Connection, now: datetime) -> bool:
    """End the holds whose time is over and bring burn rate, runway and velocity alarm up to date; whether there was need."""
    row = conn.execute(_SQL["needs_tending"], {"now": now}).fetchone()
    if not (row and row[0]):
        return False
    conn.execute(_SQL["transact"], {"operations": "[]", "now": now})
    return True


def _send(
    conn: psycopg.Connection, given: Sequence[Mapping[str, object]], now: datetime
) -> list[tuple[object, ...]]:
    if not given:
        return []
    documents = [{"place": place, **one} for place, one in enumerate(given)]
    given_now = {"operations": _ENCODER.encode(documents), "now": now}
    return conn.execute(_SQL["transact"], given_now).fetchall()


def hold_of(ask: Ask, made: Reservation) -> Hold:
    """What a settlement will ask about a reservation that was just made."""
    task = ask.task
    return Hold(
        made.provider,
        made.model,
        ask.provider,
        ask.model,
        task.session_id,
        task.task_id,
        task.task_type,
        task.router_type,
        task.task_complexity,
    )


def _holds(
    conn: psycopg.Connection, operations: Sequence[Operation], known: Mapping[UUID, Hold]
) -> Mapping[UUID, Hold]:
    ids = [
        one.reservation_id
        for one in operations
        if one.kind == "settle" and one.reservation_id not in known
    ]
    if not ids:
        return known
    asked = {row[0]: Hold(*row[1:]) for row in conn.execute(_SQL["holds"], {"ids": ids})}
    return ChainMap(asked, cast("dict[UUID, Hold]", known))


def _fields(
    one: Operation, book: PriceBook, holds: Mapping[UUID, Hold], now: datetime
) -> dict[str, object]:
    fields: dict[str, object] = {"kind": one.kind}
    if one.reservation_id is not None:
        fields["reservation_id"] = str(one.reservation_id)
    if one.request_key is not None:
        fields["request_key"] = one.request_key
    if one.ask is not None:
        fields |= {
            "estimated_usd": str(one.ask.estimated_usd),
            "holds_seconds": one.ask.holds_seconds,
            "provider": canonical(one.ask.provider),
            "model": one.ask.model,
        }
        _add_task(fields, one.ask.task)
    if one.report is not None:
        hold = None if one.reservation_id is None else holds.get(one.reservation_id)
        if hold is not None:
            fields |= {"provider": hold.provider, "model": hold.model}
            _add_task(fields, hold)
        _add_report(fields, one.report)
        _add_cost(fields, one.report, book, hold, now)
    return fields


def canonical(provider: str) -> str:
    """A provider as the ledger spells it, so that one call that is told of in two spellings is one."""
    return provider.lower().strip()


def _add_task(fields: dict[str, object], task: Task | Hold) -> None:
    for name in ("session_id", "task_id", "task_type", "router_type", "task_complexity"):
        if (value := getattr(task, name)) is not None:
            fields[name] = value


def _add_report(fields: dict[str, object], report: Report) -> None:
    """What was reported, but for money; a provider and a model that stand there already give way."""
    fields |= {
        "source": report.source,
        "tokens_input": report.tokens_input,
        "tokens_output": report.tokens_output,
    }
    if report.provider is not None:
        fields["provider"] = canonical(report.provider)
    for name in ("model", "response_id", "trace_id", "span_id", "occurred_at"):
        if (value := getattr(report, name)) is not None:
            fields[name] = value
    _add_task(fields, report.task)
    if report.usage or report.request:
        fields["usage"] = _kept(report)
    for name in ("provider", "model"):
        fields.setdefault(name, "unknown")


def price_of(report: Report, book: PriceBook, at: datetime) -> Price | NoPrice:
    """Our price of a call that was reported."""
    return _price(report, report.provider, report.model, book, at)


def _price(
    report: Report, provider: str | None, model: str | None, book: PriceBook, at: datetime
) -> Price | NoPrice:
    if model is None or report.unpriced_reason:
        return NoPrice(report.unpriced_reason or "nobody said which model it was")
    counts = {**report.usage, INPUT: report.tokens_input, OUTPUT: report.tokens_output}
    return book.price(provider, model, Usage(counts=counts, context=report.request), at)


def _add_cost(
    fields: dict[str, object], report: Report, book: PriceBook, hold: Hold | None, now: datetime
) -> None:
    """What is booked, and what a cheaper model saved."""
    provider = report.provider or (hold and hold.provider)
    model = report.model or (hold and hold.model)
    at = report.occurred_at or now
    booked = _add_price(fields, report, _price(report, provider, model, book, at))
    if hold is None or not hold.degraded:
        return
    # Who called the dear model all the same has not been degraded.
    fields["degraded"] = (fields["provider"], model) == (hold.provider, hold.model)
    asked = _price(report, hold.asked_provider, hold.asked_model, book, at)
    if fields["degraded"] and booked is not None and isinstance(asked, Price):
        fields["savings_usd"] = str(max(asked.usd - booked, Decimal()))


def _add_price(fields: dict[str, object], report: Report, ours: Price | NoPrice) -> Decimal | None:
    """Our price, the number of who reported, and which of the two is booked; return that one."""
    booked = report.cost_usd
    if isinstance(ours, Price):
        booked = ours.usd if booked is None else booked
        fields |= {
            "our_cost_usd": str(ours.usd),
            "price_source": ours.source,
            "price_version": ours.version,
        }
    elif booked is None:
        fields["unpriced_reason"] = ours.reason
    if report.cost_usd is not None:
        fields["claimed_cost_usd"] = str(report.cost_usd)
    if booked is not None:
        fields["cost_usd"] = str(booked)
    return booked


def _kept(report: Report) -> dict[str, object]:
    """What a later pricing needs: counts as numbers or exact text, and the kind of request under `request`."""
    kept: dict[str, object] = {
        unit: count if isinstance(count, int) else str(count)
        for unit, count in report.usage.items()
    }
    return kept | ({"request": dict(report.request)} if report.request else {})


def _answers(
    conn: psycopg.Connection,
    operations: Sequence[Operation],
    given: Sequence[Mapping[str, object]],
    rows: Sequence[tuple[object, ...]],
) -> list[Done | CynicError]:
    former = [cast("int", row[2]) for row in rows if row[2] is not None and row[4] is None]
    entries: dict[int, Entry] = {}
    if former:
        entries = {one.ledger_id: one for one in entries_of(conn, former)}
    answers: list[Done | CynicError] = []
    for one, fields, row in zip(operations, given, rows, strict=True):
        if row[1] in {"unknown", "again"}:
            answers.append(UnknownReservationError(f"there is no reservation {one.reservation_id}"))
        elif one.kind == "reserve":
            answers.append(_reservation(cast("UUID", one.reservation_id), row))
        elif one.kind == "release":
            answers.append(_released(cast("UUID", one.reservation_id), row))
        elif row[4] is not None:
            answers.append(_entry(fields, row))
        else:
            answers.append(replace(entries[cast("int", row[2])], linked=row[1] == "linked"))
    return answers


def entries_of(conn: psycopg.Connection, ids: Sequence[int]) -> list[Entry]:
    """Ledger rows by their ids."""
    names = [name for name in Entry.__dataclass_fields__ if name != "linked"]
    return [
        Entry(**dict(zip(names, row, strict=True)))
        for row in conn.execute(_SQL["entries"], {"ids": list(ids)})
    ]


def _reservation(reservation_id: UUID, row: tuple[object, ...]) -> Reservation:
    state, decision, reason, usd, provider, model, until = row[7:14]
    return Reservation(
        reservation_id=reservation_id,
        decision=cast("Literal['allow', 'degrade', 'refuse']", decision),
        state=cast("str", state),
        provider=cast("str", provider),
        model=cast("str", model),
        estimated_usd=cast("Decimal", usd),
        expires_at=cast("datetime", until),
        reason=cast("str | None", reason),
    )


def _released(reservation_id: UUID, row: tuple[object, ...]) -> Reservation | CynicError:
    if row[7] == "settled":
        return SettledReservationError(
            f"reservation {reservation_id} is settled, in ledger row {row[2]}"
        )
    return _reservation(reservation_id, row)


def _entry(fields: Mapping[str, object], row: tuple[object, ...]) -> Entry:
    """The row that was just booked, from what was sent and what was answered."""
    level = cast("str", row[5])

    def amount(name: str) -> Decimal | None:
        text = fields.get(name)
        return None if text is None else Decimal(cast("str", text))

    def text(name: str) -> str | None:
        return cast("str | None", fields.get(name))

    return Entry(
        ledger_id=cast("int", row[2]),
        session_id=text("session_id"),
        task_id=text("task_id"),
        router_type=text("router_type"),
        provider=text("provider") or "",
        model=text("model") or "",
        tokens_input=cast("int", fields["tokens_input"]),
        tokens_output=cast("int", fields["tokens_output"]),
        cost_usd=amount("cost_usd"),
        source=text("source") or cast("str", fields["kind"]),
        unpriced_reason=text("unpriced_reason"),
        our_cost_usd=amount("our_cost_usd"),
        claimed_cost_usd=amount("claimed_cost_usd"),
        price_source=text("price_source"),
        price_version=text("price_version"),
        budget_before=cast("Decimal", row[3]),
        budget_after=cast("Decimal", row[4]),
        budget_level=level,
        degraded=cast("bool", row[6]),
        circuit_breaker_active=level == "exhausted",
        savings_usd=amount("savings_usd") or Decimal(),
        timestamp=cast("datetime", row[14]),
        response_id=text("response_id"),
        trace_id=text("trace_id"),
        span_id=text("span_id"),
        task_type=text("task_type"),
        task_complexity=text("task_complexity"),
        corrects_id=None,
        credit_usd=Decimal(),
        is_past=False,
    )
