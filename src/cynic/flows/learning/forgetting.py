"""Whether judgments of some kind of task are right less often than they were: the loop `ewc` within a cycle.

Each judgment that people called right or wrong is a row, right when more of the answers that count say so; one that is
called both as often, or only partly right, is none. The first fifty of a kind of task are its baseline, which is fixed
once it is full; the newest fifty after them are the present.

Each kind is kept in a row of its own, and what all of them add up to in another, so that a cycle reads and writes the
kinds that it is about and those that were lost, however many there are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.forgetting import (
    JUDGMENTS_MIN,
    Counted,
    Forgetting,
    overview,
    watch,
)
from cynic.flows.edge import to_json
from cynic.flows.learning import seen, state
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cynic.domains.learning.forgetting import Watched
    from cynic.flows.learning.cycle import Cycle

LOOP: Final = "ewc"
SUMS: Final = "transfer"
"""The state in which the loop keeps what all kinds of task add up to."""
TASKS: Final = "ewc-tasks"
"""The loop under which each kind of task is a state."""
WINDOW: Final = 50
"""Judgments of a baseline, and of the present."""
ALERT: Final = "catastrophic_forgetting"

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("forgetting.sql")))
_Row = tuple[str, "Mapping[str, Sequence[int]]"]
_NOTHING = Counted(correct=0, total=0)


@dataclass(slots=True, kw_only=True)
class _Task:
    """What is kept of a kind of task."""

    seen: int = 0
    """Judgments that are rows, or were until retention took them."""
    baseline: Counted = _NOTHING
    present: Counted = _NOTHING

    @classmethod
    def read(cls, weights: Mapping[str, Sequence[int]]) -> _Task:
        return cls(
            seen=weights["seen"][0],
            baseline=_counted(weights["baseline"]),
            present=_counted(weights["present"]),
        )

    def document(self) -> dict[str, object]:
        return {
            "seen": [self.seen],
            "baseline": [self.baseline.correct, self.baseline.total],
            "present": [self.present.correct, self.present.total],
        }

    @property
    def watched(self) -> Watched:
        return watch(self.baseline, self.present)

    @property
    def newest(self) -> int:
        """How many rows after the baseline are the present."""
        return min(WINDOW, max(0, self.seen - WINDOW))


def turn(cycle: Cycle) -> Turn:
    """Note how judgments fared, compare the present of each kind of task with its baseline, and sound the alarm."""
    before = _sums(cycle)
    answers = Counter(one.task_kind for one in cycle.answers)
    dropped, written = _note(cycle)
    tasks = _read(cycle, {*answers, *dropped, *written, *before.catastrophic})
    hits = _foretold(cycle, tasks)
    for kind in written:
        tasks.setdefault(kind, _Task())
    moved = {kind: tasks[kind] for kind in sorted({*dropped, *written}) if kind in tasks}
    were = {kind: task.watched for kind, task in moved.items()}
    for kind, task in moved.items():
        task.seen += written[kind] - dropped[kind]
    if moved:
        _count(cycle, moved)
    watched = {kind: task.watched for kind, task in tasks.items()}
    found = before.exchanged({kind: (were[kind], watched[kind]) for kind in moved})
    if moved:
        _save(cycle, moved, found, answers)
        if found.task_count:
            _report(cycle, watched, found)
    return Turn(
        before=_numbers(before),
        after=_numbers(found),
        parts=_parts(sorted(answers), tasks, watched, hits),
    )


def _sums(cycle: Cycle) -> Forgetting:
    """What all kinds add up to; of a row that still has them all, after it is divided."""
    kept = cycle.kept(LOOP, SUMS)
    if kept is not None:
        return Forgetting.read(kept)
    divided = cycle.conn.execute(_SQL["divide"]).fetchone()
    if divided is None:
        return Forgetting()
    rows = cast("Iterable[_Row]", cycle.conn.execute(_SQL["all_tasks"]))
    found = overview({kind: _Task.read(weights).watched for kind, weights in rows})
    cycle.keep(LOOP, found.document(), state_type=SUMS, answers=divided[0])
    return found


def _read(cycle: Cycle, kinds: Collection[str]) -> dict[str, _Task]:
    """What is kept of some kinds of task."""
    found = cycle.conn.execute(_SQL["tasks"], {"kinds": sorted(kinds)})
    return {kind: _Task.read(weights) for kind, weights in cast("Iterable[_Row]", found)}


def _counted(pair: Sequence[int]) -> Counted:
    return Counted(correct=pair[0], total=pair[1])


def _note(cycle: Cycle) -> tuple[Counter[str], Counter[str]]:
    """Write the rows of the judgments that were answered.

    Of each kind of task that has other rows now: how many went, and how many are new, which is none where a row only
    says something else.
    """
    kinds = {one.judgment_id: one.task_kind for one in cycle.answers}
    dropped, written = Counter[str](), Counter[str]()
    if not kinds:
        return dropped, written
    found = cycle.conn.execute(
        _SQL["answered"], {"judgments": list(kinds), "until": cycle.until}
    ).fetchall()
    decided = {judgment_id: (share, place) for judgment_id, share, place in found if 2 * share != 1}
    rows = [
        {"judgment": judgment_id, "kind": kinds[judgment_id], "accuracy": share, "place": place}
        for judgment_id, (share, place) in decided.items()
    ]
    gone = [judgment_id for judgment_id in kinds if judgment_id not in decided]
    if gone:
        dropped.update(
            kind for (kind,) in cycle.conn.execute(_SQL["drop"], {"judgments": gone}).fetchall()
        )
    parameters = {"rows": to_json(rows), "now": cycle.now}
    for kind, new in cycle.conn.execute(_SQL["note"], parameters).fetchall():
        written[kind] += new
    return dropped, written


def _foretold(cycle: Cycle, tasks: Mapping[str, _Task]) -> list[bool]:
    """Whether each answer is what the baseline of its kind says of most, as it was before this cycle.

    One that is as often right as wrong, or not known yet, foretells nothing.
    """
    says = {kind: task.baseline.mostly_right for kind, task in tasks.items()}
    return [
        expected == (one.outcome == "correct")
        for one in seen.first_answers(cycle)
        if one.outcome != "partial" and (expected := says.get(one.task_kind)) is not None
    ]


def _count(cycle: Cycle, tasks: Mapping[str, _Task]) -> None:
    """Count the windows of some kinds of task anew; a baseline that is full stays as it is."""
    asked = [
        {
            "kind": kind,
            "first": 0 if task.baseline.total >= WINDOW else WINDOW,
            "newest": task.newest,
        }
        for kind, task in tasks.items()
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


def _save(
    cycle: Cycle, tasks: Mapping[str, _Task], found: Forgetting, answers: Mapping[str, int]
) -> None:
    kept = [
        {
            "loop": TASKS,
            "state": kind,
            "weights": task.document(),
            "answers": answers.get(kind, 0),
        }
        for kind, task in tasks.items()
    ]
    sums = {"loop": LOOP, "state": SUMS, "weights": found.document(), "answers": len(cycle.answers)}
    state.save_loops(cycle.conn, [*kept, sums], cycle.now)


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


def _parts(
    kinds: Sequence[str],
    tasks: Mapping[str, _Task],
    watched: Mapping[str, Watched],
    hits: Sequence[bool],
) -> Parts:
    """Its cells are the kinds of task that the cycle was about; one that fell beyond chance is not at rest."""
    settled = {kind: watched[kind].settled for kind in kinds if kind in watched}
    return Parts(
        outcomes={kind: tasks[kind].seen if kind in tasks else 0 for kind in kinds},
        cells=len(kinds),
        converged={kind: one for kind, one in settled.items() if one is not None} or None,
        hits=hits,
    )
