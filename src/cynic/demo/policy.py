"""Routing weights as a way to send tasks: whom with which probability, and what that would have earned on the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.demo.dataset import DataSet

Weights = dict[str, dict[str, float]]
"""Context → dog → share; the shares of a context sum to 1."""


def among(weights: Mapping[str, Mapping[str, tuple[float, int]]], dogs: Sequence[str]) -> Weights:
    """The weights of those in the data alone, to a sum of 1 in each context; a context that nothing was learned of is left out.

    The whole pack has weights everywhere, and most data sets have fewer than eleven to choose from. Weights that are all
    equal are those that every context begins with: no preference has moved them.
    """
    found: Weights = {}
    for context, row in weights.items():
        kept = {dog: row[dog][0] if dog in row else 0.0 for dog in dogs}
        if len(set(kept.values())) > 1:
            total = sum(kept.values())
            found[context] = {dog: weight / total for dog, weight in kept.items()}
    return found


def would_earn(data: DataSet, weights: Weights) -> float | None:
    """The mean score of sending each task by these probabilities, blindly where nothing was learned; None if that is everywhere.

    It is exact, for the data know the score of everybody; but they are the data that the weights were learned from.
    """
    if not weights:
        return None
    blind = dict.fromkeys(data.dogs, 1 / len(data.dogs))
    total = 0.0
    for task in data.tasks:
        row = weights.get(task.context, blind)
        total += sum(row[dog] * score for dog, score in task.scores.items())
    return total / len(data.tasks)


def heaviest(weights: Weights) -> Weights:
    """All to the one with the largest weight of each context, to equals in equal parts."""
    found: Weights = {}
    for context, row in weights.items():
        most = max(row.values())
        equals = sum(weight == most for weight in row.values())
        found[context] = {dog: (weight == most) / equals for dog, weight in row.items()}
    return found


def document(data: DataSet, weights: Weights) -> dict[str, Any]:
    """What the weights are worth on the data, beside the two ends of what is possible without knowing the task."""
    return {
        "would_earn": _rounded(would_earn(data, weights)),
        "heaviest_would_earn": _rounded(would_earn(data, heaviest(weights))),
        "contexts_learned": sum(context in weights for context in data.contexts),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def per_cent(shares: Sequence[float]) -> list[float]:
    """Shares as per cent with one decimal that sum to 100 exactly: what rounding leaves over goes to the largest remainders."""
    tenths = [int(1000 * share) for share in shares]
    order = sorted(range(len(shares)), key=lambda place: tenths[place] - 1000 * shares[place])
    for place in order[: 1000 - sum(tenths)]:
        tenths[place] += 1
    return [tenth / 10 for tenth in tenths]
