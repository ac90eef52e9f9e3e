"""Rows of traces made by hand, as the receiver leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def trace(
    conn: psycopg.Connection,
    trace_id: str,
    *,
    at: datetime = NOON,
    operation: str = "agent run",
    status: str = "ok",
    ms: int | None = 2000,
    **columns: Any,
) -> str:
    """One trace without spans; returns its id."""
    given = {
        "trace_id": trace_id,
        "operation": operation,
        "started_at": at,
        "ended_at": None if ms is None else at + timedelta(milliseconds=ms),
        "duration_ms": ms,
        "status": status,
        "received_at": at,
    } | columns
    _insert(conn, "traces", given)
    return trace_id


def span(
    conn: psycopg.Connection,
    trace_id: str,
    span_id: str,
    parent: str | None = None,
    *,
    at: datetime = NOON,
    ms: int | None = 500,
    operation: str = "step",
    **columns: Any,
) -> None:
    """One span, counted in its trace as the receiver does."""
    given = {
        "trace_id": trace_id,
        "span_id": span_id,
        "parent_span_id": parent,
        "operation": operation,
        "started_at": at,
        "ended_at": None if ms is None else at + timedelta(milliseconds=ms),
        "duration_ms": ms,
    } | columns
    _insert(conn, "spans", given)
    conn.execute(
        "UPDATE traces SET span_count = span_count + 1, error_count = error_count + %s, "
        "root_span_id = CASE WHEN %s::text IS NULL THEN %s ELSE root_span_id END WHERE trace_id = %s",
        [int(columns.get("status") == "error"), parent, span_id, trace_id],
    )


def call(conn: psycopg.Connection, *, at: datetime = NOON, **columns: Any) -> None:
    """One model call."""
    given = {"adapter": "openai", "model": "gpt-5", "created_at": at, "received_at": at}
    _insert(conn, "llm_usage", given | columns)


def tool(conn: psycopg.Connection, *, at: datetime = NOON, **columns: Any) -> None:
    """One tool call."""
    given = {"tool_name": "search", "status": "ok", "used_at": at, "received_at": at}
    _insert(conn, "tool_usage", given | columns)


def shopping(conn: psycopg.Connection, trace_id: str = "a" * 32, at: datetime = NOON) -> str:
    """An agent that asks two models, uses a tool that fails, and has a span whose parent never came."""
    trace(
        conn, trace_id, at=at, operation="plan the shopping", ms=4200, session_id="basket",
        service_name="shop", tokens_input=1500, tokens_output=130, cost_usd="0.0031",
    )  # fmt: skip

    def after(ms: int) -> datetime:
        return at + timedelta(milliseconds=ms)

    span(conn, trace_id, "root", at=at, ms=4200, operation="plan the shopping", kind="agent",
         tokens_input=1500, tokens_output=130)  # fmt: skip
    span(conn, trace_id, "ask", "root", at=after(100), ms=1900, operation="chat gpt-5", kind="model",
         tokens_input=1200, tokens_output=100)  # fmt: skip
    span(conn, trace_id, "use", "root", at=after(2100), ms=700, operation="execute_tool search",
         kind="tool", status="error", envelope='{"status": {"message": "no such shelf"}}')  # fmt: skip
    span(
        conn,
        trace_id,
        "again",
        "root",
        at=after(2900),
        ms=1200,
        operation="chat claude",
        kind="model",
    )
    span(conn, trace_id, "lost", "never", at=after(300), ms=None, operation="log line")
    call(conn, at=after(2000), trace_id=trace_id, span_id="ask", tokens_input=1200, tokens_output=100,
         tokens_cache_read=1000, latency_ms=1900, cost_usd="0.0031", call_key=f"{trace_id} ask")  # fmt: skip
    call(conn, at=after(4100), trace_id=trace_id, span_id="again", adapter="anthropic", model="claude-5",
         tokens_input=300, tokens_output=30, latency_ms=1200, call_key=f"{trace_id} again")  # fmt: skip
    tool(conn, at=after(2100), trace_id=trace_id, span_id="use", status="error", duration_ms=700)
    return trace_id


def _insert(conn: psycopg.Connection, table: str, given: dict[str, Any]) -> None:
    names = ", ".join(given)
    marks = ", ".join(f"%({name})s" for name in given)
    conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})".encode(), given)
