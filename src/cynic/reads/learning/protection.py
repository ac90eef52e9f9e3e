"""What is held against forgetting, and whether anything was forgotten: the loop `ewc`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.forgetting import Counted, watch
from cynic.reads.learning.shown import Shown, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

NEEDED: Final = 100
"""Updates of one dog in one state that call for a consolidation."""
NEEDED_DAILY: Final = 30
"""As many are enough for the one of the day."""
TASKS_MAX: Final = 20
"""Kinds of task and states that are shown; those with the most episodes, and the first in order."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("protection.sql")))


def ewc(conn: psycopg.Connection) -> Shown:
    """How often values were consolidated, what is locked, and how each kind of task fares against its baseline.

    `data` is the most updates that one dog has in one state, corrections apart, since values were last given up; a
    consolidation does not begin that count anew. `needed` is what calls for the first consolidation; while one holds
    values, what sufficed for it.
    """
    row = conn.execute(_SQL["state"]).fetchone()
    consolidations, last_at, strength, holds, found = row or (0, None, None, False, None)
    visits = conn.execute(_SQL["most_visits"]).fetchone()
    most: int = 0 if visits is None else visits[0]
    locked: Mapping[str, Sequence[str]] = found or {}
    forgetting = _forgetting(conn)
    cells = sum(map(len, locked.values()))
    return Shown(
        about="what protects values that were learned well from later answers, and whether anything was forgotten",
        data=most,
        unit="updates of one dog in one state",
        finding=_held(cells, forgetting) if holds else None,
        needed=min(NEEDED_DAILY, most) if holds else NEEDED,
        acts_on="how far an answer moves a value that was consolidated",
        detail={
            "consolidations": consolidations,
            "last_consolidation_at": None if last_at is None else last_at.isoformat(),
            "ewc_lambda": strength,
            "locked": dict(sorted(locked.items())[:TASKS_MAX]),
            "locked_cells": cells,
            "tasks": _tasks(conn),
            "forgetting": forgetting,
        },
    )


def _held(cells: int, forgetting: Mapping[str, Any]) -> str:
    """What is held, and what was lost all the same; that nothing was is said only where it was measured."""
    held = f"{counted(cells, 'value')} held"
    if lost := forgetting["catastrophic"]:
        return f"{held}, forgotten: {', '.join(lost)}"
    if forgetting["average_bwt"] is None:
        return f"{held}, forgetting not measured yet"
    return f"{held}, no forgetting found in {counted(forgetting['tasks_compared'], 'kind')} of task"


def _tasks(conn: psycopg.Connection) -> dict[str, object]:
    return {
        task: {
            "episodes": episodes,
            "mean_reward": reward,
            "consolidated": consolidated,
            "accuracy_before": before,
            "accuracy_after": after,
        }
        for task, episodes, reward, consolidated, before, after in conn.execute(
            _SQL["tasks"], {"limit": TASKS_MAX}
        )
    }


def _forgetting(conn: psycopg.Connection) -> dict[str, object]:
    """Backward transfer is None until some kind of task has enough judgments on both sides."""
    row = conn.execute(_SQL["forgetting"]).fetchone()
    bwt, compared, lost, measured_at, alerts = row or (None, 0, [], None, 0)
    watched = {
        kind: watch(_counted(one["baseline"]), _counted(one["present"]))
        for kind, one in conn.execute(_SQL["watched"], {"limit": TASKS_MAX})
    }
    return {
        "average_bwt": bwt,
        "tasks_compared": compared,
        "catastrophic": lost,
        "measured_at": None if measured_at is None else measured_at.isoformat(),
        "open_alerts": alerts,
        "tasks": {
            kind: {
                "baseline": one.baseline.accuracy,
                "baseline_interval": one.baseline.interval,
                "baseline_judgments": one.baseline.total,
                "present": one.present.accuracy,
                "present_interval": one.present.interval,
                "present_judgments": one.present.total,
                "bwt": one.bwt,
            }
            for kind, one in watched.items()
        },
    }


def _counted(pair: Sequence[int]) -> Counted:
    return Counted(correct=pair[0], total=pair[1])
