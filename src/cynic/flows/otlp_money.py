"""Money for what telemetry brings: each call of a model gets our price, and one row of the ledger.

A price is looked up before the transaction and put on the call before it is written. Booking comes last, because it holds the
lock of the budget until the commit. A call that the ledger has already, by its response id or its span, is linked and not
booked again. Where a later report changes a call, the difference is booked as a correction; a call that turned out to
be none is corrected to nothing.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.errors import CynicError
from cynic.db import sqlfile
from cynic.domains.cost.pricing import Price
from cynic.flows import budget, budget_care, spending
from cynic.flows import otlp_rows as rows
from cynic.flows.prices import PriceSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

    from cynic.domains.cost.pricing import NoPrice, PriceBook
    from cynic.domains.telemetry.otlp.calls import Call
    from cynic.domains.telemetry.otlp.merge import Plan
    from cynic.flows.spending import Report

NOTHING: Final = Decimal()
_LOG = logging.getLogger(__name__)
_SQL: Final = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("otlp_money.sql"))
)


class Book:
    """Prices and books the calls of one database. Used by one writer at a time."""

    def __init__(self) -> None:
        self._source = PriceSource()
        self._prices: PriceBook | None = None
        self._found: dict[int, Price | NoPrice] = {}
        self._booked: dict[int, int] = {}

    def look(self, conn: psycopg.Connection, now: datetime) -> None:
        """Have the price list at hand, outside the transaction; the first look ever fills an empty one."""
        self._prices = self._source.current(conn, now)

    def price(self, made: Plan) -> None:
        """Put our price on the calls of a plan, and the sum on the traces that are new or only grow."""
        self._found = {}
        for call in (*made.new_calls.values(), *made.changed_calls.values()):
            found = self._found[id(call)] = self._price(call)
            call.cost_usd = found.usd if isinstance(found, Price) else None
        for call in made.new_calls.values():
            trace = made.traces.get(call.trace_id) if call.trace_id else None
            if trace is not None and call.cost_usd is not None:
                trace.cost_usd = call.cost_usd + (trace.cost_usd or 0)

    def before(self, conn: psycopg.Connection, made: Plan) -> None:
        """Note which ledger rows the calls have that are about to change or to go."""
        ids = [*made.changed_calls, *made.gone_calls]
        self._booked = dict(conn.execute(_SQL["booked"], {"ids": ids}).fetchall()) if ids else {}

    def enter(self, conn: psycopg.Connection, made: Plan, now: datetime) -> None:
        """Book what is new, and correct what changed; call it last."""
        calls = list(made.new_calls.values())
        # A call that changed and was never booked (from before there was a ledger) is booked now.
        calls += [call for row, call in made.changed_calls.items() if row not in self._booked]
        self._enter(conn, calls, now)
        for row, call in made.changed_calls.items():
            if row in self._booked:
                self._correct(conn, self._booked[row], self._found[id(call)], now)
        for row in made.gone_calls:
            if row in self._booked:
                self._correct(conn, self._booked[row], None, now)

    def _enter(self, conn: psycopg.Connection, calls: Sequence[Call], now: datetime) -> None:
        if not calls or self._prices is None:
            return
        reports = [_report(call) for call in calls]
        entries = budget.book_reports(conn, reports, self._prices, now)
        keys = [call.call_key for call in calls]
        ledger = [ledger_id for ledger_id, _ in entries]
        conn.execute(_SQL["entered"], {"keys": keys, "entries": ledger})

    def _correct(
        self, conn: psycopg.Connection, ledger_id: int, found: Price | NoPrice | None, now: datetime
    ) -> None:
        price = found if isinstance(found, Price) else None
        if found is not None and price is None:
            return  # what it costs is not known any better now
        reason = None if price is not None else "no call of a model after all"
        try:
            with conn.transaction():
                cost = NOTHING if price is None else price.usd
                budget_care.correct(conn, ledger_id, cost, now, reason=reason, price=price)
        except (
            CynicError
        ) as error:  # the period it was booked in is over: its ledger stays as it was
            _LOG.warning("ledger row %d was not corrected: %s", ledger_id, error)

    def _price(self, call: Call) -> Price | NoPrice:
        if self._prices is None:
            raise RuntimeError("nobody looked at the prices")
        return budget.price_of(_report(call), self._prices, rows.time(call.ended_us))


def _report(call: Call) -> Report:
    """What is booked for a call. An id that names several calls cannot tell which, so the span does."""
    own_id = call.call_key == f"{call.adapter} {call.response_id}"
    return spending.telemetry_report(
        adapter=call.adapter,
        model=call.model,
        tokens_input=call.tokens_input,
        tokens_output=call.tokens_output,
        tokens_cache_read=call.tokens_cache_read,
        tokens_cache_write=call.tokens_cache_write,
        tokens_reasoning=call.tokens_reasoning,
        claimed_cost_usd=call.claimed_cost_usd,
        occurred_at=rows.time(call.ended_us),
        response_id=call.response_id if own_id else None,
        trace_id=call.trace_id,
        span_id=call.span_id,
        session_id=call.session_id,
        is_usage_told=call.is_usage_told,
    )
