"""Whether judgments of some kind of task are right less often than they were: the loop `ewc` within a cycle.

Each judgment that people called right or wrong is a row, right when more of the answers that count say so; one that is
called both as often, or only partly right, is none. The first fifty of a kind of task are its baseline, which is fixed
once it is full; the newest fifty after them are the present.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.forgetting import JUDGMENTS_MIN, Counted, overview, watch
from cynic.flows.edge import to_json
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.domains.learning.forgetting import Forgetting, Watched
    from cynic.flows.learning.cycle import Cycle

LOOP: Final = "ewc"
STATE: Final = "forgetting"
WINDOW: Final = 50
"""Judgments of a baseline, and of the present."""
ALERT: Final = "catastrophic_forgetting"

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("forgetting.sql")))


@dataclass(slots=True, kw_only=True)
class _Task:
    """What is kept of a kind of task."""

    seen: int = 0
    """Judgments that are rows, or were until retention took them."""
    baseline: Counted
    present: Counted

    @property
    def watched(self) -> Watched:
        return watch(self.baseline, self.present)

    @property
    def newest(self) -> int:
        """How many rows after the baseline are the present."""
        return min(WINDOW, max(0, self.seen - WINDOW))


def turn(cycle: Cycle) -> Turn:
    """Note how judgments fared, compare the present of each kind of task with its baseline, and sound the alarm."""
    tasks = _kept(cycle)
    before = overview({kind: task.watched for kind, task in tasks.items()})
    moved = _note(cycle, tasks)
    if moved:
        _count(cycle, tasks, moved)
        cycle.keep(LOOP, _document(tasks), state_type=STATE, answers=len(cycle.answers))
    watched = {kind: task.watched for kind, task in tasks.items()}
    found = overview(watched)
    if moved and found.average_bwt is not None:
        _report(cycle, watched, found)
    return Turn(before=_numbers(before), after=_numbers(found))


def _kept(cycle: Cycle) -> dict[str, _Task]:
    kept = cycle.kept(LOOP, STATE) or {}
    rows = cast("Mapping[str, Mapping[str, Sequence[int]]]", kept)
    return {
        kind: _Task(
            seen=row["seen"][0],
            baseline=_counted(row["baseline"]),
            present=_counted(row["present"]),
        )
        for kind, row in sorted(rows.items())
    }


def _document(tasks: Mapping[str, _Task]) -> dict[str, object]:
    return {
        kind: {
            "seen": [task.seen],
            "baseline": [task.baseline.correct, task.baseline.total],
            "present": [task.present.correct, task.present.total],
        }
        for kind, task in tasks.items()
    }


def _counted(pair: Sequence[int]) -> Counted:
    return Counted(correct=pair[0], total=pair[1])


def _note(cycle: Cycle, tasks: dict[str, _Task]) -> set[str]:
    """Write the rows of the judgments that were answered; the kinds of task that have other rows now."""
    kinds = {one.judgment_id: one.task_kind for one in cycle.answers}
    if not kinds:
        return set()
    found = cycle.conn.execute(
        _SQL["answered"], {"judgments": list(kinds), "until": cycle.until}
    ).fetchall()
    decided = {judgment_id: (share, place) for judgment_id, share, place in found if 2 * share != 1}
    rows = [
        {"judgment": judgment_id, "kind": kinds[judgment_id], "accuracy": share, "place": place}
        for judgment_id, (share, place) in decided.items()
    ]
    gone = [judgment_id for judgment_id in kinds if judgment_id not in decided]
    moved: set[str] = set()
    for kind in _dropped(cycle, gone):
        moved.add(kind)
        if kind in tasks:
            tasks[kind].seen -= 1
    written = cycle.conn.execute(_SQL["note"], {"rows": to_json(rows), "now": cycle.now})
    for kind, new in written.fetchall():
        moved.add(kind)
        nothing = Counted(correct=0, total=0)
        tasks.setdefault(kind, _Task(baseline=nothing, present=nothing)).seen += new
    return moved


def _dropped(cycle: Cycle, gone: Sequence[str]) -> list[str]:
    if not gone:
        return []
    return [row[0] for row in cycle.conn.execute(_SQL["drop"], {"judgments": list(gone)})]


def _count(cycle: Cycle, tasks: Mapping[str, _Task], moved: Iterable[str]) -> None:
    """Count the windows of some kinds of task anew; a baseline that is full stays as it is."""
    asked = [
        {
            "kind": kind,
            "first": 0 if tasks[kind].baseline.total >= WINDOW else WINDOW,
            "newest": tasks[kind].newest,
        }
        for kind in sorted(moved & tasks.keys())
    ]
    baselines: list[dict[str, object]] = []
    for kind, first, newest in cycle.conn.execute(_SQL["windows"], {"kinds": to_json(asked)}):
        task = tasks[kind]
        task.present = Counted(correct=sum(newest), total=len(newest))
        if task.baseline.total < WINDOW:
            task.baseline = Counted(correct=sum(first), total=len(first))
            if len(first) >= JUDGMENTS_MIN:
                accuracy = task.baseline.accuracy
                baselines.append({"kind": kind, "accuracy": accuracy, "samples": len(first)})
    if baselines:
        cycle.conn.execute(_SQL["baselines"], {"rows": to_json(baselines), "now": cycle.now})


def _report(cycle: Cycle, watched: Mapping[str, Watched], found: Forgetting) -> None:
    lost = list(found.catastrophic_tasks)
    parameters = {
        "bwt": found.average_bwt,
        "tasks": found.task_count,
        "lost": to_json(lost),
        "count": len(lost),
        "now": cycle.now,
        "type": ALERT,
    }
    cycle.conn.execute(_SQL["metrics"], parameters)
    alarmed = bool(lost) and cycle.conn.execute(_SQL["alert"], parameters).rowcount
    cycle.log(
        LOOP,
        "alert" if alarmed else "forgetting",
        averageBwt=found.average_bwt,
        tasks=found.task_count,
        catastrophic={kind: _evidence(watched[kind]) for kind in lost},
        answers={"since": cycle.since, "until": cycle.until},
    )


def _evidence(task: Watched) -> dict[str, object]:
    return {
        "baseline": task.baseline.accuracy,
        "baselineInterval": task.baseline.interval,
        "present": task.present.accuracy,
        "presentInterval": task.present.interval,
    }


def _numbers(found: Forgetting) -> dict[str, object]:
    return {
        "averageBwt": found.average_bwt,
        "tasks": found.task_count,
        "catastrophic": list(found.catastrophic_tasks),
    }
