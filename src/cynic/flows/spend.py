"""Spending inside a `with` block: reserve at its beginning, settle in it, release where it fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cynic.flows import spending
from cynic.flows.desk import refuse

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from cynic.flows.budget_answers import Entry, Reservation
    from cynic.flows.desk import Desk


class Spending:
    """What may be spent: call `provider` and `model` (they may be cheaper ones than asked for), then `settle`."""

    def __init__(self, desk: Desk, reservation: Reservation) -> None:
        self._desk = desk
        self.reservation = reservation
        self.entry: Entry | None = None
        """The ledger row, once settled."""

    @property
    def provider(self) -> str:
        """Whom to call."""
        return self.reservation.provider

    @property
    def model(self) -> str:
        """Which model to call."""
        return self.reservation.model

    def settle(self, **fields: Any) -> Entry:
        """Book what the call cost; the fields are those of `POST …/settle`."""
        return self.report(spending.read_settlement(fields))

    def report(self, report: spending.Report) -> Entry:
        """Book a report that was read already."""
        self.entry = self._desk.settle(self.reservation.reservation_id, report)
        return self.entry


@contextmanager
def spend(desk: Desk, fields: Mapping[str, object]) -> Generator[Spending]:
    """Reserve, or raise `BudgetRefusedError`. A block that fails unsettled gives the hold back.

    One that ends without settling is a call that nobody reported: it is booked without a price, and listed as such.
    """
    reservation = desk.reserve(spending.read_ask(dict(fields)))
    if reservation.refused:
        raise refuse(reservation)
    spent = Spending(desk, reservation)
    try:
        yield spent
    except BaseException:
        if spent.entry is None:
            desk.release(reservation.reservation_id)
        raise
    if spent.entry is None:
        spent.report(
            spending.Report(
                provider=None,
                model=None,
                tokens_input=0,
                tokens_output=0,
                source="settle",
                unpriced_reason=spending.UNREPORTED,
            )
        )
