"""Meta-cognition: how the work of sessions goes, what hinders it, and what was learned from going wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.reads.learning.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

SESSIONS_MIN: Final = 1
SAID: Final[Mapping[str, str]] = {"flow": "in flow"}
"""States that are no word for one who is in them."""
SHOWN_MAX: Final = 20
"""Frictions and lessons that are shown: the newest, and those of the most impact."""

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("metacognition.sql"))
)


def metacognition(conn: psycopg.Connection) -> Shown:
    """The states of the sessions that were looked at last, open frictions, lessons, and the exploration rate."""
    row = conn.execute(_SQL["metacognition"], {"limit": SHOWN_MAX}).fetchone()
    sessions, states, frictions, lessons, rate = row or (0, {}, [], [], None)
    return Shown(
        about="how the work of sessions goes: in flow, stuck, thrashing or between them",
        data=sessions,
        unit="sessions",
        needed=SESSIONS_MIN,
        finding=_by_state(states),
        detail={
            "states": states,
            "open_frictions": frictions,
            "lessons": lessons,
            "exploration_rate": None if rate is None else float(rate),
        },
    )


def _by_state(states: Mapping[str, int]) -> str | None:
    """The sessions by state, most first."""
    most = sorted(states.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count} {SAID.get(state, state)}" for state, count in most) or None
