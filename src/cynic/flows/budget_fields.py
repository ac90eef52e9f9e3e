"""An operation on the budget as the fields that its statement reads: what was asked or reported, and our price with it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from cynic.base.exact import EXACT
from cynic.domains.cost.pricing import INPUT, OUTPUT, NoPrice, Price, Usage
from cynic.flows.spending import REQUEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.budget_answers import Reservation
    from cynic.flows.spending import Ask, Report, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing to do under the lock."""

    kind: Literal["reserve", "settle", "release", "charge"]
    reservation_id: UUID | None = None
    ask: Ask | None = None
    report: Report | None = None
    request_key: str | None = None


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


def hold_of(ask: Ask, made: Reservation) -> Hold:
    """What a settlement will ask about a reservation that was just made."""
    task = ask.task
    return Hold(
        made.provider,
        made.model,
        canonical(ask.provider),
        ask.model,
        task.session_id,
        task.task_id,
        task.task_type,
        task.router_type,
        task.task_complexity,
    )


def operation_fields(
    one: Operation, book: PriceBook, holds: Mapping[UUID, Hold], now: datetime
) -> dict[str, object]:
    """An operation as a JSON object, without its place; `holds` has the reservations that are settled."""
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
        add_report(fields, one.report)
        _add_cost(fields, one.report, book, hold, now)
    return fields


def canonical(provider: str) -> str:
    """A provider as the ledger spells it, so that one call that is told of in two spellings is one."""
    return provider.lower().strip()


def _add_task(fields: dict[str, object], task: Task | Hold) -> None:
    for name in ("session_id", "task_id", "task_type", "router_type", "task_complexity"):
        if (value := getattr(task, name)) is not None:
            fields[name] = value


def add_report(fields: dict[str, object], report: Report) -> None:
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
        fields["savings_usd"] = str(max(EXACT.subtract(asked.usd, booked), Decimal()))


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
    """What a later pricing needs: counts as numbers or exact text, and the kind of request under `REQUEST`."""
    kept: dict[str, object] = {
        unit: count if isinstance(count, int) else str(count)
        for unit, count in report.usage.items()
    }
    return kept | ({REQUEST: dict(report.request)} if report.request else {})
