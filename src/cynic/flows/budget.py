"""The budget: reserve, settle, release, book. Whatever callers ask at the same time is one statement and one commit.

The arithmetic and its lock live in the database (`transact_budget`). Here calls are priced before it, outside the lock,
and answers are made after it. What is returned has been committed, unless the caller brought a transaction of its own.
"""

from __future__ import annotations

import json
from collections import ChainMap
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, LiteralString, cast

from psycopg import DataError, IntegrityError

from cynic.base.errors import CynicError
from cynic.db import sqlfile
from cynic.domains.cost.pricing import NoPrice, Price
from cynic.flows.budget_answers import (
    Entry,
    NotBookedError,
    Reservation,
    SettledReservationError,
    UnknownReservationError,
)
from cynic.flows.budget_fields import Hold, Operation, add_report, operation_fields
from cynic.flows.repeats import RequestDiffersError, differing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import psycopg

    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.spending import Report

_ENCODER = json.JSONEncoder(default=str, check_circular=False, separators=(",", ":"))
_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("budget.sql")))


Done = Reservation | Entry


def transact(
    conn: psycopg.Connection,
    operations: Sequence[Operation],
    book: PriceBook,
    now: datetime,
    known: Mapping[UUID, Hold] | None = None,
) -> list[Done | CynicError]:
    """Do operations in one statement; one answer for each, in order. `known` spares asking for reservations.

    One that cannot be made into fields, or that the database refuses, keeps no other out: it alone is answered with
    why. Inside a transaction of the caller's a refusal of the database is the answer to all.
    """
    given, answers = _made(operations, book, _holds(conn, operations, known or {}), now)
    chosen = [operations[place] for place in given]
    try:
        rows = _send(conn, list(given.values()), now)
    except (DataError, IntegrityError) as error:
        if not conn.autocommit or len(operations) == 1:
            refused = NotBookedError(f"this cannot be booked: {error.diag.message_primary}")
            return [refused] * len(operations)
    else:
        done = _answers(conn, chosen, list(given.values()), rows)
        for index in differing(conn, chosen, list(given.values()), rows):
            done[index] = RequestDiffersError("the key was used before, for another request")
        for place, row, answer in zip(given, rows, done, strict=True):
            if row[1] != "again":  # another operation on the same reservation was in the group
                answers[place] = answer
    return [
        answers[place] if place in answers else transact(conn, [one], book, now, known)[0]
        for place, one in enumerate(operations)
    ]


def _made(
    operations: Sequence[Operation],
    book: PriceBook,
    holds: Mapping[UUID, Hold],
    now: datetime,
) -> tuple[dict[int, Mapping[str, object]], dict[int, Done | CynicError]]:
    """The fields of what can be done at once, and why others cannot be done, by their places.

    In neither are requests whose key stands earlier in the group: what becomes of that one is their answer too.
    """
    given: dict[int, Mapping[str, object]] = {}
    failed: dict[int, Done | CynicError] = {}
    keys: set[str] = set()
    for place, one in enumerate(operations):
        if one.request_key in keys:
            continue
        try:
            given[place] = operation_fields(one, book, holds, now)
        except CynicError as error:
            failed[place] = error
        except Exception as error:  # noqa: BLE001  # others who came at the same time must not pay for it
            failed[place] = NotBookedError(f"this cannot be booked: {error}")
        if one.request_key is not None:
            keys.add(one.request_key)
    return given, failed


def charges(reports: Iterable[tuple[Report, Price | NoPrice]], *, is_history: bool = False) -> str:
    """Calls with our prices of them, ready for `charge`. A cost that was reported is a claim beside our price.

    Of `is_history` what was called before the period of the budget began is not charged to it.
    """
    calls: list[dict[str, object]] = []
    for report, ours in reports:
        fields: dict[str, object] = {"place": len(calls)}
        add_report(fields, report)
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


def _entry(fields: Mapping[str, Any], row: tuple[Any, ...]) -> Entry:
    """The row that was just booked, from what was sent and what was answered."""
    level, get = row[5], fields.get

    def amount(name: str) -> Decimal | None:
        text = get(name)
        return None if text is None else Decimal(text)

    return Entry(
        ledger_id=row[2],
        session_id=get("session_id"),
        task_id=get("task_id"),
        router_type=get("router_type"),
        provider=get("provider") or "",
        model=get("model") or "",
        tokens_input=fields["tokens_input"],
        tokens_output=fields["tokens_output"],
        cost_usd=amount("cost_usd"),
        source=get("source") or fields["kind"],
        unpriced_reason=get("unpriced_reason"),
        our_cost_usd=amount("our_cost_usd"),
        claimed_cost_usd=amount("claimed_cost_usd"),
        price_source=get("price_source"),
        price_version=get("price_version"),
        budget_before=row[3],
        budget_after=row[4],
        budget_level=level,
        degraded=row[6],
        circuit_breaker_active=level == "exhausted",
        savings_usd=amount("savings_usd") or Decimal(),
        timestamp=row[14],
        response_id=get("response_id"),
        trace_id=get("trace_id"),
        span_id=get("span_id"),
        task_type=get("task_type"),
        task_complexity=get("task_complexity"),
        corrects_id=None,
        credit_usd=Decimal(),
        is_past=False,
    )
