"""The shapes of what the budget is asked and what it answers, as OpenAPI shows them. Money is text."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # pydantic reads it
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cynic.flows.spending import (
    HOLD_SECONDS_DEFAULT,
    HOLD_SECONDS_MAX,
    ID_CHARACTERS_MAX,
    TOKENS_MAX,
    USAGE_UNITS_MAX,
)

_NO_NUL = r"^[^\u0000]*$"
Money = Annotated[str, Field(pattern=r"^\d{1,15}(\.\d{1,30})?$", examples=["0.25"])]
Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX, pattern=_NO_NUL)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=_NO_NUL)]
Tokens = Annotated[int, Field(ge=0, le=TOKENS_MAX)]
Level = Literal["abundant", "cautious", "critical", "exhausted"]
Router = Literal["llm", "kabbalistic", "unified"]
Complexity = Literal["simple", "moderate", "complex"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LimitBody(_Body):
    """The new limit; `expected_usd` makes it a conflict when it is not the limit still."""

    limit_usd: Money
    expected_usd: Money | None = None
    next_reset: datetime | None = None


class ResetBody(_Body):
    """A new period; without a limit the old one stays."""

    limit_usd: Money | None = None
    next_reset: datetime | None = None


class ReservationBody(_Body):
    """A request to spend up to an estimate."""

    estimated_usd: Money
    provider: Id
    model: Id
    holds_seconds: Annotated[int, Field(ge=1, le=HOLD_SECONDS_MAX)] = HOLD_SECONDS_DEFAULT
    session_id: Name | None = None
    task_id: Id | None = None
    task_type: Name | None = None
    router_type: Router | None = None
    task_complexity: Complexity | None = None


class _UsedBody(_Body):
    tokens_input: Tokens
    tokens_output: Tokens
    usage: Annotated[dict[Name, Tokens], Field(max_length=USAGE_UNITS_MAX)] | None = None
    request: Annotated[dict[Name, Name], Field(max_length=USAGE_UNITS_MAX)] | None = None
    cost_usd: Money | None = None
    occurred_at: datetime | None = None
    response_id: Id | None = None
    trace_id: Id | None = None
    span_id: Id | None = None


class SettleBody(_UsedBody):
    """What a call used; `usage` has counts of parts by unit of the price table, as cache_read_tokens."""

    provider: Id | None = None
    model: Id | None = None


class CostBody(_UsedBody):
    """A call that was not reserved."""

    provider: Id
    model: Id
    session_id: Name | None = None
    task_id: Id | None = None
    task_type: Name | None = None
    router_type: Router | None = None
    task_complexity: Complexity | None = None


class ReservationAnswer(BaseModel):
    """What was decided; call `provider` and `model`, which are cheaper ones when degraded.

    Spend only while `state` is held: what was allowed and has been settled, released or has expired is not allowed any
    more.
    """

    reservation_id: str
    decision: Literal["allow", "degrade", "refuse"]
    state: Literal["held", "settled", "released", "expired", "refused"]
    provider: str
    model: str
    estimated_usd: str
    expires_at: datetime
    reason: str | None


class EntryAnswer(BaseModel):
    """A ledger row; `linked` when the call had been booked before. Without a price `cost_usd` is null, with the reason."""

    ledger_id: int
    session_id: str | None
    task_id: str | None
    router_type: str | None
    provider: str
    model: str
    tokens_input: int
    tokens_output: int
    cost_usd: str | None
    source: str | None
    unpriced_reason: str | None
    our_cost_usd: str | None
    claimed_cost_usd: str | None
    price_source: str | None
    price_version: str | None
    budget_before: str
    budget_after: str
    budget_level: Level
    degraded: bool
    circuit_breaker_active: bool
    savings_usd: str
    timestamp: datetime
    response_id: str | None
    trace_id: str | None
    span_id: str | None
    task_type: str | None
    task_complexity: str | None
    corrects_id: int | None
    credit_usd: str
    is_past: bool
    linked: bool


class BudgetState(BaseModel):
    """The budget; rates and runway are null while nothing burns."""

    limit_usd: str
    consumed_usd: str
    held_usd: str
    remaining_usd: str
    overrun_usd: str
    ratio: str | None
    level: Level
    breaker: bool
    burn_rate_usd_per_hour: str | None
    burn_rate_day_usd_per_hour: str | None
    runway_hours: float | None
    velocity_alarm: bool
    total_calls: int
    calls_anthropic: int
    calls_ollama: int
    saved_usd: str
    last_reset: datetime
    next_reset: datetime | None


class ModelCost(BaseModel):
    """What a model cost in this period."""

    provider: str
    model: str
    cost_usd: str | None
    calls: int
    tokens_input: int
    tokens_output: int


class SessionCost(BaseModel):
    """What a session cost in this period."""

    session_id: str | None
    cost_usd: str | None
    calls: int


class OtherModels(BaseModel):
    """What the models below the top ones cost in this period together."""

    count: int
    cost_usd: str | None
    calls: int
    tokens_input: int
    tokens_output: int


class OtherSessions(BaseModel):
    """What the sessions below the top ones cost in this period together."""

    count: int
    cost_usd: str | None
    calls: int


class Refusal(BaseModel):
    """A request that was refused, and why."""

    created_at: str
    provider: str
    model: str
    estimated_usd: str
    reason: str | None
    session_id: str | None


class BudgetShown(BudgetState):
    """The budget with what explains it."""

    refused: int
    unpriced: int
    alerts_unseen: int
    top_models: list[ModelCost]
    other_models: OtherModels | None
    top_sessions: list[SessionCost]
    other_sessions: OtherSessions | None
    last_refusals: list[Refusal]


class UnpricedLine(BaseModel):
    """Calls of a model without a price."""

    provider: str
    model: str
    reason: str | None
    calls: int
    tokens_input: int
    tokens_output: int
    first_at: str
    last_at: str
    claimed_usd: str | None


class UnpricedList(BaseModel):
    """Calls without a price, the most frequent first."""

    unpriced: list[UnpricedLine]


class AlertLine(BaseModel):
    """An alert of spending."""

    id: int
    alert_type: Literal["velocity_alarm", "critical", "exhausted"]
    severity: Literal["warning", "critical", "fatal"]
    message: str
    budget_consumed_usd: str
    budget_level: Level
    burn_rate: str | None
    timestamp: str
    acknowledged: bool
    acknowledged_by: str | None
    acknowledged_at: str | None


class AlertList(BaseModel):
    """Alerts, those that nobody has seen first."""

    alerts: list[AlertLine]


class ChangeLine(BaseModel):
    """A change of the limit, or a reset with what its period was."""

    id: int
    kind: Literal["limit", "reset"]
    limit_before_usd: str
    limit_after_usd: str
    consumed_usd: str
    cost_saved_usd: str
    total_calls: int
    period_began: str
    last_ledger_id: int | None
    changed_at: str
    changed_by: str | None


class ChangeList(BaseModel):
    """Changes of the limit and resets, the newest first."""

    changes: list[ChangeLine]


BODIES: tuple[type, ...] = (LimitBody, ResetBody, ReservationBody, SettleBody, CostBody)
