"""`/sessions`: what agents did, newest activity first. `/sessions/{id}`: one session with its tools, files and turns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request  # FastAPI reads them
from fastapi.responses import HTMLResponse

from cynic.base.checks import InvalidFieldError, check_text
from cynic.reads import session, sessions
from cynic.reads.place import BadQueryError
from cynic.reads.sessions import Filters
from cynic.web import frame, render, session_show

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_ROWS: Final = 50
TEXT_CHARACTERS_MAX: Final = 1024

router = APIRouter(prefix="/sessions", include_in_schema=False, default_response_class=HTMLResponse)


@router.get("")
def newest(  # noqa: PLR0917  # one argument for each filter
    request: Request,
    directory: str = "",
    agent: str = "",
    since: str = "",
    until: str = "",
    failed: str = "",
    cursor: str = "",
) -> HTMLResponse:
    """Show sessions, newest activity first; `since` and `until` are days, both included."""
    asked = {
        "directory": directory,
        "agent": agent,
        "since": since,
        "until": until,
        "failed": failed,
    }
    given = {name: value for name, value in asked.items() if value}
    return frame.answered(request, lambda: _list(request, given, cursor or None))


@router.get("/{session_id:path}")
def one(request: Request, session_id: str, turn: str = "1") -> HTMLResponse:
    """Show one session; an id may hold anything, also slashes."""
    return frame.answered(request, lambda: _one(request, session_id, turn))


def _list(request: Request, asked: Mapping[str, str], cursor: str | None) -> HTMLResponse:
    for name, value in asked.items():
        check_text(value, name, TEXT_CHARACTERS_MAX)
    filters = Filters(
        directory=asked.get("directory"),
        agent=asked.get("agent"),
        since=_day(asked.get("since"), 0),
        until=_day(asked.get("until"), 1),
        failed="failed" in asked,
    )
    with frame.memory(request).connection() as conn:
        found = sessions.page(conn, filters, limit=PAGE_ROWS, cursor=cursor)
    return render.page(
        request,
        "sessions.html",
        state=frame.state(request),
        lines=found.lines,
        titled=session_show.title,
        asked=asked,
        first=cursor is None,
        newest_query=urlencode(asked),
        next_query=urlencode({**asked, "cursor": found.cursor}) if found.cursor else None,
    )


def _one(request: Request, session_id: str, turn: str) -> HTMLResponse:
    try:
        check_text(session_id, "session_id", TEXT_CHARACTERS_MAX)
    except InvalidFieldError as error:
        raise sessions.NoSuchSessionError("no session can have this id") from error
    if not turn.isascii() or not turn.isdigit() or len(turn) > len(str(session.TURN_NUMBER_MAX)):
        raise BadQueryError("a turn is a number from 1 on")
    found = frame.memory(request).session(session_id, from_turn=int(turn))
    return render.page(
        request,
        "session.html",
        state=frame.state(request),
        found=found,
        line=found.line,
        title=session_show.title(found.line),
        seconds=(found.line.last_active_at - found.line.begun_at).total_seconds(),
        from_turn=int(turn),
        shares=session_show.shares(found.line),
        timeline=session_show.timeline(found),
        timeline_height=session_show.TIMELINE_HEIGHT,
        brief=session_show.brief,
        below=session.below,
        files_open=session_show.FILES_OPEN,
        failures_open=session_show.FAILURES_OPEN,
    )


def _day(text: str | None, days_later: int) -> datetime | None:
    """The beginning of a day in UTC, or of one some days later."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=days_later)
    except (ValueError, OverflowError) as error:
        raise BadQueryError("a day is written as 2026-03-31") from error
