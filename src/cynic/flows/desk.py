"""The desk of one open memory: threads ask for money here, and what they ask at the same time is done together."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cynic.base.checks import check_text
from cynic.base.errors import CynicError
from cynic.flows import budget
from cynic.flows.budget_answers import BudgetRefusedError, Entry, Reservation
from cynic.flows.budget_fields import Hold, Operation, hold_of
from cynic.flows.gather import Gatherer
from cynic.flows.prices import PriceSource
from cynic.flows.spending import ID_CHARACTERS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import psycopg

    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.budget import Done
    from cynic.flows.edge import Edge
    from cynic.flows.spending import Ask, Report


HOLDS_KEPT_MAX: Final = 10_000
"""Reservations remembered, so that settling one needs no question; one that is forgotten is asked for."""


class Desk:
    """Safe to share between threads. `connect` lends a connection in autocommit mode; `edge` knows the time."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[psycopg.Connection]],
        edge: Callable[[psycopg.Connection], Edge],
    ) -> None:
        self._connect = connect
        self._edge_of = edge
        self._edge: Edge | None = None
        self.prices = PriceSource()
        self._holds: OrderedDict[UUID, Hold] = OrderedDict()
        self._gatherer = Gatherer[Operation, "Done | CynicError"](self._work)

    def reserve(self, ask: Ask, *, key: str | None = None, caller: str = "") -> Reservation:
        """Ask to spend; the answer may be a refusal.

        The same idempotency key with the same request again gets the first answer while the hold lasts, and once it has
        ended a refusal; with another request it is `RequestDiffersError`.
        """
        edge = self.edge()
        new_id = edge.new_id() if key is None else UUID(edge.digest(_named(caller, key))[:32])
        made = self._reservation(Operation(kind="reserve", reservation_id=new_id, ask=ask))
        if made.refused and made.decision != "refuse":
            reason = f"the reservation under this key is {made.state}; ask under another key"
            return replace(made, decision="refuse", reason=reason)
        return made

    def settle(self, reservation_id: UUID, report: Report) -> Entry:
        """Book what the call cost and give back the rest of the hold; again, it is the first answer."""
        return self._entry(Operation(kind="settle", reservation_id=reservation_id, report=report))

    def release(self, reservation_id: UUID) -> Reservation:
        """Give the hold back: nothing was spent."""
        return self._reservation(Operation(kind="release", reservation_id=reservation_id))

    def charge(self, report: Report, *, key: str | None = None, caller: str = "") -> Entry:
        """Book a call that was not reserved; a call that is booked already is linked. A key stands for one report."""
        request_key = None if key is None else _named(caller, key)
        return self._entry(Operation(kind="charge", report=report, request_key=request_key))

    def book(self, conn: psycopg.Connection) -> PriceBook:
        """The prices as they are now."""
        return self.prices.current(conn, self._edge_of(conn).clock())

    def current_book(self) -> PriceBook:
        """The prices as they are now, over a connection of its own."""
        with self._connect() as conn:
            return self.book(conn)

    def edge(self) -> Edge:
        """The clock and the source of identifiers; a connection is taken for them once."""
        if self._edge is None:
            with self._connect() as conn:
                self._edge = self._edge_of(conn)
        return self._edge

    def _reservation(self, operation: Operation) -> Reservation:
        answer = self._ask(operation)
        if not isinstance(answer, Reservation):
            raise TypeError
        return answer

    def _entry(self, operation: Operation) -> Entry:
        answer = self._ask(operation)
        if not isinstance(answer, Entry):
            raise TypeError
        return answer

    def _ask(self, operation: Operation) -> Done:
        answer = self._gatherer.ask(operation)
        if isinstance(answer, CynicError):
            raise answer
        return answer

    def _work(self, operations: Sequence[Operation]) -> Sequence[Done | CynicError]:
        now = self.edge().clock()
        with self._connect() as conn:
            book = self.prices.current(conn, now)
            answers = budget.transact(conn, operations, book, now, self._holds)
        for operation, answer in zip(operations, answers, strict=True):
            if operation.ask is not None and isinstance(answer, Reservation):
                self._holds[answer.reservation_id] = hold_of(operation.ask, answer)
            elif operation.reservation_id is not None:
                self._holds.pop(operation.reservation_id, None)
        while len(self._holds) > HOLDS_KEPT_MAX:
            self._holds.popitem(last=False)
        return answers


def refuse(reservation: Reservation) -> BudgetRefusedError:
    """The refusal of a reservation as an error."""
    return BudgetRefusedError(
        f"the budget refuses this: {reservation.reason}",
        hint="see cynic budget; raise the limit with cynic budget set, or start anew with cynic budget reset",
        details={"reservation_id": str(reservation.reservation_id)},
    )


def _named(caller: str, key: str) -> str:
    check_text(key, "Idempotency-Key", ID_CHARACTERS_MAX)
    return json.dumps([caller, key])
