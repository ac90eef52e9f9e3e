"""What a running agent tells: one event, one transaction. The same event again changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import errors

from cynic.base.errors import TryAgainError
from cynic.domains.telemetry import claude_code
from cynic.domains.telemetry.agent_facts import YEARS
from cynic.domains.telemetry.claude_code_hooks import facts_of
from cynic.flows.agent_sessions import store

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

ATTEMPTS_MAX = 5


class HooksCrowdedError(TryAgainError):
    """Others kept changing the same session; the event was not stored."""

    code = "hooks-crowded"


def take_claude_code(conn: psycopg.Connection, event: object, at: datetime) -> bool:
    """Store one event of Claude Code that happened at `at`; False when it says nothing that is kept."""
    facts = facts_of(event, at)
    if not facts.sessions:
        return False
    for _ in range(ATTEMPTS_MAX):
        try:
            with conn.transaction():
                store(conn, facts, claude_code.AGENT, "hooks")
        except (errors.DeadlockDetected, errors.LockNotAvailable):
            continue
        return True
    raise HooksCrowdedError("others keep changing the same session")


def sent_at(milliseconds: str | None, now: datetime) -> datetime:
    """When a hook ran, as it says in milliseconds since 1970; `now` where it says nothing that can be true."""
    if milliseconds is None or not (milliseconds.isascii() and milliseconds.isdigit()):
        return now
    try:
        found = now.fromtimestamp(int(milliseconds[:18]) / 1000, now.tzinfo)
    except (ValueError, OverflowError, OSError):
        return now
    return found if found.year in YEARS and found <= now else now
