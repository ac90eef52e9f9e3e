"""Folding the counters that many writers share: sessions, their summaries, profiles of users, and E-scores.

Writers leave rows in a queue, in their own transactions; a folder takes them out and adds them up in one of its
own, so each is counted exactly once, whoever dies when.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.users import escore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    import psycopg

BATCH_ROWS = 1000

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("counters.sql")))


@dataclass(slots=True)
class _Session:
    judgments: int = 0
    confidence: Decimal = field(default_factory=Decimal)
    latest: datetime | None = None


@dataclass(slots=True)
class _User:
    answers: int = 0
    correct: int = 0
    incorrect: int = 0
    verdicts: Counter[str] = field(default_factory=Counter[str])


@dataclass(slots=True)
class _Sums:
    sessions: dict[str, _Session] = field(default_factory=dict[str, _Session])
    users: dict[UUID, _User] = field(default_factory=dict["UUID", _User])


def fold_all(conn: psycopg.Connection, now: datetime) -> int:
    """Fold until the queue is empty or another folder is at it; return how many rows were folded."""
    total = 0
    while folded := fold(conn, now):
        total += folded
        if folded < BATCH_ROWS:
            break
    return total


def fold(conn: psycopg.Connection, now: datetime) -> int:
    """Fold one batch in one transaction; return how many rows it had, 0 when another folder is at it."""
    with conn.transaction():
        row = conn.execute(_SQL["only_folder"]).fetchone()
        if not (row and row[0]):
            return 0
        # Planned anew each time: a plan made for an empty queue would read a full one row by row.
        taken = conn.execute(_SQL["take"], {"limit": BATCH_ROWS}, prepare=False).fetchall()
        if taken:
            sums = _add_up(taken)
            _count(conn, sums)
            _score(conn, list(sums.users), now)
        return len(taken)


def _add_up(rows: Iterable[tuple[object, ...]]) -> _Sums:
    sums = _Sums()
    for row in rows:
        kind, session_id, user_id, confidence, word, at = row
        if kind == "judgment" and session_id is not None:
            session = sums.sessions.setdefault(cast("str", session_id), _Session())
            session.judgments += 1
            session.confidence += cast("Decimal", confidence)
            moment = cast("datetime", at)
            session.latest = moment if session.latest is None else max(session.latest, moment)
        if user_id is None:
            continue
        user = sums.users.setdefault(cast("UUID", user_id), _User())
        if kind == "judgment":
            user.verdicts[cast("str", word)] += 1
        else:
            step = 1 if kind == "answer" else -1
            user.answers += step
            user.correct += step * (word == "correct")
            user.incorrect += step * (word == "incorrect")
    return sums


def _count(conn: psycopg.Connection, sums: _Sums) -> None:
    if sums.sessions:
        sessions = [
            {
                "session_id": name,
                "judgments": session.judgments,
                "confidence": str(session.confidence),
                "latest": str(session.latest),
            }
            for name, session in sorted(sums.sessions.items())
        ]
        conn.execute(_SQL["count_in_sessions"], {"sessions": json.dumps(sessions)})
        conn.execute(_SQL["summarise_sessions"], {"sessions": json.dumps(sessions)})
    if sums.users:
        users = [
            {
                "user_id": str(user_id),
                "answers": user.answers,
                "correct": user.correct,
                "incorrect": user.incorrect,
                "verdicts": user.verdicts,
            }
            for user_id, user in sums.users.items()
        ]
        conn.execute(_SQL["make_profiles"], {"ids": list(sums.users)})
        conn.execute(_SQL["count_in_profiles"], {"users": json.dumps(users)})


def _score(conn: psycopg.Connection, user_ids: list[UUID], now: datetime) -> None:
    """Score the users anew; leave a snapshot of each score that changed."""
    if not user_ids:
        return
    parameters = {"ids": user_ids, "now": now, "saturates": escore.USE_SATURATES}
    scores: list[dict[str, object]] = []
    for user_id, former, days, judged, answers, burned in conn.execute(_SQL["facts"], parameters):
        parts = escore.parts(
            escore.Facts(
                days_known=float(days),
                judgments_in_window=judged,
                answers_given=answers,
                burned=burned,
            )
        )
        score = escore.e_score(parts)
        if score != former:
            shown = {name: float(value) for name, value in parts.items()}
            scores.append({"user_id": str(user_id), "e_score": str(score), "parts": shown})
    if scores:
        conn.execute(_SQL["score_users"], {"scores": json.dumps(scores), "now": now})
