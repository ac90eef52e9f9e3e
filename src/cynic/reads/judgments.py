"""What was judged: a page of judgments, or one with its votes, consensus, dimensions and feedback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.checks import NAME_CHARACTERS_MAX, check_text
from cynic.base.verdict import VERDICTS
from cynic.db import sqlfile
from cynic.domains.core.judgment import UnknownJudgmentError
from cynic.reads.place import BadQueryError, cursor_of, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    import psycopg

PAGE_ROWS_DEFAULT: Final = 20
PAGE_ROWS_MAX: Final = 1000

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("judgments.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which judgments; all conditions hold together. `since` is included, `until` is not."""

    user: str | None = None
    session_id: str | None = None
    verdict: str | None = None
    item_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    min_q_score: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One judgment as a list shows it."""

    judgment_id: str
    user: str | None
    session_id: str | None
    item_type: str
    context_type: str | None
    q_score: Decimal
    verdict: str
    confidence: Decimal
    approved: bool | None
    """What the pack agreed on; None without votes."""
    created_at: datetime

    def document(self) -> dict[str, object]:
        """The line as JSON values."""
        return {
            "judgment_id": self.judgment_id,
            "user": self.user,
            "session_id": self.session_id,
            "item_type": self.item_type,
            "context_type": self.context_type,
            "q_score": float(self.q_score),
            "verdict": self.verdict,
            "confidence": float(self.confidence),
            "approved": self.approved,
            "created_at": self.created_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Judgments, newest first; `cursor` leads to the next page and is None on the last one."""

    lines: list[Line]
    cursor: str | None


def page(
    conn: psycopg.Connection,
    filters: Filters | None = None,
    *,
    limit: int = PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
) -> Page:
    """Read one page; judgments that arrive meanwhile neither repeat nor hide others."""
    filters = filters or Filters()
    if not 1 <= limit <= PAGE_ROWS_MAX:
        raise BadQueryError(f"a page has 1 to {PAGE_ROWS_MAX} judgments, not {limit}")
    for field in ("user", "session_id", "item_type"):
        if (value := getattr(filters, field)) is not None:
            check_text(value, field, NAME_CHARACTERS_MAX)
    if filters.verdict is not None and filters.verdict not in VERDICTS:
        raise BadQueryError(f"the verdict is one of {', '.join(VERDICTS)}")
    at, last = place_of(cursor)
    name = "of_session" if filters.session_id else "of_user" if filters.user else "of_all"
    parameters = {
        "user": filters.user,
        "session_id": filters.session_id,
        "verdict": filters.verdict,
        "item_type": filters.item_type,
        "since": filters.since,
        "until": filters.until,
        "min_q_score": filters.min_q_score,
        "before_at": at,
        "before_id": last,
        "limit": limit + 1,
    }
    rows = conn.execute(_SQL[name], parameters).fetchall()
    kept = rows[:limit]
    more = len(rows) > limit
    return Page(
        [_line(row[1:]) for row in kept], cursor_of(kept[-1][-1], kept[-1][0]) if more else None
    )


def one(conn: psycopg.Connection, judgment_id: str) -> dict[str, object]:
    """One judgment with everything that belongs to it, as JSON values."""
    check_text(judgment_id, "judgment_id", NAME_CHARACTERS_MAX)
    key = {"judgment_id": judgment_id}
    row = conn.execute(_SQL["one"], key).fetchone()
    if row is None:
        raise UnknownJudgmentError(f"there is no judgment {judgment_id}")
    (name, user, session_id, item_type, content, context, q, verdict, confidence) = row[:9]
    axioms, dimensions, basis, anchor_status, at = row[9:]
    return {
        "judgment_id": name,
        "user": user,
        "session_id": session_id,
        "item_type": item_type,
        "item_content": content,
        "context_type": context,
        "q_score": float(q),
        "verdict": verdict,
        "confidence": float(confidence),
        "axiom_scores": axioms,
        "dimension_scores": dimensions,
        "added_dimensions": basis.get("added_dimensions", {}),
        "consensus": basis.get("consensus"),
        "score_rule": basis.get("score_rule"),
        "confidence_rule": basis.get("confidence_rule"),
        "anchor_status": anchor_status,
        "created_at": at.isoformat(),
        "votes": [_vote(*vote) for vote in conn.execute(_SQL["votes_of"], key)],
        "feedback": [_feedback(*given) for given in conn.execute(_SQL["feedback_on"], key)],
    }


def since(
    conn: psycopg.Connection, moment: datetime, limit: int, after: str | None = None
) -> list[Line]:
    """Read judgments made from `moment` on, oldest first; with `after`, those that follow it in this order."""
    parameters = {"since": moment, "after": after, "limit": limit}
    rows = conn.execute(_SQL["since"], parameters)
    return [_line((*row[:4], None, *row[4:])) for row in rows]


def moment_of(conn: psycopg.Connection, judgment_id: str) -> datetime | None:
    """When a judgment was made; None when there is none of this id."""
    row = conn.execute(_SQL["moment_of"], {"judgment_id": judgment_id}).fetchone()
    return None if row is None else cast("datetime", row[0])


def _line(row: Sequence[object]) -> Line:
    judgment_id, user, session_id, item_type, context, q, verdict, confidence, approved, at = row
    return Line(
        judgment_id=cast("str", judgment_id),
        user=cast("str | None", user),
        session_id=cast("str | None", session_id),
        item_type=cast("str", item_type),
        context_type=cast("str | None", context),
        q_score=cast("Decimal", q),
        verdict=cast("str", verdict),
        confidence=cast("Decimal", confidence),
        approved=cast("bool | None", approved),
        created_at=cast("datetime", at),
    )


def _vote(
    dog: str,
    score: Decimal,
    confidence: Decimal,
    reasoning: str | None,
    metadata: Mapping[str, object],
) -> dict[str, object]:
    failed = bool(metadata.get("failed", False))
    return {
        "dog": dog,
        "score": float(score),
        "confidence": float(confidence),
        "verdict": metadata.get("verdict"),
        "veto": bool(metadata.get("veto", False)),
        "error": (reasoning or "(erased)") if failed else None,
        "reasoning": None if failed else reasoning,
    }


def _feedback(
    feedback_id: UUID,
    user: str | None,
    outcome: str,
    actual_score: Decimal | None,
    at: datetime,
    superseded_at: datetime | None,
) -> dict[str, object]:
    return {
        "feedback_id": str(feedback_id),
        "user": user,
        "outcome": outcome,
        "actual_score": None if actual_score is None else float(actual_score),
        "created_at": at.isoformat(),
        "superseded_at": None if superseded_at is None else superseded_at.isoformat(),
    }
