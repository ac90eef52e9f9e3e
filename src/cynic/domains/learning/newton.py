"""Newton's method for convex losses of a few dozen parameters, with steps halved until the loss falls.

Boyd & Vandenberghe 2004, algorithm 9.5 (damped Newton, backtracking until 1e-4 of the promised descent is there, by halves). Undamped, the method
diverges on logistic losses with extreme arguments; damped, it is safe from any start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEPS_MAX: Final = 200
GRADIENT_MAX: Final = 1e-10
_DECREMENT_MIN: Final = 1e-13
_HALVINGS_MAX: Final = 60
_ARMIJO: Final = 1e-4
_JITTER: Final = 1e-10
"""On the diagonal while solving: directions that the loss does not see stay where they are."""


class Minimum(NamedTuple):
    """Where the method stopped; `converged` means that no step makes the loss smaller, in float64."""

    point: list[float]
    loss: float
    steps: int
    converged: bool


def minimise(
    loss: Callable[[list[float]], float],
    slopes: Callable[[list[float]], tuple[list[float], list[list[float]]]],
    start: Sequence[float],
) -> Minimum:
    """Minimise a convex `loss`; `slopes` gives its gradient and its Hessian, symmetric and at least semi-definite."""
    point, value = list(start), loss(list(start))
    for step in range(STEPS_MAX):
        gradient, hessian = slopes(point)
        if max(map(abs, gradient), default=0.0) <= GRADIENT_MAX:
            return Minimum(point, value, step, converged=True)
        for row, line in enumerate(hessian):
            line[row] += _JITTER
        direction = solve(hessian, gradient)
        descent = sum(d * g for d, g in zip(direction, gradient, strict=True))
        if descent <= _DECREMENT_MIN * (1 + abs(value)):
            # So near that the loss can no longer tell the points apart, while the full step still gains digits.
            point = [p - d for p, d in zip(point, direction, strict=True)]
            return Minimum(point, loss(point), step + 1, converged=True)
        moved = _backtracked(loss, point, value, direction, descent)
        if moved is None:
            return Minimum(point, value, step, converged=True)
        point, value = moved
    return Minimum(point, value, STEPS_MAX, converged=False)


def solve(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    """The x with A·x = b, by elimination with partial pivoting; a singular A is refused."""
    size = len(vector)
    rows = [[*row, value] for row, value in zip(matrix, vector, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(rows[row][column]))
        if not abs(rows[pivot][column]) > 0:
            raise InvalidDataError("the equations have no single solution")
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column]
        for row in range(column + 1, size):
            factor = rows[row][column] / head[column]
            if factor:
                rows[row] = [a - factor * b for a, b in zip(rows[row], head, strict=True)]
    solution = [0.0] * size
    for row in range(size - 1, -1, -1):
        known = sum(rows[row][column] * solution[column] for column in range(row + 1, size))
        solution[row] = (rows[row][size] - known) / rows[row][row]
    return solution


def softplus(x: float) -> float:
    """ln(1 + e^x), exact at both ends."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    """1 / (1 + e^-x), exact at both ends."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    power = math.exp(x)
    return power / (1 + power)


def _backtracked(
    loss: Callable[[list[float]], float],
    point: list[float],
    value: float,
    direction: list[float],
    descent: float,
) -> tuple[list[float], float] | None:
    """The first of the halved steps that lowers the loss enough; None when none lowers it at all."""
    share = 1.0
    for _ in range(_HALVINGS_MAX):
        moved = [p - share * d for p, d in zip(point, direction, strict=True)]
        lower = loss(moved)
        if lower <= value - _ARMIJO * share * descent and lower < value:
            return moved, lower
        share /= 2
    return None
