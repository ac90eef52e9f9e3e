"""What the eleven learning loops know. Nothing is made up.

A loop that has seen too little says how much it has seen of how much it needs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.reads.learning import adapted, discovered, metacognition, per_answer, protection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from cynic.reads.learning.shown import Shown

SHOWN: Final[Mapping[str, Callable[[psycopg.Connection], Shown]]] = {
    "thompson": per_answer.thompson,
    "dog-votes": per_answer.dog_votes,
    "q-learning": per_answer.q_learning,
    "calibration": per_answer.kinds,
    "residual": discovered.residual,
    "emergence": discovered.emergence,
    "ewc": protection.ewc,
    "dpo": adapted.dpo,
    "sona": adapted.sona,
    "behavior": adapted.behavior,
    "meta-cognition": metacognition.metacognition,
}

PARTS: Final = ("data_coverage", "convergence", "accuracy", "adaptability")
"""What maturity is made of."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("status.sql")))


def status(conn: psycopg.Connection) -> dict[str, object]:
    """All eleven loops by their names, how many signals wait to be learned from, and how many answers were set aside."""
    row = conn.execute(_SQL["waiting"]).fetchone()
    last = _last_changes(conn)
    mature = _mature(conn)
    loops = [
        {
            "loop": name,
            **_matured(show(conn), mature.get(name)).document(),
            "last_change": last.get(name),
        }
        for name, show in SHOWN.items()
    ]
    waiting, set_aside = row or (0, 0)
    return {"waiting": waiting, "set_aside": set_aside, "loops": loops}


def _mature(conn: psycopg.Connection) -> dict[str, tuple[float | None, ...]]:
    """The maturity of the loops of which it was measured, and after it its parts."""
    return {
        loop: tuple(None if one is None else float(one) for one in measured)
        for loop, *measured in conn.execute(_SQL["maturity"], {"loops": list(SHOWN)})
    }


def _matured(shown: Shown, measured: tuple[float | None, ...] | None) -> Shown:
    if measured is None:
        return shown
    whole, *parts = measured
    return replace(shown, maturity=whole, maturity_parts=dict(zip(PARTS, parts, strict=True)))


def _last_changes(conn: psycopg.Connection) -> dict[str, dict[str, object]]:
    rows = conn.execute(_SQL["last_changes"], {"loops": list(SHOWN)})
    return {
        loop: {
            "at": at.isoformat(),
            "judgment_id": judgment_id,
            "event": event,
            "mean_change": None if delta is None else float(delta),
        }
        for loop, at, judgment_id, event, delta in rows
    }
