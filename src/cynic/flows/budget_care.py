"""What people do to the budget: set its limit, begin anew, correct a cost, price what had none, see an alert."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

from psycopg import DataError, IntegrityError, errors

from cynic.base.checks import InvalidFieldError
from cynic.base.errors import ConflictError, CynicError, InvalidDataError, NotFoundError
from cynic.base.exact import EXACT
from cynic.db import sqlfile
from cynic.domains.cost.pricing import INPUT, OUTPUT, NoPrice, Price, Usage
from cynic.flows import budget, spending

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.budget_answers import Entry

BATCH_ROWS: Final = 500

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("budget.sql")))


class LimitChangedError(ConflictError):
    """Somebody else changed the limit meanwhile."""

    code = "limit-changed"


class UnknownEntryError(NotFoundError):
    """There is no such ledger row or alert."""

    code = "unknown-entry"


class ImpossibleCorrectionError(InvalidDataError):
    """More would be taken back than was consumed since the last reset."""

    code = "impossible-correction"


@dataclass(frozen=True, slots=True)
class Repriced:
    """What became of the calls without a price."""

    priced: int
    cost_usd: Decimal
    left: int


def set_limit(  # each is one part of the change
    conn: psycopg.Connection,
    limit_usd: Decimal,
    now: datetime,
    *,
    expected_usd: Decimal | None = None,
    by: str | None = None,
    next_reset: datetime | None = None,
) -> None:
    """Set the limit; with `expected_usd` only if that is the limit still. `next_reset` is a time to come."""
    given = {
        "limit": limit_usd,
        "expected": expected_usd,
        "by": by,
        "next_reset": spending.later(next_reset, "next_reset", now),
        "now": now,
    }
    try:
        conn.execute(_SQL["set_limit"], given)
    except errors.SerializationFailure as error:
        raise LimitChangedError(
            str(error.diag.message_primary), hint="look at the budget again, then decide"
        ) from error


def reset(
    conn: psycopg.Connection,
    now: datetime,
    *,
    limit_usd: Decimal | None = None,
    by: str | None = None,
    next_reset: datetime | None = None,
) -> None:
    """Begin a new period; the ledger and what the former period was stay."""
    until = spending.later(next_reset, "next_reset", now)
    given = {"limit": limit_usd, "by": by, "next_reset": until, "now": now}
    conn.execute(_SQL["reset"], given)


def correct(
    conn: psycopg.Connection,
    ledger_id: int,
    cost_usd: Decimal,
    now: datetime,
    *,
    reason: str | None = None,
    price: Price | None = None,
    reporter: str = "correction",
) -> Entry | None:
    """Say what a booked call truly cost; the row that books the difference, None when that is booked already.

    What a person corrected (the reporter `correction`) telemetry does not correct again.
    """
    given = {
        "ledger_id": ledger_id,
        "cost": cost_usd,
        "reason": reason,
        "source": None if price is None else price.source,
        "version": None if price is None else price.version,
        "reporter": reporter,
        "now": now,
    }
    try:
        row = conn.execute(_SQL["correct"], given).fetchone()
    except errors.NoDataFound as error:
        raise UnknownEntryError(f"there is no ledger row {ledger_id}") from error
    except errors.InvalidParameterValue as error:
        raise ImpossibleCorrectionError(str(error.diag.message_primary)) from error
    made = None if row is None else row[0]
    return None if made is None else budget.entries_of(conn, [made])[0]


def reprice(conn: psycopg.Connection, book: PriceBook, now: datetime) -> Repriced:
    """Price what had no price, each call by what was valid when it was made, with an entry that points at it.

    What cannot be priced or booked is left, and keeps no other out.
    """
    priced, total, left, after = 0, Decimal(), 0, 0
    while rows := conn.execute(_SQL["unpriced"], {"after": after, "limit": BATCH_ROWS}).fetchall():
        for ledger_id, *call in rows:
            found = _price(book, *call)
            if not isinstance(found, Price):
                left += 1
                continue
            try:
                with conn.transaction():
                    correct(
                        *(conn, ledger_id, found.usd, now),
                        reason="priced later",
                        price=found,
                        reporter="reprice",
                    )
                    conn.execute(_SQL["repriced"], {"ledger_id": ledger_id, "cost": found.usd})
            except (CynicError, DataError, IntegrityError):
                left += 1
                continue
            priced += 1
            total = EXACT.add(total, found.usd)
        after = rows[-1][0]
    return Repriced(priced, total, left)


def _price(  # noqa: PLR0917  # the columns of the statement
    book: PriceBook,
    provider: str,
    model: str,
    tokens_input: int,
    tokens_output: int,
    usage: Mapping[str, Any],
    unpriced_reason: str | None,
    at: datetime,
) -> Price | NoPrice:
    """Our price of a call by what the ledger kept of it."""
    if unpriced_reason in spending.USAGE_UNKNOWN:
        return NoPrice(str(unpriced_reason))
    kept = dict(usage)
    request = kept.pop(spending.REQUEST, {})
    if not isinstance(request, dict):
        return NoPrice(f"a count stands under the name {spending.REQUEST}")
    try:
        counts = {unit: Decimal(str(count)) for unit, count in kept.items()}
    except InvalidOperation:
        return NoPrice("what was kept of its usage is no number")
    counts |= {INPUT: Decimal(tokens_input), OUTPUT: Decimal(tokens_output)}
    context = cast("dict[str, str]", request)
    return book.price(provider, model, Usage(counts=counts, context=context), at)


def acknowledge(conn: psycopg.Connection, alert_id: int, by: str | None, now: datetime) -> None:
    """Somebody has seen an alert; the first one stays."""
    given = {"alert_id": alert_id, "by": by, "now": now}
    if conn.execute(_SQL["acknowledge"], given).fetchone() is None:
        raise UnknownEntryError(f"there is no alert {alert_id}")


def set_cheaper(
    conn: psycopg.Connection, model: tuple[str, str], instead: tuple[str, str] | None
) -> None:
    """Which (provider, model) to take instead of another when money gets short; None takes that away."""
    named = {"provider": model[0], "model": model[1]}
    if instead is None:
        conn.execute(_SQL["unset_cheaper"], named)
        return
    if [name.lower() for name in model] == [name.lower() for name in instead]:
        raise InvalidFieldError("cheaper", f"{model[0]}/{model[1]} is no other model than itself")
    cheaper = {"cheaper_provider": instead[0], "cheaper_model": instead[1]}
    conn.execute(_SQL["set_cheaper"], named | cheaper)
