"""The loops that discover: residual detection with what governance made of it, and emergence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast, get_args

from cynic.db import sqlfile
from cynic.domains.learning.emergence import SOURCES_MIN
from cynic.domains.learning.residual import JUDGMENTS_MIN, Severity
from cynic.reads.learning.shown import Shown, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

SHOWN_MAX: Final = 20
"""Rows of each kind, the newest or the surest."""
COUNTED_MAX: Final = 1000
"""Up to where anomalies are counted: of each severity, and of those that nobody has acknowledged."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("discovered.sql")))


def residual(conn: psycopg.Connection) -> Shown:
    """Judgments that their dimensions do not explain, candidates, and dimensions that were added."""
    limits = {"limit": SHOWN_MAX, "counted": COUNTED_MAX, "severities": list(get_args(Severity))}
    row = conn.execute(_SQL["residual"], limits).fetchone()
    judgments, anomalies, unresolved, candidates, promoted, log = row or (0, {}, 0, [], [], [])
    return Shown(
        about="which outcomes the dimensions of a judgment do not explain, and what those have in common",
        data=judgments,
        unit="judgments",
        finding=f"{counted(unresolved, 'open anomaly', 'open anomalies', most=COUNTED_MAX)}, "
        f"{counted(len(candidates), 'candidate for a dimension', 'candidates for dimensions', most=SHOWN_MAX)}",
        needed=JUDGMENTS_MIN,
        acts_on="which dimensions may be judged, by vote of the dogs",
        detail={
            "anomalies": anomalies,
            "unresolved": unresolved,
            "counted_up_to": COUNTED_MAX,
            "candidates": candidates,
            "dimensions": promoted,
            "governance": log,
        },
    )


def emergence(conn: psycopg.Connection) -> Shown:
    """The pack's shared patterns, and how many of all are locked; a pattern takes three answers of one category."""
    row = conn.execute(_SQL["emergence"], {"limit": SHOWN_MAX}).fetchone()
    most, answers, count, shared, locked, evolved, last = row or (0, 0, 0, [], 0, 0, None)
    return Shown(
        about="what answered judgments of a category have in common again and again",
        data=most,
        unit="answers in the category with most",
        needed=SOURCES_MIN,
        finding=_surest(shared),
        detail={
            "answers": answers,
            "patterns": count,
            "locked": locked,
            "evolved": evolved,
            "surest": shared,
            "last_consolidation": last,
        },
    )


def _surest(shared: Sequence[Mapping[str, Any]]) -> str | None:
    if not shared:
        return None
    one = max(shared, key=lambda pattern: cast("float", pattern["confidence"]))
    return (
        f"the surest: {one['category']} with {' and '.join(one['tags'])} passes "
        f"(confidence {one['confidence']:.2f}, {counted(one['frequency'], 'judgment')})"
    )
