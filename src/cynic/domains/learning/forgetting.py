"""Was something learned lost again? Transfer between tasks, and the alarm when a loss is beyond chance.

Lopez-Paz & Ranzato 2017 eqs. 2-4 on R[i][j], the accuracy on task j after training on i: BWT = mean R[T][j] - R[j][j],
FWT = mean R[j-1][j] - b[j] (b: untrained), ACC = mean R[T][j]. Forgetting measure: Chaudhry et al. 2018 eq. 3, with the
best earlier row in place of R[j][j].

One task has no transfer: None. Baselines and present accuracies are counted from the stored judgments each time, never
carried in memory, so that a restart sees what was there. Over all kinds of task the sum is exact: a kind that moved is
exchanged in it, and it is the same in whatever order they moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import TYPE_CHECKING, Final, Self, cast

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.rates import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JUDGMENTS_MIN: Final = 20
"""Fewer are not counted, neither as a baseline nor as the present."""
DROP_MAX: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """How the tasks learned one after another act on each other; keys are the positions of the tasks."""

    bwt_by_task: dict[int, float]
    average_bwt: float | None
    forgetting_by_task: dict[int, float]
    """Best earlier accuracy minus the present one (Chaudhry); for a single earlier row this is -BWT."""
    average_forgetting: float | None
    fwt_by_task: dict[int, float]
    average_fwt: float | None
    average_accuracy: float | None


def transfer(
    accuracy: Sequence[Sequence[float]], untrained: Sequence[float] | None = None
) -> Transfer:
    """Transfer after the last row of `accuracy`; without `untrained` nothing is known of forward transfer."""
    rows = len(accuracy)
    if any(len(row) < rows for row in accuracy):
        raise InvalidDataError(f"{rows} tasks need {rows} accuracies in every row")
    last: Sequence[float] = accuracy[-1][:rows] if rows else ()
    bwt = {task: last[task] - accuracy[task][task] for task in range(rows - 1)}
    lost = {
        task: max(row[task] for row in accuracy[task : rows - 1]) - last[task]
        for task in range(rows - 1)
    }
    fwt = (
        {task: accuracy[task - 1][task] - untrained[task] for task in range(1, rows)}
        if untrained is not None
        else {}
    )
    return Transfer(
        bwt_by_task=bwt,
        average_bwt=_mean(bwt),
        forgetting_by_task=lost,
        average_forgetting=_mean(lost),
        fwt_by_task=fwt,
        average_fwt=_mean(fwt),
        average_accuracy=fmean(last) if last else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Judgments of one kind of task, and how many of them were right."""

    correct: int
    total: int

    @property
    def accuracy(self) -> float | None:
        """The share that was right; None below the smallest number that counts."""
        return self.correct / self.total if self.total >= JUDGMENTS_MIN else None

    @property
    def interval(self) -> Interval | None:
        """Wilson's 95 % interval, whatever the number; None without any."""
        return wilson(self.correct, self.total)

    @property
    def mostly_right(self) -> bool | None:
        """Whether the next one is likelier right than wrong; None where it is as likely, or too few count."""
        if self.total < JUDGMENTS_MIN or 2 * self.correct == self.total:
            return None
        return 2 * self.correct > self.total


def split(outcomes: Sequence[bool], window: int) -> tuple[Counted, Counted]:
    """The first `window` judgments of a task are its baseline, the last `window` its present; none is in both."""
    if window < JUDGMENTS_MIN:
        raise InvalidDataError(f"a window of {window} is below {JUDGMENTS_MIN} judgments")
    first, rest = outcomes[:window], outcomes[window:]
    recent = rest[-window:]
    return (
        Counted(correct=sum(first), total=len(first)),
        Counted(correct=sum(recent), total=len(recent)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is known of one kind of task; None where there are too few judgments."""

    baseline: Counted
    present: Counted
    bwt: float | None
    catastrophic: bool | None

    @property
    def exact_bwt(self) -> Fraction | None:
        """The backward transfer without rounding."""
        if self.bwt is None:
            return None
        now, was = self.present, self.baseline
        return Fraction(now.correct, now.total) - Fraction(was.correct, was.total)

    @property
    def settled(self) -> bool | None:
        """Whether the present is where the baseline is, or above it; None while either is unknown.

        Below it is what chance does not explain, however small the drop: the Wilson intervals do not overlap.
        """
        before, after = self.baseline.interval, self.present.interval
        if self.bwt is None or before is None or after is None:
            return None
        return self.bwt >= 0 or before.overlaps(after)


def watch(baseline: Counted, present: Counted, drop_max: float = DROP_MAX) -> Watched:
    """Compare the present with the baseline.

    Catastrophic is a drop beyond `drop_max` that chance does not explain: the two Wilson intervals do not overlap.
    """
    was, now = baseline.accuracy, present.accuracy
    before, after = baseline.interval, present.interval
    if was is None or now is None or before is None or after is None:
        return Watched(baseline=baseline, present=present, bwt=None, catastrophic=None)
    return Watched(
        baseline=baseline,
        present=present,
        bwt=now - was,
        catastrophic=was - now > drop_max and not before.overlaps(after),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """All kinds of task at once, as `forgetting_metrics` keeps it."""

    total_bwt: Fraction = Fraction()
    """Of the kinds that can be compared; exact, so that a kind can be taken out again."""
    task_count: int = 0
    """Kinds of task with enough judgments on both sides."""
    catastrophic: frozenset[str] = frozenset()
    """Those that were lost."""

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Self:
        """The one whose `document` this was."""
        return cls(
            total_bwt=Fraction(cast("str", document["bwt"])),
            task_count=cast("int", document["tasks"]),
            catastrophic=frozenset(cast("Sequence[str]", document["catastrophic"])),
        )

    def document(self) -> dict[str, object]:
        """Everything it knows, as JSON values; the sum as the text of a fraction."""
        return {
            "bwt": str(self.total_bwt),
            "tasks": self.task_count,
            "catastrophic": list(self.catastrophic_tasks),
        }

    @property
    def average_bwt(self) -> float | None:
        """The mean backward transfer; None while no kind can be compared."""
        return float(self.total_bwt / self.task_count) if self.task_count else None

    @property
    def catastrophic_tasks(self) -> tuple[str, ...]:
        """The names of the kinds that were lost, in order."""
        return tuple(sorted(self.catastrophic))

    def exchanged(self, moved: Mapping[str, tuple[Watched, Watched]]) -> Forgetting:
        """The same after some kinds moved; of each what it was, and what it is."""
        total, count = self.total_bwt, self.task_count
        for sides in moved.values():
            for sign, seen in zip((-1, 1), sides, strict=True):
                bwt = seen.exact_bwt
                if bwt is not None:
                    total, count = total + sign * bwt, count + sign
        lost = {kind for kind, (_, now) in moved.items() if now.catastrophic}
        return Forgetting(
            total_bwt=total,
            task_count=count,
            catastrophic=(self.catastrophic - moved.keys()) | lost,
        )


UNKNOWN: Final = watch(Counted(correct=0, total=0), Counted(correct=0, total=0))
"""A kind of task that was never seen."""


def overview(tasks: Mapping[str, Watched]) -> Forgetting:
    """The mean backward transfer of the tasks that can be compared, and the names of those that were lost."""
    return Forgetting().exchanged({name: (UNKNOWN, seen) for name, seen in tasks.items()})


def _mean(values: Mapping[int, float]) -> float | None:
    return fmean(values.values()) if values else None
