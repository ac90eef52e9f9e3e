"""Storing what coding agents did: one way in for facts from transcripts and from hooks."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.telemetry.agent_facts import HOOK, INTEGER_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg

    from cynic.domains.telemetry.agent_facts import Facts, ToolCall

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("agent_sessions.sql"))
)


@dataclass(slots=True, kw_only=True)
class Stored:
    """How much of what was given is new."""

    sessions: int = 0
    prompts: int = 0
    tool_calls: int = 0
    model_calls: int = 0
    tokens_input: int = 0
    tokens_output: int = 0
    tokens_cache_read: int = 0
    tokens_cache_write: int = 0
    results_without_call: int = 0

    def add(self, other: Stored) -> None:
        """Count another lot."""
        for field in fields(Stored):
            name = field.name
            setattr(self, name, getattr(self, name) + getattr(other, name))


def store(conn: psycopg.Connection, facts: Facts, agent: str, source: str) -> Stored:
    """Store facts; the caller's transaction holds them together.

    Sessions come first in every transaction that also touches their parts, so that two wait instead of locking
    each other out.
    """
    stored = Stored()
    said_of_all = {"agent": agent, "source": source}
    stored.sessions = _new(
        conn,
        "sessions",
        (
            {
                "session_id": session_id,
                "context": said_of_all | session.context,
                "first_at": session.first.isoformat(),
                "last_at": session.last.isoformat(),
            }
            for session_id, session in facts.sessions.items()
        ),
    )
    _store_turns(conn, facts, stored)
    _store_calls(conn, facts, stored)
    _store_models(conn, facts, stored)
    return stored


def _store_turns(conn: psycopg.Connection, facts: Facts, stored: Stored) -> None:
    if facts.turns:
        rows = [
            {
                "place": place,
                "entry_id": turn.entry_id,
                "prompt_id": turn.prompt_id,
                "session_id": turn.session_id,
                "prompt": turn.prompt,
                "answer": turn.answer,
                "cwd": turn.cwd,
                "branch": turn.branch,
                "at": turn.at.isoformat(),
                "ended": turn.ended,
            }
            for place, turn in enumerate(facts.turns.values())
        ]
        if not all(turn.entry_id.startswith(HOOK) for turn in facts.turns.values()):
            conn.execute(_SQL["adopt"], {"rows": _json(rows)})
        stored.prompts = _new(conn, "turns", rows)
        ids = sorted({turn.session_id for turn in facts.turns.values()})
        conn.execute(_SQL["number_turns"], {"ids": ids})
    if facts.answers:
        answers = [
            {
                "session_id": answer.session_id,
                "answer": answer.text,
                "ended": answer.ended,
                "at": answer.at.isoformat(),
            }
            for answer in facts.answers.values()
        ]
        conn.execute(_SQL["answers"], {"rows": _json(answers)})
    if facts.sessions:
        conn.execute(_SQL["summaries"], {"ids": list(facts.sessions)})


def _store_calls(conn: psycopg.Connection, facts: Facts, stored: Stored) -> None:
    stored.tool_calls = _new(
        conn,
        "calls",
        (
            {
                "call_id": call.call_id,
                "session_id": call.session_id,
                "tool_name": call.tool_name,
                "parameters": call.parameters,
                "result": None if call.ended is None else call.ended.result,
                "duration_ms": _duration_ms(call),
                "status": "pending" if call.ended is None else call.ended.status,
                "used_at": call.used_at.isoformat(),
            }
            for call in facts.calls.values()
        ),
    )
    if facts.results:
        rows = [
            {
                "call_id": result.call_id,
                "status": result.status,
                "result": result.result,
                "duration_ms": result.duration_ms,
                "ended_at": None if result.ended_at is None else result.ended_at.isoformat(),
            }
            for result in facts.results.values()
        ]
        found = conn.execute(_SQL["results"], {"rows": _json(rows)}).fetchone()
        stored.results_without_call = found[0] if found else 0


def _store_models(conn: psycopg.Connection, facts: Facts, stored: Stored) -> None:
    if not facts.models:
        return
    rows = [
        {
            "response_id": call.response_id,
            "session_id": call.session_id,
            "model": call.model,
            "tokens_input": call.tokens_input,
            "tokens_output": call.tokens_output,
            "cache_read": call.cache_read,
            "cache_write": call.cache_write,
            "latency_ms": call.latency_ms,
            "at": call.at.isoformat(),
        }
        for call in facts.models.values()
    ]
    found = conn.execute(_SQL["models"], {"rows": _json(rows)}).fetchone()
    if found:
        stored.model_calls, stored.tokens_input, stored.tokens_output = found[:3]
        stored.tokens_cache_read, stored.tokens_cache_write = found[3:]


def _duration_ms(call: ToolCall) -> int | None:
    """How long a call took; None where the times of its ends contradict each other."""
    if call.ended is None:
        return None
    if call.ended.duration_ms is not None or call.ended.ended_at is None:
        return call.ended.duration_ms
    milliseconds = round((call.ended.ended_at - call.used_at).total_seconds() * 1000)
    return milliseconds if 0 <= milliseconds <= INTEGER_MAX else None


def _new(conn: psycopg.Connection, statement: str, rows: Iterable[Mapping[str, object]]) -> int:
    """Store rows; return how many are new."""
    listed = list(rows)
    if not listed:
        return 0
    return sum(row[0] for row in conn.execute(_SQL[statement], {"rows": _json(listed)}))


def _json(rows: object) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
