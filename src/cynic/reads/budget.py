"""The budget as people and programs see it: how much is left, how fast it goes, where it went, and why it stopped."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.errors import CynicError
from cynic.base.exact import EXACT, plain, quotient
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

TOP_ROWS: Final = 5
LIST_ROWS_MAX: Final = 200
RATIO_PLACES: Final = 6
_HOURS_PLACES: Final = 1

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("budget.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The budget at one moment; amounts in USD, rates in USD an hour."""

    limit_usd: Decimal
    consumed_usd: Decimal
    held_usd: Decimal
    remaining_usd: Decimal
    level: str
    breaker: bool
    burn_rate_five_minutes: Decimal
    burn_rate_hour: Decimal
    burn_rate_day: Decimal
    burning_since: datetime | None
    velocity_alarm: bool
    total_calls: int
    calls_anthropic: int
    calls_ollama: int
    saved_usd: Decimal
    last_reset: datetime
    next_reset: datetime | None
    last_updated: datetime

    @property
    def ratio(self) -> Decimal | None:
        """Consumed / limit to six places, above 1 when overrun; None for a limit of 0."""
        if not self.limit_usd:
            return None
        return quotient(self.consumed_usd, self.limit_usd, RATIO_PLACES)

    @property
    def runway_hours(self) -> Decimal | None:
        """How long the rest lasts at the speed of the last hour; None when nothing burns."""
        if not self.burn_rate_hour:
            return None
        return quotient(self.remaining_usd, self.burn_rate_hour, _HOURS_PLACES)

    @property
    def overrun_usd(self) -> Decimal:
        """What was consumed beyond the limit: facts are booked also above it."""
        return max(EXACT.subtract(self.consumed_usd, self.limit_usd), Decimal())

    def document(self) -> dict[str, object]:
        """The state as JSON values, money as text; rates are None while nothing burned within a day."""
        burns = self.burning_since is not None
        return {
            "limit_usd": money(self.limit_usd),
            "consumed_usd": money(self.consumed_usd),
            "held_usd": money(self.held_usd),
            "remaining_usd": money(self.remaining_usd),
            "overrun_usd": money(self.overrun_usd),
            "ratio": money(self.ratio),
            "level": self.level,
            "breaker": self.breaker,
            "burn_rate_usd_per_hour": money(self.burn_rate_hour) if burns else None,
            "burn_rate_day_usd_per_hour": money(self.burn_rate_day) if burns else None,
            "runway_hours": None if self.runway_hours is None else float(self.runway_hours),
            "velocity_alarm": self.velocity_alarm,
            "total_calls": self.total_calls,
            "calls_anthropic": self.calls_anthropic,
            "calls_ollama": self.calls_ollama,
            "saved_usd": money(self.saved_usd),
            "last_reset": self.last_reset.isoformat(),
            "next_reset": None if self.next_reset is None else self.next_reset.isoformat(),
        }


def money(amount: Decimal | None) -> str | None:
    """An amount as text without exponent and trailing zeros."""
    return None if amount is None else plain(amount)


def state(conn: psycopg.Connection, now: datetime) -> Budget:
    """The budget at a moment."""
    row = conn.execute(_SQL["state"], {"now": now}).fetchone()
    if row is None:
        raise CynicError("the budget is missing", hint="run cynic db verify")
    return Budget(**dict(zip(Budget.__dataclass_fields__, row, strict=True)))


def explained(conn: psycopg.Connection, now: datetime, *, top: int = TOP_ROWS) -> dict[str, object]:
    """The state with what explains it: top models and sessions and the rest of them, refusals, alerts, what has no price."""
    found = state(conn, now)
    since = {"since": found.last_reset, "limit": top}
    counts = conn.execute(_SQL["counts"], since).fetchone() or (0, 0, 0)
    models, other_models = _split(_listed(conn, "by_model", since), ("provider", "model"))
    sessions, other_sessions = _split(_listed(conn, "by_session", since), ("session_id",))
    return found.document() | {
        "refused": counts[0],
        "unpriced": counts[1],
        "alerts_unseen": counts[2],
        "top_models": models,
        "other_models": other_models,
        "top_sessions": sessions,
        "other_sessions": other_sessions,
        "last_refusals": _listed(conn, "refusals", since),
    }


def _split(
    lines: list[dict[str, object]], names: tuple[str, ...]
) -> tuple[list[dict[str, object]], dict[str, object] | None]:
    """The top lines, and the sum of the others: None where there are none."""
    top: list[dict[str, object]] = []
    others = None
    for line in lines:
        count = line.pop("others")
        if count is None:
            top.append(line)
        else:
            shown = {name: value for name, value in line.items() if name not in names}
            others = {"count": count} | shown
    return top, others


def alerts(conn: psycopg.Connection, *, limit: int = LIST_ROWS_MAX) -> list[dict[str, object]]:
    """Alerts, those that nobody has seen first."""
    return _listed(conn, "alerts", {"limit": limit})


def changes(conn: psycopg.Connection, *, limit: int = LIST_ROWS_MAX) -> list[dict[str, object]]:
    """Changes of the limit and resets, the newest first; a reset holds what its period was."""
    return _listed(conn, "changes", {"limit": limit})


def cheaper(conn: psycopg.Connection) -> list[dict[str, object]]:
    """Which model is taken instead of which when money gets short."""
    return _listed(conn, "cheaper", {})


def unpriced(conn: psycopg.Connection, *, limit: int = LIST_ROWS_MAX) -> list[dict[str, object]]:
    """Calls without a price, by model and reason."""
    names = ("provider", "model", "reason", "calls", "tokens_input", "tokens_output", "first_at", "last_at", "claimed_usd")  # fmt: skip
    rows = conn.execute(_SQL["unpriced"], {"limit": limit})
    return [{name: _shown(v) for name, v in zip(names, row, strict=True)} for row in rows]


def audit(conn: psycopg.Connection) -> dict[str, object]:
    """The ledger read anew against the state: sums, chain, order, holds. `agrees` is true when nothing is wrong."""
    row = conn.execute(_SQL["audit"]).fetchone()
    if row is None:
        raise CynicError("the budget is missing", hint="run cynic db verify")
    consumed, summed, unsound, unlinked, backwards, held, holds, entries = row
    return {
        "entries": entries,
        "consumed_usd": money(consumed),
        "ledger_usd": money(summed),
        "rows_that_do_not_add_up": unsound,
        "rows_that_do_not_meet": unlinked,
        "rows_before_their_time": backwards,
        "held_usd": money(held),
        "reservations_usd": money(holds),
        "agrees": consumed == summed and held == holds and not (unsound or unlinked or backwards),
    }


def _listed(
    conn: psycopg.Connection, name: str, parameters: Mapping[str, object]
) -> list[dict[str, object]]:
    cursor = conn.execute(_SQL[name], parameters)
    names = [column.name for column in cursor.description or ()]
    return [{key: _shown(v) for key, v in zip(names, row, strict=True)} for row in cursor]


def _shown(value: object) -> object:
    if isinstance(value, Decimal):
        return money(value)
    return value if value is None or isinstance(value, str | int) else str(value)
