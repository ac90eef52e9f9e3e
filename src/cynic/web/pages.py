"""`/`: the newest judgments. `/judgments/{id}`: one of them. Errors are pages as well."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Request  # FastAPI reads them
from fastapi.responses import HTMLResponse
from psycopg import OperationalError

from cynic.base.errors import CynicError, NotFoundError, UnavailableError
from cynic.base.verdict import VERDICTS
from cynic.db import browse
from cynic.flows.submission import NAME_CHARACTERS_MAX, InvalidFieldError, check_text
from cynic.reads import judgments
from cynic.reads.judgments import Filters, Page
from cynic.web import render, show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from cynic.flows.worker import Worker
    from cynic.memory import Memory

PAGE_ROWS: Final = 50
_EXAMPLE: Final = """curl -s {url} \\
  -H 'content-type: application/json' \\
  -d '{{"item_type": "code", "item_content": "return a + b",
       "user": "ada", "votes": [
         {{"dog": "Guardian", "score": 0.9}},
         {{"dog": "Analyst", "score": 0.8}},
         {{"dog": "Sage", "score": 0.7}}]}}'"""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/")
def newest(
    request: Request,
    verdict: str = "",
    item_type: str = "",
    user: str = "",
    session_id: str = "",
    cursor: str = "",
) -> HTMLResponse:
    """Show the newest judgments, or the page that a cursor leads to; an empty field asks for nothing."""
    asked = {"verdict": verdict, "item_type": item_type, "user": user, "session_id": session_id}
    given = {name: value for name, value in asked.items() if value}
    return _answered(request, lambda: _list(request, given, cursor or None))


@router.get("/judgments/{judgment_id:path}")
def one(request: Request, judgment_id: str) -> HTMLResponse:
    """Show one judgment; an id may hold anything, also slashes."""
    return _answered(request, lambda: _one(request, judgment_id))


def _list(request: Request, asked: Mapping[str, str], cursor: str | None) -> HTMLResponse:
    for name, value in asked.items():
        check_text(value, name, NAME_CHARACTERS_MAX)
    with _memory(request).connection() as conn:
        filters = Filters(
            verdict=asked.get("verdict"),
            item_type=asked.get("item_type"),
            user=asked.get("user"),
            session_id=asked.get("session_id"),
        )
        found = judgments.page(conn, filters, limit=PAGE_ROWS, cursor=cursor)
        whole = cursor is None and not asked
        count = _count(conn, found) if whole else None
    return render.page(
        request,
        "list.html",
        state=_state(request, count),
        lines=[line.document() for line in found.lines],
        asked=asked,
        first=cursor is None,
        verdicts=VERDICTS,
        bound=show.limits()["bound"],
        newest_query=urlencode(asked),
        next_query=urlencode({**asked, "cursor": found.cursor}) if found.cursor else None,
        example=_EXAMPLE.format(url=shlex.quote(f"{request.base_url}api/v1/judgments")),
    )


def _one(request: Request, judgment_id: str) -> HTMLResponse:
    try:
        check_text(judgment_id, "judgment_id", NAME_CHARACTERS_MAX)
    except InvalidFieldError as error:
        raise judgments.NoSuchJudgmentError("no judgment can have this id") from error
    found = _memory(request).judgment(judgment_id)
    consensus = cast("Mapping[str, object] | None", found["consensus"])
    return render.page(
        request,
        "judgment.html",
        state=_state(request, None),
        found=found,
        content=show.content(found),
        probability=show.probability(found),
        axioms=show.axioms(found),
        unnameable=show.unnameable(found),
        ballots=show.ballots(found),
        consensus_words=None if consensus is None else show.consensus_words(consensus),
        score_rule=show.SCORE_RULES.get(str(found["score_rule"])),
        confidence_rule=show.CONFIDENCE_RULES.get(str(found["confidence_rule"])),
        **show.limits(),
    )


def _answered(request: Request, work: Callable[[], HTMLResponse]) -> HTMLResponse:
    """The page, or the page that says why there is none."""
    try:
        return work()
    except OperationalError:  # its text may name hosts and users
        return _failed(request, UnavailableError.http_status, "the database does not answer")
    except CynicError as error:
        return _failed(request, error.http_status, error.message)


def _failed(request: Request, status: int, message: str) -> HTMLResponse:
    titles = {
        NotFoundError.http_status: "Not found",
        UnavailableError.http_status: "Not available now",
    }
    available = status != UnavailableError.http_status
    return render.page(
        request,
        "error.html",
        status,
        state=_state(request, None, database=available),
        status=status,
        title=titles.get(status, "That cannot be read"),
        message=message,
        again=not available,
    )


def _state(request: Request, count: str | None, *, database: bool = True) -> dict[str, Any]:
    """What the footer says of the service."""
    worker = cast("Worker | None", request.app.state.worker)
    return {
        "database": database,
        "worker": None if worker is None else worker.alive,
        "count": count,
    }


def _count(conn: psycopg.Connection, found: Page) -> str | None:
    """How many judgments there are: exact while one page holds them, else as the planner thinks; never counted."""
    if found.cursor is None:
        return f"{len(found.lines)}"
    estimates = {relation.name: relation.rows_estimate for relation in browse.relations(conn)}
    estimate = estimates.get("judgments") or 0
    if estimate <= len(found.lines):  # not analysed yet
        return f"more than {len(found.lines)}"
    return f"about {float(f'{estimate:.2g}'):,.0f}"


def _memory(request: Request) -> Memory:
    return cast("Memory", request.app.state.memory)
