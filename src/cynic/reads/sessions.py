"""What agents did: a page of sessions, each with its prompts, tool calls, model calls, tokens, cost and judgments."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from psycopg.rows import class_row

from cynic.base.errors import NotFoundError
from cynic.db import sqlfile
from cynic.reads.place import BadQueryError, cursor_of, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import psycopg

PAGE_ROWS_DEFAULT: Final = 20
PAGE_ROWS_MAX: Final = 500
PROMPT_CHARACTERS_SHOWN: Final = 400

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("sessions.sql")))


class NoSuchSessionError(NotFoundError):
    """No session has this id."""

    code = "no-such-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which sessions; all conditions hold together. A moment without an offset is UTC."""

    since: datetime | None = None
    """Active at this moment or later."""
    until: datetime | None = None
    """Begun before this moment."""
    directory: str | None = None
    """A part of the working directory, in any case."""
    agent: str | None = None
    failed: bool = False
    """Only those in which a tool call failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One session as a list shows it. A number of which no row is kept is None: not known, and not 0."""

    id: UUID
    session_id: str
    user: str | None
    agent: str | None
    agent_version: str | None
    working_directory: str | None
    git_branch: str | None
    begun_at: datetime
    last_active_at: datetime
    first_prompt: str | None
    """Its beginning, up to `PROMPT_CHARACTERS_SHOWN` characters."""
    prompts: int | None
    tool_calls: int | None
    failed_calls: int | None
    """Of the tool calls, those that ended in an error."""
    denied_calls: int | None
    """Of the tool calls, those that a person or a rule refused."""
    model_calls: int | None
    tokens_input: int | None
    tokens_output: int | None
    tokens_cache_read: int | None
    """A part of `tokens_input`, as is `tokens_cache_write`; None when no call told it."""
    tokens_cache_write: int | None
    cost_usd: Decimal | None
    """Of the calls whose price is known; None when no price is."""
    unpriced_calls: int | None
    """How many model calls `cost_usd` does not hold."""
    judgment_count: int

    def document(self) -> dict[str, object]:
        """The line as JSON values; money as text, exact."""
        found = cast("dict[str, object]", plain(asdict(self)))
        del found["id"]
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions, newest activity first; `cursor` leads to the next page and is None on the last one."""

    lines: list[Line]
    cursor: str | None


def page(
    conn: psycopg.Connection,
    filters: Filters | None = None,
    *,
    limit: int = PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
) -> Page:
    """Read one page; a session that becomes active meanwhile moves to the first page and hides no other."""
    filters = filters or Filters()
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise BadQueryError(f"a page has 1 to {PAGE_ROWS_MAX} sessions, not {limit}")
    at, last = place_of(cursor)
    parameters = {
        "since": _aware(filters.since),
        "until": _aware(filters.until),
        "directory": filters.directory,
        "agent": filters.agent,
        "failed": filters.failed,
        "clip": PROMPT_CHARACTERS_SHOWN,
        "before_at": at,
        "before_id": last,
        "limit": limit + 1,
    }
    with conn.cursor(row_factory=class_row(Line)) as rows:
        found = rows.execute(_SQL["page"], parameters).fetchall()
    kept = found[:limit]
    more = len(found) > limit
    return Page(kept, cursor_of(kept[-1].last_active_at, kept[-1].id) if more else None)


def line(conn: psycopg.Connection, session_id: str) -> Line:
    """One session as a list shows it."""
    parameters = {"session_id": session_id, "clip": PROMPT_CHARACTERS_SHOWN}
    with conn.cursor(row_factory=class_row(Line)) as rows:
        found = rows.execute(_SQL["one"], parameters).fetchone()
    if found is None:
        raise NoSuchSessionError(f"there is no session {session_id}")
    return found


def plain(value: object) -> object:
    """A value as JSON has it: moments as ISO 8601, exact numbers as text."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in cast("list[object]", value)]
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
