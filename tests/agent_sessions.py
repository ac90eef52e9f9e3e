"""Sessions of coding agents as an import leaves them, made by hand: every number in them is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    import psycopg

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Written:
    """Rows of one session; each method writes one and returns the session."""

    conn: psycopg.Connection
    session_id: str
    begun_at: datetime = NOON
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def id(self) -> str:
        return f"{self.session_id}-{next(self._ids)}"

    def at(self, minute: float) -> datetime:
        return self.begun_at + timedelta(minutes=minute)

    def prompt(self, minute: float, text: str | None, answer: str | None = None) -> Written:
        self.conn.execute(
            "INSERT INTO session_state (session_id, entry_id, turn_number, last_user_message,"
            " last_assistant_message, working_directory, git_branch, timestamp)"
            " VALUES (%s, %s, %s, %s, %s, '/srv/shop', 'main', %s)",
            [self.session_id, self.id(), next(self._ids), text, answer, self.at(minute)],
        )
        return self

    def tool(
        self, minute: float, name: str, status: str = "ok", ms: int | None = None, **more: Any
    ) -> Written:
        result = {"is_error": status == "error"} | more.pop("result", {})
        self.conn.execute(
            "INSERT INTO tool_usage (tool_name, parameters, result, duration_ms, status, used_at,"
            " session_id, call_id) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [name, Jsonb(more), Jsonb(result), ms, status, self.at(minute), self.session_id, self.id()],
        )  # fmt: skip
        return self

    def model(
        self,
        minute: float,
        name: str,
        tokens_in: int,
        tokens_out: int,
        *,
        cached: tuple[int | None, int | None] = (None, None),
        usd: str | None = None,
        ms: int | None = None,
    ) -> Written:
        self.conn.execute(
            "INSERT INTO llm_usage (adapter, model, tokens_input, tokens_output, tokens_cache_read,"
            " tokens_cache_write, cost_usd, latency_ms, created_at, session_id, response_id)"
            " VALUES ('anthropic', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [name, tokens_in, tokens_out, *cached, usd, ms, self.at(minute), self.session_id, self.id()],
        )  # fmt: skip
        return self

    def summary(self, prompts: int) -> Written:
        self.conn.execute(
            "INSERT INTO session_summary (session_id, total_prompts) VALUES (%s, %s)",
            [self.session_id, prompts],
        )
        return self


def begin(
    conn: psycopg.Connection,
    session_id: str,
    *,
    begun_at: datetime = NOON,
    minutes: float = 60,
    **context: str,
) -> Written:
    """A session of an agent, active for so many minutes, without any row beside it yet."""
    told = {
        "agent": "claude-code",
        "cwd": "/srv/shop",
        "git_branch": "main",
        "version": "2.0.1",
        "source": "transcript",
    } | context
    end = begun_at + timedelta(minutes=minutes)
    conn.execute(
        "INSERT INTO sessions (session_id, context, created_at, last_active_at, expires_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        [session_id, Jsonb(told), begun_at, end, end + timedelta(days=400)],
    )
    return Written(conn, session_id, begun_at)


def shop(conn: psycopg.Connection, session_id: str = "shop", **more: Any) -> Written:
    """A session with something of everything: two prompts, five tools, three failures, two models, half a price."""
    written = begin(conn, session_id, **more)
    written.prompt(0, "The basket loses items.\nFind out why.", "A cache key without the user.")
    written.tool(1, "Grep", ms=40, pattern="basket", path="src")
    written.tool(2, "Read", ms=12, file_path="/srv/shop/src/basket.py")
    written.tool(
        3, "Read", "error", 3, file_path="/srv/shop/src/none.py", result={"content": "no such file"}
    )
    written.tool(
        4,
        "Bash",
        "error",
        9000,
        command="pytest -q\nexit 1",
        result={"stderr": "E  assert 1 == 2\n1 failed"},
    )
    written.tool(
        5, "Edit", ms=8, file_path="/srv/shop/src/basket.py", old_string="a", new_string="b"
    )
    written.model(1, "claude-opus-4-5", 10_000, 500, cached=(8000, 1500), usd="0.0123", ms=2000)
    written.model(4, "claude-opus-4-5", 20_000, 700, cached=(19_000, 0), ms=4000)
    written.prompt(30, "Commit it.")
    written.tool(31, "Bash", ms=700, command="git commit -am 'Key the basket by user'")
    written.tool(
        32,
        "Bash",
        "error",
        command="git push",
        result={"content": [{"type": "text", "text": "rejected"}]},
    )
    written.tool(33, "Write", "denied", file_path="/srv/shop/NOTES.md")
    written.tool(34, "Task", "pending", description="look at the queue")
    written.model(31, "claude-haiku-4-5", 3000, 90, usd="0.0007")
    return written  # fmt: skip
