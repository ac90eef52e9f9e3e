"""Elastic weight consolidation on tables: what earlier tasks made sure of is moved with care, or not at all.

Kirkpatrick et al. 2017 eq. 3: L = L_B + Σ λ/2 · F · (q - q*)², with the loss d²/2 of an update, whose gradient is -d
(d the TD error). Online form: Schwarz et al. 2018 (F ← decay · F + F_new, the last anchor only; Huszár 2018: not
together with the earlier tasks' own terms). Two Fishers: the empirical one, Σ d²/N, and the true one of a Gaussian
head of unit variance, the share of the visits, which does not vanish where a cell was learned perfectly (Kunstner
et al. 2019; van de Ven 2025). N counts the updates of the whole task, never of the cell.

λ is always the paper's, with its ½: libraries that leave the ½ out need half our λ for the same pull.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.qlearning import Learned, QTable, Step, StepSize, planned

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_Row = TypeVar("_Row")
Cells: TypeAlias = "Mapping[str, Mapping[str, float]]"

LOCK_AT: Final = 0.618
UNLOCK_BELOW: Final = 0.236
EWC_LAMBDA: Final = 0.1
LOCKED_LAMBDA: Final = 20.0
"""Feedback then moves a value by at most 1/21 of the way until the next consolidation; a drift lifts the locks."""
DECAY: Final = 0.9
_ROUNDING: Final = 1e-12
"""What rounding can have added to a mean of halves, for each of its rewards."""


@dataclass(slots=True, kw_only=True)
class Gradients:
    """Running sums of one cell since the last consolidation; `qlearning_fisher_gradients` keeps the same."""

    gradient_sum: float = 0.0
    gradient_sq_sum: float = 0.0
    update_count: int = 0

    def add(self, td_error: float) -> None:
        """Count one update; its gradient is -d."""
        if not math.isfinite(td_error):
            raise InvalidDataError(f"a TD error is a finite number, not {td_error}")
        self.gradient_sum -= td_error
        self.gradient_sq_sum += td_error * td_error
        self.update_count += 1


Accumulated: TypeAlias = "Mapping[str, Mapping[str, Gradients]]"


def empirical_fisher(cells: Accumulated) -> dict[str, dict[str, float]]:
    """Σ d² / N per cell, N the updates of all cells; empty when nothing was updated."""
    updates = _updates(cells)
    return {
        state: {dog: seen.gradient_sq_sum / updates for dog, seen in row.items()}
        for state, row in cells.items()
        if updates
    }


def visit_fisher(cells: Accumulated) -> dict[str, dict[str, float]]:
    """Share of the task's updates that each cell had; empty when nothing was updated."""
    updates = _updates(cells)
    return {
        state: {dog: seen.update_count / updates for dog, seen in row.items()}
        for state, row in cells.items()
        if updates
    }


def normalised(fisher: Cells) -> dict[str, dict[str, float]]:
    """F / max F, in [0, 1]; all zero stays all zero."""
    most = max((value for row in fisher.values() for value in row.values()), default=0.0)
    scale = most if most > 0 else 1.0
    return {
        state: {dog: value / scale for dog, value in row.items()} for state, row in fisher.items()
    }


def online(before: Cells, new: Cells, decay: float = DECAY) -> dict[str, dict[str, float]]:
    """F ← decay · F + F_new (Schwarz et al. 2018), over the cells of both."""
    if not 0 <= decay <= 1:
        raise InvalidDataError(f"a decay lies in [0, 1], not {decay}")
    merged = {
        state: {dog: decay * value for dog, value in row.items()} for state, row in before.items()
    }
    for state, row in new.items():
        kept = merged.setdefault(state, {})
        for dog, value in row.items():
            kept[dog] = kept.get(dog, 0.0) + value
    return merged


def penalty(values: Cells, anchor: Cells, fisher: Cells, ewc_lambda: float) -> float:
    """λ/2 · Σ F · (q - q*)². Cells that the anchor or the table lacks have no part."""
    return math.fsum(
        ewc_lambda / 2 * weight * (q - kept) ** 2
        for _, _, weight, q, kept in _both(values, anchor, fisher)
    )


def penalty_gradient(
    values: Cells, anchor: Cells, fisher: Cells, ewc_lambda: float
) -> dict[str, dict[str, float]]:
    """λ · F · (q - q*) per cell of the table; 0 for a cell that the anchor lacks."""
    gradient = {state: dict.fromkeys(row, 0.0) for state, row in values.items()}
    for state, dog, weight, q, kept in _both(values, anchor, fisher):
        gradient[state][dog] = ewc_lambda * weight * (q - kept)
    return gradient


def proximal(
    q: float, td_error: float, *, alpha: float, ewc_lambda: float, fisher: float, anchor: float
) -> float:
    """The implicit step, stable for every λ up to infinity: q ← (q + alpha·d + alpha·λ·F·q*) / (1 + alpha·λ·F).

    (The explicit one diverges beyond alpha·λ·F = 2.) At rest it holds (target + λ·F·q*) / (1 + λ·F).
    """
    if fisher <= 0 or ewc_lambda <= 0:
        return q + alpha * td_error
    if math.isinf(ewc_lambda):
        return anchor
    pull = alpha * ewc_lambda * fisher
    share = pull / (1 + pull)
    return (1 - share) * (q + alpha * td_error) + share * anchor


def lock(fisher: float, *, locked: bool) -> bool:
    """Whether a cell or pattern is locked now: from 0.618 on, and until it falls below 0.236."""
    return fisher >= UNLOCK_BELOW if locked else fisher >= LOCK_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Consolidation:
    """What a consolidation left behind: the anchor, how much each cell matters, which cells are locked."""

    anchor: Cells
    fisher: Cells
    """Normalised, in [0, 1]."""
    locked: frozenset[tuple[str, str]] = frozenset()
    ewc_lambda: float = EWC_LAMBDA
    locked_lambda: float = LOCKED_LAMBDA
    """Strength for the states with a locked cell; infinity does not let their cells move at all."""
    guarded: frozenset[str] = field(init=False, repr=False)
    """The states with a locked cell."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "guarded", frozenset(state for state, _ in self.locked))

    def held(self, state: str, dog: str, learned: Learned) -> float:
        """The value a cell takes instead of `learned.after`."""
        found = self.pull(state, dog)
        if found is None:
            return learned.after
        strength, weight, kept = found
        return proximal(
            learned.before,
            learned.td_error,
            alpha=learned.step_size,
            ewc_lambda=strength,
            fisher=weight,
            anchor=kept,
        )

    def pull(self, state: str, dog: str) -> tuple[float, float, float] | None:
        """How strongly a cell is held, with which weight, and at which value; None for one that is free.

        A lock guards a ranking: all cells of its state are pulled at full weight, since a rival that rises unhindered
        overturns it as well as a fall of the best.
        """
        row = self.anchor.get(state)
        kept = None if row is None else row.get(dog)
        if kept is None:
            return None
        if state in self.guarded:
            return self.locked_lambda, 1.0, kept
        weight = self.fisher.get(state, {}).get(dog, 0.0)
        return (self.ewc_lambda, weight, kept) if weight > 0 and self.ewc_lambda > 0 else None


NOTHING_CONSOLIDATED: Final = Consolidation(anchor={}, fisher={})


def consolidate(
    values: Cells,
    gradients: Accumulated,
    before: Consolidation = NOTHING_CONSOLIDATED,
    *,
    decay: float = DECAY,
    task_of: Callable[[str], str] | None = None,
    states: Collection[str] | None = None,
) -> Consolidation:
    """The values become the anchor, visit shares join the Fisher, locks follow it with hysteresis.

    With `states`, only they are consolidated; the others keep what they had. `task_of` says to which task a state belongs, and each task has its own largest Fisher; by default all states are
    one task. Where a decision is one step, each state is a task of its own (`task_of=str`): else what is asked
    often is locked and what is asked seldom never is.
    """
    if states is not None:
        values, gradients = _of(values, states), _of(gradients, states)
    new = _normalised_by_task(visit_fisher(gradients), task_of)
    former = before.fisher if states is None else _of(before.fisher, states)
    fisher = _normalised_by_task(online(former, new, decay), task_of)
    locked = {
        (state, dog)
        for state, row in fisher.items()
        for dog, weight in row.items()
        if lock(weight, locked=(state, dog) in before.locked)
    }
    anchor = {state: dict(row) for state, row in values.items()}
    if states is not None:
        locked |= {cell for cell in before.locked if cell[0] not in fisher}
        anchor = {**before.anchor, **anchor}
        fisher = {**before.fisher, **fisher}
    return Consolidation(
        anchor=anchor,
        fisher=fisher,
        locked=frozenset(locked),
        ewc_lambda=before.ewc_lambda,
        locked_lambda=before.locked_lambda,
    )


@dataclass(slots=True, kw_only=True)
class Careful:
    """Q-learning under a consolidation, keeping the gradients for the next."""

    table: QTable
    consolidation: Consolidation = NOTHING_CONSOLIDATED
    gradients: dict[str, dict[str, Gradients]] = field(
        default_factory=dict[str, dict[str, Gradients]]
    )

    def learn(self, step: Step, *, step_size: StepSize, gamma: float = 0.0) -> Learned:
        """Fold one step into the table, and say what the value became: a locked one stays."""
        learned = planned(self.table, step, step_size=step_size, gamma=gamma)
        after = learned.after
        if step.state in self.consolidation.anchor:
            after = self.consolidation.held(step.state, step.dog, learned)
        self.table.put(step.state, step.dog, after)
        row = self.gradients.get(step.state)
        if row is None:
            row = self.gradients[step.state] = {}
        seen = row.get(step.dog)
        if seen is None:
            seen = row[step.dog] = Gradients()
        seen.add(learned.td_error)
        return learned if after == learned.after else learned._replace(after=after)

    def end_task(
        self,
        *,
        decay: float = DECAY,
        task_of: Callable[[str], str] | None = None,
        states: Collection[str] | None = None,
    ) -> Consolidation:
        """Consolidate all states or some, and begin to count their gradients anew."""
        self.consolidation = consolidate(
            *(self.table.values, self.gradients, self.consolidation),
            decay=decay,
            task_of=task_of,
            states=states,
        )
        for state in tuple(self.gradients) if states is None else states:
            self.gradients.pop(state, None)
        return self.consolidation

    def exchange(
        self, state: str, dog: str, former: float, now: float, *, initial_weight: float = 0.0
    ) -> tuple[float, float]:
        """Exchange a reward in a sample mean for another one; the value before and after. No visit is counted.

        In a cell that is held, the change is made smaller as a new reward's would be: a burst of corrections is as
        harmless as one of answers, and taking a correction back leads back to the value before.
        """
        count, before = self.table.count(state, dog), self.table.value(state, dog)
        if not count:
            return before, before
        weight = count + initial_weight
        found = self.consolidation.pull(state, dog)
        if found is None:
            total = before * weight
            # rewards are halves: a sum that was rounded is found again, unless the cell was held before
            halves = round(2 * total) / 2
            exact = halves if abs(total - halves) < _ROUNDING * weight else total
            after = (exact - former + now) / weight
        elif math.isinf(found[0]):
            after = before
        else:
            after = before + (now - former) / weight / (1 + found[0] * found[1] / weight)
        self.table.values[state][dog] = after
        return before, after

    def forget(self) -> None:
        """Begin anew, as after a drift; only the strengths of the pulls stay."""
        self.table.clear()
        self.gradients = {}
        self.consolidation = Consolidation(
            anchor={},
            fisher={},
            ewc_lambda=self.consolidation.ewc_lambda,
            locked_lambda=self.consolidation.locked_lambda,
        )


def softmax_fisher(
    policy: Cells, choices: Sequence[tuple[str, str]]
) -> dict[str, dict[str, float]]:
    """Fisher of routing weights: F[c, d] = Σ (1[d chosen] - π(d|c))² / N over the (context, dog) of N decisions.

    Contexts without a decision have 0; without any decision the result is all 0.
    """
    fisher = {context: dict.fromkeys(row, 0.0) for context, row in policy.items()}
    for context, chosen in choices:
        row = fisher[context]
        for dog, share in policy[context].items():
            row[dog] += ((dog == chosen) - share) ** 2 / len(choices)
    return fisher


def softmax_fisher_of_counts(
    shares: Mapping[str, float], chosen: Mapping[str, float]
) -> dict[str, float]:
    """The same for one context from how often each dog was chosen there; without any decision all 0."""
    decisions = math.fsum(chosen.values())
    if not decisions > 0:
        return dict.fromkeys(shares, 0.0)
    counts = {dog: chosen.get(dog, 0.0) for dog in shares}
    return {
        dog: (counts[dog] * (1 - share) ** 2 + (decisions - counts[dog]) * share**2) / decisions
        for dog, share in shares.items()
    }


def _normalised_by_task(
    fisher: Cells, task_of: Callable[[str], str] | None
) -> dict[str, dict[str, float]]:
    if task_of is None:
        return normalised(fisher)
    tasks: dict[str, dict[str, Mapping[str, float]]] = {}
    for state, row in fisher.items():
        tasks.setdefault(task_of(state), {})[state] = row
    return {state: row for task in tasks.values() for state, row in normalised(task).items()}


def _of(cells: Mapping[str, _Row], states: Collection[str]) -> dict[str, _Row]:
    return {state: cells[state] for state in states if state in cells}


def _updates(cells: Accumulated) -> int:
    return sum(seen.update_count for row in cells.values() for seen in row.values())


def _both(
    values: Cells, anchor: Cells, fisher: Cells
) -> Iterable[tuple[str, str, float, float, float]]:
    for state, row in fisher.items():
        for dog, weight in row.items():
            q, kept = values.get(state, {}).get(dog), anchor.get(state, {}).get(dog)
            if q is not None and kept is not None:
                yield state, dog, weight, q, kept
