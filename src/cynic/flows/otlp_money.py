"""Money for what telemetry brings: each call of a model gets our price, and one row of the ledger.

A price is looked up before the budget is locked. Booking takes that lock until the commit, so it comes as late as it can:
only the calls, which name their rows of the ledger, are written after it. A call that the ledger has already, by its
response id or its span, is linked and not booked again. Where a later report changes a call, the difference is booked as
a correction, unless the row is the bill of somebody else; a call that turned out to be none is corrected to nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.cost.pricing import INPUT, OUTPUT, NoPrice, Price, Usage
from cynic.flows import budget, budget_care, budget_fields, spending
from cynic.flows import otlp_rows as rows
from cynic.flows.prices import PriceSource
from cynic.flows.submission import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import psycopg

    from cynic.domains.cost.pricing import PriceBook
    from cynic.domains.telemetry.otlp.calls import Call
    from cynic.domains.telemetry.otlp.merge import Plan
    from cynic.flows.spending import Report

NOTHING: Final = Decimal()
STORED_MAX: Final = 1000
"""Stored calls that are booked in one transaction."""
_LOG = logging.getLogger(__name__)
_SQL: Final = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("otlp_money.sql"))
)


@dataclass(frozen=True, slots=True)
class Booked:
    """What was booked of calls that had been stored before; of `cost_usd` what the budget is not charged is `past_usd`."""

    calls: int = 0
    cost_usd: Decimal = NOTHING
    past_usd: Decimal = NOTHING
    unpriced: int = 0

    def document(self) -> dict[str, object]:
        """It as JSON values, money as text."""
        return {
            "calls": self.calls,
            "cost_usd": plain(self.cost_usd),
            "past_usd": plain(self.past_usd),
            "unpriced": self.unpriced,
        }


class Book:
    """Prices and books the calls of one database. Used by one writer at a time.

    One that `is_history` does not charge the budget for what was called before its period began.
    """

    def __init__(self, *, is_history: bool = False) -> None:
        self._is_history = is_history
        self._source = PriceSource()
        self._prices: PriceBook | None = None
        self._found: dict[int, Price | NoPrice] = {}
        self._fresh: list[Call] = []
        self._charges = ""

    def look(self, conn: psycopg.Connection, now: datetime) -> None:
        """Have the price list at hand, outside the transaction; the first look ever fills an empty one."""
        self._prices = self._source.current(conn, now)

    def price(self, made: Plan) -> None:
        """Put our price on the calls of a plan, and the sum on the traces that are new or only grow."""
        if self._prices is None:
            raise RuntimeError("nobody looked at the prices")
        self._found = {}
        for call in (*made.new_calls.values(), *made.changed_calls.values()):
            found = self._found[id(call)] = _price(call, self._prices)
            call.cost_usd = found.usd if isinstance(found, Price) else None
        for call in made.new_calls.values():
            trace = made.traces.get(call.trace_id) if call.trace_id else None
            if trace is not None and call.cost_usd is not None:
                trace.cost_usd = call.cost_usd + (trace.cost_usd or 0)

    def prepare(self, made: Plan) -> None:
        """Make ready what is to be booked; the server may be busy meanwhile."""
        # A call that changed and was never booked (from before there was a ledger) is booked now.
        changed = [call for call in made.changed_calls.values() if call.ledger_id is None]
        self._fresh = [*made.new_calls.values(), *changed]
        reports = [(_report(call), self._found[id(call)]) for call in self._fresh]
        self._charges = budget.charges(reports, is_history=self._is_history)

    def enter(
        self,
        conn: psycopg.Connection,
        made: Plan,
        now: datetime,
        meanwhile: Callable[[], object],
    ) -> None:
        """Book what is new, correct what changed, and put on each call its row of the ledger.

        `meanwhile` is done while the server books what is new, if anything is.
        """
        former = [*made.gone_calls, *made.changed_calls.values()]
        due = {
            call.ledger_id: self._found.get(id(call))
            for call in former
            if call.ledger_id is not None
        }
        self._move(conn, made, due)
        if self._fresh:
            entries, linked = budget.charge(conn, self._charges, now, meanwhile)
            for call, ledger_id in zip(self._fresh, entries, strict=True):
                call.ledger_id = ledger_id
                if ledger_id in linked:  # it may have been corrected to nothing meanwhile
                    due[ledger_id] = self._found[id(call)]
        self._correct(conn, due, now)

    def _move(
        self,
        conn: psycopg.Connection,
        made: Plan,
        due: dict[int, Price | NoPrice | None],
    ) -> None:
        """Let changed calls whose response id is booked elsewhere too have that row: theirs stands for no call.

        A span may be booked before its response id is known, and whoever settled the call knew no span.
        """
        named = [
            (call, call.ledger_id)
            for call in made.changed_calls.values()
            if call.ledger_id is not None and _own_response(call) is not None
        ]
        if not named:
            return
        given = {
            "entries": [ledger_id for _, ledger_id in named],
            "providers": [budget_fields.canonical(call.adapter) for call, _ in named],
            "responses": [call.response_id for call, _ in named],
            "traces": [call.trace_id for call, _ in named],
            "spans": [call.span_id for call, _ in named],
        }
        moved = dict(conn.execute(_SQL["elsewhere"], given).fetchall())
        for call, former in named:
            if former in moved:
                due[former] = None
                call.ledger_id = now_in = moved[former]
                due[now_in] = self._found[id(call)]

    def catch_up(self, conn: psycopg.Connection, now: datetime) -> Booked:
        """Book all calls that are stored and not booked: those of transcripts, which tell of the past."""
        total = Booked()
        while (row := conn.execute(_SQL["any_unbooked"]).fetchone()) and row[0]:
            self.look(conn, now)
            with conn.transaction():
                one = self._book_stored(conn, now)
            if not one.calls:
                break  # somebody is writing all of them; they come the next time
            total = Booked(
                total.calls + one.calls,
                total.cost_usd + one.cost_usd,
                total.past_usd + one.past_usd,
                total.unpriced + one.unpriced,
            )
        return total

    def _book_stored(self, conn: psycopg.Connection, now: datetime) -> Booked:
        """Book some stored calls in the caller's transaction."""
        conn.execute(_SQL["only_booker"])
        found = conn.execute(_SQL["unbooked"], {"limit": STORED_MAX})
        calls = [rows.read_call(row) for row in found]
        if not calls or self._prices is None:
            return Booked()
        prices = [_price(call, self._prices) for call in calls]
        costs = [found.usd if isinstance(found, Price) else None for found in prices]
        reports = zip(map(_report, calls), prices, strict=True)
        ids, _ = budget.charge(conn, budget.charges(reports, is_history=True), now)
        # One that was booked before has been told of again, and may cost something else now.
        self._correct(conn, dict(zip(ids, prices, strict=True)), now)
        given = {"ids": [call.row_id for call in calls], "costs": costs, "entries": ids}
        conn.execute(_SQL["booked"], given)
        charged, past = conn.execute(_SQL["sums"], {"ids": ids}).fetchone() or (NOTHING, NOTHING)
        return Booked(len(calls), charged, past, costs.count(None))

    def _correct(
        self,
        conn: psycopg.Connection,
        due: Mapping[int, Price | NoPrice | None],
        now: datetime,
    ) -> None:
        """Let rows of the ledger say what calls cost by now; None is no call at all."""
        if not due:
            return
        costs = [found.usd if isinstance(found, Price) else None for found in due.values()]
        # What somebody else reported first is the bill, and stays.
        given = {"ids": list(due), "costs": costs}
        for (ledger_id,) in conn.execute(_SQL["otherwise"], given).fetchall():
            found = due[ledger_id]
            if found is None:
                _correct(conn, ledger_id, None, now)
            elif isinstance(found, Price):  # else what it costs is not known any better now
                _correct(conn, ledger_id, found, now)


def _correct(conn: psycopg.Connection, ledger_id: int, price: Price | None, now: datetime) -> None:
    reason = None if price is not None else "no call of a model after all"
    cost = NOTHING if price is None else price.usd
    try:
        with conn.transaction():
            budget_care.correct(
                *(conn, ledger_id, cost, now), reason=reason, price=price, reporter="otlp"
            )
    except budget_care.ImpossibleCorrectionError as error:
        # The period it was booked in is over: its ledger stays as it was.
        _LOG.warning("ledger row %d was not corrected: %s", ledger_id, error)


def _price(call: Call, prices: PriceBook) -> Price | NoPrice:
    """What `budget_fields.price_of` says of the call's report, without making one."""
    if not call.is_usage_told:
        return NoPrice(spending.UNTOLD)
    counts = spending.telemetry_usage(
        call.tokens_cache_read, call.tokens_cache_write, call.tokens_reasoning
    )
    counts[INPUT], counts[OUTPUT] = call.tokens_input, call.tokens_output
    at = rows.time(call.ended_us)
    return prices.price(call.adapter, call.model, Usage(counts=counts), at)


def _own_response(call: Call) -> str | None:
    """The call's response id; an id that names several calls cannot tell which, so the span does."""
    return None if f" {call.response_id} " in call.call_key else call.response_id


def _report(call: Call) -> Report:
    """What is booked for a call."""
    return spending.telemetry_report(
        # A transcript does not know when a call began.
        source="otlp" if call.started_us is not None else "transcript",
        adapter=call.adapter,
        model=call.model,
        tokens_input=call.tokens_input,
        tokens_output=call.tokens_output,
        tokens_cache_read=call.tokens_cache_read,
        tokens_cache_write=call.tokens_cache_write,
        tokens_reasoning=call.tokens_reasoning,
        claimed_cost_usd=call.claimed_cost_usd,
        occurred_at=rows.time(call.ended_us),
        response_id=_own_response(call),
        trace_id=call.trace_id,
        span_id=call.span_id,
        session_id=call.session_id,
        is_usage_told=call.is_usage_told,
    )
