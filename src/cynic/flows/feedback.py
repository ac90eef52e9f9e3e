"""Taking back whether a judgment was right: one answer of each person counts, and another one supersedes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.base.checks import NAME_CHARACTERS_MAX, check_text
from cynic.db import sqlfile
from cynic.domains.core.judgment import UnknownJudgmentError
from cynic.flows import people
from cynic.flows.edge import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal
    from uuid import UUID

    import psycopg

    from cynic.flows.edge import Edge
    from cynic.flows.submission import Answer

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("feedback.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Feedback that is stored."""

    feedback_id: UUID
    judgment_id: str
    outcome: str
    actual_score: Decimal | None
    created_at: datetime
    new: bool

    def document(self) -> dict[str, object]:
        """The answer as JSON values."""
        return {
            "feedback_id": str(self.feedback_id),
            "judgment_id": self.judgment_id,
            "outcome": self.outcome,
            "actual_score": None if self.actual_score is None else float(self.actual_score),
            "created_at": self.created_at.isoformat(),
        }


def answer(conn: psycopg.Connection, judgment_id: str, given: Answer, edge: Edge) -> Answered:
    """Take back whether a judgment was right; the same outcome again is the first answer."""
    check_text(judgment_id, "judgment_id", NAME_CHARACTERS_MAX)
    with conn.transaction():
        return _answer(conn, judgment_id, given, edge)


def _answer(conn: psycopg.Connection, judgment_id: str, given: Answer, edge: Edge) -> Answered:
    conn.execute(_SQL["one_answer_at_a_time"], {"judgment_id": judgment_id, "user": given.user})
    judged = conn.execute(_SQL["judged"], {"judgment_id": judgment_id}).fetchone()
    if judged is None:
        raise UnknownJudgmentError(f"there is no judgment {judgment_id}")
    _, confidence, q, session_id, item_type, context_type = judged
    user_id = None if given.user is None else people.find(conn, given.user)
    key = {"judgment_id": judgment_id, "user_id": user_id}
    former = conn.execute(_SQL["current_answer"], key).fetchone()
    if former is not None and former[1] == given.outcome:
        return Answered(
            feedback_id=former[0],
            judgment_id=judgment_id,
            outcome=former[1],
            actual_score=former[2],
            created_at=former[3],
            new=False,
        )
    now, new_id = edge.clock(), edge.new_id()
    if former is not None:
        conn.execute(_SQL["supersede"], {"feedback_id": former[0], "now": now})
    parameters = {
        **key,
        "id": new_id,
        "outcome": given.outcome,
        "actual_score": given.actual_score,
        "confidence": confidence,
        "session_id": session_id,
        "input": to_json({"itemType": item_type, "contextType": context_type}),
        "judgment": to_json({"judgmentId": judgment_id, "qScore": q, "confidence": confidence}),
        "learning": to_json(_learning(given, q)),
        "supersedes": None if former is None else str(former[0]),
        "now": now,
    }
    conn.execute(_SQL["answer"], parameters)
    return Answered(
        feedback_id=new_id,
        judgment_id=judgment_id,
        outcome=given.outcome,
        actual_score=given.actual_score,
        created_at=now,
        new=True,
    )


def _learning(given: Answer, q: Decimal) -> dict[str, object]:
    """What the learning loops read: reward 1, 0.5 or 0, and how far the score was off."""
    rewards = {"correct": 1, "partial": 0.5, "incorrect": 0}
    found: dict[str, object] = {
        "reward": rewards[given.outcome],
        "feedbackType": given.outcome,
        "canPair": given.actual_score is not None,
    }
    if given.actual_score is not None:
        found["scoreDelta"] = given.actual_score - q
    return found
