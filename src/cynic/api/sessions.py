"""Sessions over HTTP: what agents did when, with which tools, how many tokens, which files, and where it failed."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # FastAPI reads it
from typing import Annotated

from fastapi import APIRouter, Query, Request  # FastAPI reads them
from fastapi.responses import JSONResponse

from cynic.api import session_models as models
from cynic.api.describe import problems
from cynic.api.state import memory_of
from cynic.base.checks import check_text
from cynic.reads import session, sessions

TEXT_CHARACTERS_MAX = 1024
Text = Annotated[str, Query(min_length=1, max_length=TEXT_CHARACTERS_MAX)]

router = APIRouter(prefix="/api/v1", tags=["sessions"])


@router.get("/sessions", responses={200: {"model": models.SessionPage}, **problems(422, 503)})
def list_sessions(  # noqa: PLR0917  # one argument for each filter
    request: Request,
    since: Annotated[
        datetime | None, Query(description="active at this moment or later; UTC without an offset")
    ] = None,
    until: Annotated[datetime | None, Query(description="begun before this moment")] = None,
    directory: Annotated[Text | None, Query(description="part of the working directory")] = None,
    agent: Text | None = None,
    failed: Annotated[  # noqa: FBT002  # a query parameter
        bool, Query(description="only those in which a tool call failed")
    ] = False,
    limit: Annotated[int, Query(ge=1, le=sessions.PAGE_ROWS_MAX)] = sessions.PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
) -> JSONResponse:
    """List sessions, newest activity first, in pages; conditions hold together. A number not known is null."""
    for name, text in (("directory", directory), ("agent", agent)):
        if text is not None:
            check_text(text, name, TEXT_CHARACTERS_MAX)
    page = memory_of(request).sessions(
        since=since,
        until=until,
        directory=directory,
        agent=agent,
        failed=failed,
        limit=limit,
        cursor=cursor,
    )
    return JSONResponse(
        {"sessions": [line.document() for line in page.lines], "cursor": page.cursor}
    )


@router.get(
    "/sessions/{session_id:path}",
    responses={200: {"model": models.SessionShown}, **problems(404, 422, 503)},
)
def one_session(
    request: Request,
    session_id: str,
    from_turn: Annotated[int, Query(ge=1, le=session.TURN_NUMBER_MAX)] = 1,
) -> JSONResponse:
    """Show one session with a page of its turns, its tools, files, failures, models, timeline and judgments."""
    check_text(session_id, "session_id", TEXT_CHARACTERS_MAX)
    return JSONResponse(memory_of(request).session(session_id, from_turn=from_turn).document())
