"""What the budget answers: a reservation, a ledger row, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from cynic.base.errors import ConflictError, FoundWrongError, InvalidDataError, NotFoundError
from cynic.flows.submission import plain

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class UnknownReservationError(NotFoundError):
    """There is no such reservation."""

    code = "unknown-reservation"


class SettledReservationError(ConflictError):
    """The reservation is settled: what was spent cannot be released."""

    code = "settled-reservation"


class BudgetRefusedError(FoundWrongError):
    """The budget does not admit this."""

    code = "budget-refused"


class NotBookedError(InvalidDataError):
    """The database refuses to book this."""

    code = "not-booked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What was decided about a request to spend; `provider` and `model` say whom to call."""

    reservation_id: UUID
    decision: Literal["allow", "degrade", "refuse"]
    state: str
    provider: str
    model: str
    estimated_usd: Decimal
    expires_at: datetime
    reason: str | None

    @property
    def refused(self) -> bool:
        """Whether nothing may be spent: it was refused, or what was allowed has ended since."""
        return self.decision == "refuse" or self.state != "held"

    def document(self) -> dict[str, object]:
        """The answer as JSON values."""
        return {
            "reservation_id": str(self.reservation_id),
            "decision": self.decision,
            "state": self.state,
            "provider": self.provider,
            "model": self.model,
            "estimated_usd": plain(self.estimated_usd),
            "expires_at": self.expires_at.isoformat(),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A ledger row. `linked` says that the call had been booked before, by another report."""

    ledger_id: int
    session_id: str | None
    task_id: str | None
    router_type: str | None
    provider: str
    model: str
    tokens_input: int
    tokens_output: int
    cost_usd: Decimal | None
    source: str | None
    unpriced_reason: str | None
    our_cost_usd: Decimal | None
    claimed_cost_usd: Decimal | None
    price_source: str | None
    price_version: str | None
    budget_before: Decimal
    budget_after: Decimal
    budget_level: str
    degraded: bool
    circuit_breaker_active: bool
    savings_usd: Decimal
    timestamp: datetime
    response_id: str | None
    trace_id: str | None
    span_id: str | None
    task_type: str | None
    task_complexity: str | None
    corrects_id: int | None
    credit_usd: Decimal
    is_past: bool
    linked: bool = False

    def document(self) -> dict[str, object]:
        """The row as JSON values, money as text."""
        return {name: _shown(getattr(self, name)) for name in self.__dataclass_fields__}


def _shown(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    return value if value is None or isinstance(value, str | int) else str(value)
