"""`/traces`: what was traced, newest or dearest first. `/traces/{id}`: one trace as a tree with times, tokens and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request  # FastAPI reads them
from fastapi.responses import HTMLResponse

from cynic.base.checks import InvalidFieldError, check_text
from cynic.reads import traces
from cynic.reads.place import BadQueryError
from cynic.web import frame, render, trace_show

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE_ROWS: Final = 50
TEXT_CHARACTERS_MAX: Final = 1024
TEXTS: Final = ("operation", "service", "session_id")

router = APIRouter(prefix="/traces", include_in_schema=False, default_response_class=HTMLResponse)


@router.get("")
def newest(  # noqa: PLR0917  # one argument for each filter
    request: Request,
    operation: str = "",
    service: str = "",
    session_id: str = "",
    failed: str = "",
    order: str = "",
    cursor: str = "",
) -> HTMLResponse:
    """Show traces; an empty field asks for nothing."""
    asked = {
        "operation": operation,
        "service": service,
        "session_id": session_id,
        "failed": failed,
        "order": order,
    }
    given = {name: value for name, value in asked.items() if value}
    return frame.answered(request, lambda: _list(request, given, cursor or None))


@router.get("/{trace_id:path}")
def one(request: Request, trace_id: str) -> HTMLResponse:
    """Show one trace."""
    return frame.answered(request, lambda: _one(request, trace_id))


def _list(request: Request, asked: Mapping[str, str], cursor: str | None) -> HTMLResponse:
    for name, value in asked.items():
        check_text(value, name, TEXT_CHARACTERS_MAX)
    by_cost = asked.get("order") == "cost"
    if not by_cost and asked.get("order") not in {None, "newest"}:
        raise BadQueryError("traces are in order of newest or of cost")
    found = frame.memory(request).traces(
        order="cost" if by_cost else "newest",
        limit=PAGE_ROWS,
        cursor=cursor,
        failed="failed" in asked,
        **{name: asked.get(name) for name in TEXTS},
    )
    return render.page(
        request,
        "traces.html",
        state=frame.state(request),
        lines=found.lines,
        asked=asked,
        by_cost=by_cost,
        first=cursor is None,
        newest_query=urlencode(asked),
        next_query=urlencode({**asked, "cursor": found.cursor}) if found.cursor else None,
        address=str(request.base_url).rstrip("/"),
    )


def _one(request: Request, trace_id: str) -> HTMLResponse:
    try:
        check_text(trace_id, "trace_id", TEXT_CHARACTERS_MAX)
    except InvalidFieldError as error:
        raise traces.NoSuchTraceError("no trace can have this id") from error
    found = frame.memory(request).trace(trace_id)
    return render.page(
        request,
        "trace.html",
        state=frame.state(request),
        line=found.line,
        fall=trace_show.waterfall(found),
        shown=len(found.spans),
    )
