"""Tokens and cost by day, provider and model, and the hourly metrics: exact at every moment, however late a span comes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg.rows import class_row

from cynic.db import sqlfile
from cynic.reads.place import BadQueryError
from cynic.reads.sessions import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 3_660
HOURS_DEFAULT: Final = 24
HOURS_MAX: Final = 24 * 366
METRIC_ROWS_MAX: Final = 10_000
SNAPSHOTS_MAX: Final = 1_000
METRICS: Final = (
    "llm.count", "llm.tokens_input", "llm.tokens_output", "llm.tokens_cache_read", "llm.tokens_cache_write",
    "llm.tokens_reasoning", "llm.cost_usd", "llm.latency_ms", "tool.count", "tool.errors", "tool.duration_ms",
    "span.count", "span.errors", "span.duration_ms", "trace.count", "trace.errors", "trace.duration_ms",
)  # fmt: skip

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("usage.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the calls of one model told. Cache and reasoning tokens are parts, not extras; None where no call told any."""

    calls: int
    untold_calls: int
    """How many of them told no tokens: the sums do not hold them."""
    tokens_input: int | None
    tokens_output: int | None
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    tokens_reasoning: int | None
    cost_usd: Decimal | None
    """Of the calls whose price is known; None when no price is."""
    unpriced_calls: int
    """How many calls `cost_usd` does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Tokens):
    """One model on one day, in UTC."""

    day: date
    adapter: str
    model: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Days from `since` up to and including `until`, newest first, and their sum."""

    since: date
    until: date
    lines: list[Line]
    total: Tokens

    def document(self) -> dict[str, object]:
        """The usage as JSON values; money as text, exact."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "total": plain(asdict(self.total)),
            "days": [
                {**cast("dict[str, object]", plain(asdict(line))), "day": line.day.isoformat()}
                for line in self.lines
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One metric in one hour, of one operation and model; `changing` when rows of the hour changed since it was summed."""

    hour_bucket: datetime
    metric_name: str
    operation: str | None
    adapter: str | None
    model: str | None
    sample_count: int | None
    value: Decimal
    """The sum."""
    p50: Decimal | None
    p95: Decimal | None
    p99: Decimal | None
    changing: bool

    def document(self) -> dict[str, object]:
        """The hour as JSON values; numbers that may be fractions as text, exact."""
        return cast("dict[str, object]", plain(asdict(self)))


def days(since: date | None, until: date | None, now: datetime) -> tuple[date, date]:
    """The days asked for: `DAYS_DEFAULT` up to today unless they are given."""
    last = until or now.astimezone(UTC).date()
    try:
        return since or last - timedelta(days=DAYS_DEFAULT - 1), last
    except OverflowError as error:
        raise BadQueryError("there are no days before that one") from error


def hours(
    since: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """The hours asked for: `HOURS_DEFAULT` up to now unless they are given."""
    end = _aware(until or now)
    try:
        return _aware(since) if since else end - timedelta(hours=HOURS_DEFAULT), end
    except OverflowError as error:
        raise BadQueryError("there are no hours before that one") from error


def tokens(conn: psycopg.Connection, *, since: date, until: date) -> Usage:
    """Tokens by day and model; both days are included."""
    if not 0 <= (until - since).days < DAYS_MAX:
        raise BadQueryError(f"a span of days has 1 to {DAYS_MAX} days, and ends after it begins")
    with conn.cursor(row_factory=class_row(Line)) as rows:
        found = rows.execute(_SQL["tokens"], {"since": since, "until": until}).fetchall()
    return Usage(since, until, found, _total(found))


def hourly(
    conn: psycopg.Connection,
    metric: str,
    *,
    since: datetime,
    until: datetime,
    operation: str | None = None,
    model: str | None = None,
) -> list[Hour]:
    """A metric hour by hour, newest first, at most `METRIC_ROWS_MAX` rows."""
    if metric not in METRICS:
        raise BadQueryError(f"there is no metric {metric}; there are: {', '.join(METRICS)}")
    since, until = _aware(since), _aware(until)
    if not timedelta(0) < until - since <= timedelta(hours=HOURS_MAX):
        raise BadQueryError(f"a span of hours has 1 to {HOURS_MAX} hours, and ends after it begins")
    parameters = {
        "metric": metric,
        "since": since,
        "until": until,
        "operation": operation,
        "model": model,
        "limit": METRIC_ROWS_MAX,
    }
    with conn.cursor(row_factory=class_row(Hour)) as rows:
        return rows.execute(_SQL["hourly"], parameters).fetchall()


def snapshots(conn: psycopg.Connection, limit: int) -> list[dict[str, object]]:
    """How much is stored and how much waits, newest first, as the service noted it every few minutes."""
    found = conn.execute(_SQL["snapshots"], {"limit": min(limit, SNAPSHOTS_MAX)}).fetchall()
    return [{"captured_at": at.isoformat(), **metrics} for at, metrics in found]


def _total(lines: Sequence[Line]) -> Tokens:
    def known(name: str) -> int | None:
        values = [cast("int | None", getattr(line, name)) for line in lines]
        return (
            sum(v for v in values if v is not None) if any(v is not None for v in values) else None
        )

    costs = [line.cost_usd for line in lines if line.cost_usd is not None]
    return Tokens(
        calls=sum(line.calls for line in lines),
        untold_calls=sum(line.untold_calls for line in lines),
        tokens_input=known("tokens_input"),
        tokens_output=known("tokens_output"),
        tokens_cache_read=known("tokens_cache_read"),
        tokens_cache_write=known("tokens_cache_write"),
        tokens_reasoning=known("tokens_reasoning"),
        cost_usd=sum(costs, Decimal(0)) if costs else None,
        unpriced_calls=sum(line.unpriced_calls for line in lines),
    )


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
