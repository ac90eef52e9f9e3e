"""`/`: the newest sessions, traces and judgments. `/judgments/{id}`: one judgment."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Request  # FastAPI reads them
from fastapi.responses import HTMLResponse

from cynic.base import clock
from cynic.base.checks import NAME_CHARACTERS_MAX, InvalidFieldError, check_text
from cynic.base.quantities import span
from cynic.base.verdict import VERDICTS
from cynic.db import browse
from cynic.domains.core.judgment import UnknownJudgmentError
from cynic.reads import budget, judgments, sessions, traces
from cynic.reads.judgments import Filters, Page
from cynic.web import frame, render, session_show, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

PAGE_ROWS: Final = 50
SESSIONS_SHOWN: Final = 4
TRACES_SHOWN: Final = 4
SECONDS_PER_HOUR: Final = 3600
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
    """Show the newest sessions, traces and judgments, or the page that a cursor leads to; an empty field asks for nothing."""
    asked = {"verdict": verdict, "item_type": item_type, "user": user, "session_id": session_id}
    given = {name: value for name, value in asked.items() if value}
    return frame.answered(request, lambda: _list(request, given, cursor or None))


@router.get("/judgments/{judgment_id:path}")
def one(request: Request, judgment_id: str) -> HTMLResponse:
    """Show one judgment; an id may hold anything, also slashes."""
    return frame.answered(request, lambda: _one(request, judgment_id))


def _list(request: Request, asked: Mapping[str, str], cursor: str | None) -> HTMLResponse:
    for name, value in asked.items():
        check_text(value, name, NAME_CHARACTERS_MAX)
    with frame.memory(request).connection() as conn:
        filters = Filters(
            verdict=asked.get("verdict"),
            item_type=asked.get("item_type"),
            user=asked.get("user"),
            session_id=asked.get("session_id"),
        )
        found = judgments.page(conn, filters, limit=PAGE_ROWS, cursor=cursor)
        whole = cursor is None and not asked
        count = _count(conn, found) if whole else None
        recent = sessions.page(conn, limit=SESSIONS_SHOWN).lines if whole else []
        traced = traces.page(conn, limit=TRACES_SHOWN).lines if whole else []
        money = budget.state(conn, clock.now()) if whole else None
    return render.page(
        request,
        "list.html",
        state=frame.state(request, count),
        lines=[line.document() for line in found.lines],
        recent=recent,
        traced=traced,
        money=_money(money),
        titled=session_show.title,
        asked=asked,
        first=cursor is None,
        verdicts=VERDICTS,
        bound=show.limits()["bound"],
        newest_query=urlencode(asked),
        next_query=urlencode({**asked, "cursor": found.cursor}) if found.cursor else None,
        example=_EXAMPLE.format(url=shlex.quote(f"{request.base_url}api/v1/judgments")),
    )


def _money(found: budget.Budget | None) -> dict[str, object] | None:
    """The budget in a line; None while nothing was spent or held."""
    if found is None or not (found.total_calls or found.held_usd):
        return None
    hours = found.runway_hours
    return {
        "level": found.level,
        "consumed": budget.money(found.consumed_usd),
        "limit": budget.money(found.limit_usd),
        "held": budget.money(found.held_usd) if found.held_usd else None,
        "share": 100 if found.ratio is None else min(float(found.ratio) * 100, 100),
        "rate": budget.money(found.burn_rate_hour) if found.burn_rate_hour else None,
        "runway": None if hours is None else span(float(hours) * SECONDS_PER_HOUR),
        "alarm": found.velocity_alarm,
    }


def _one(request: Request, judgment_id: str) -> HTMLResponse:
    try:
        check_text(judgment_id, "judgment_id", NAME_CHARACTERS_MAX)
    except InvalidFieldError as error:
        raise UnknownJudgmentError("no judgment can have this id") from error
    found = frame.memory(request).judgment(judgment_id)
    consensus = cast("Mapping[str, object] | None", found["consensus"])
    return render.page(
        request,
        "judgment.html",
        state=frame.state(request),
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


def _count(conn: psycopg.Connection, found: Page) -> str | None:
    """How many judgments there are: exact while one page holds them, else as the planner thinks; never counted."""
    if found.cursor is None:
        return f"{len(found.lines)}"
    estimates = {relation.name: relation.rows_estimate for relation in browse.relations(conn)}
    estimate = estimates.get("judgments") or 0
    if estimate <= len(found.lines):  # not analysed yet
        return f"more than {len(found.lines)}"
    return f"about {float(f'{estimate:.2g}'):,.0f}"
