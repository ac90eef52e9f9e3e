"""Direct preference optimisation of the routing weights: which dog was better in a context.

Rafailov et al. 2023, eq. 7, with a tabular softmax: π(dog | context) = softmax(θ), reference π_ref = the base weights.
D = (θ_w - θ_l) - (ref_w - ref_l): the partitions cancel, so that a pair moves the two dogs it names and no other.

- sigmoid: (1 - ε) · softplus(-βD) + ε · softplus(βD), ε = 1 - k (conservative DPO, Mitchell 2023); k = 1 is eq. 7.
  Its minimum lies at βD = logit(k), so no weight runs to 0 or 1 when k < 1.
- ipo: (D - 1/(2β))² (Azar et al. 2023). robust: ((1 - ε) softplus(-βD) - ε softplus(βD)) / (1 - 2ε) (Chowdhury et
  al. 2024). hinge: max(0, 1 - βD) (Zhao et al. 2023).

`fit` goes to the optimum instead of a few steps towards it. With strengths t = β · (θ - ref) the loss is that of
Bradley & Terry 1952, so π = π_ref · exp(t / β), normalised; pairs are counted once into a table of wins, and a Newton
step costs the cube of the number of dogs, whatever the number of pairs.

k is a probability: a stored pair confidence is unscaled first (k = c / 0.618).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.bounds import finite, unit, within
from cynic.domains.learning.newton import minimise, sigmoid, softplus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kind = Literal["sigmoid", "ipo", "robust", "hinge"]
Table = dict[str, dict[str, float]]
"""context → dog → value."""
_Game = tuple[int, int, float, float]
_Loss: TypeAlias = "Callable[[list[float]], float]"
_Slopes: TypeAlias = "Callable[[list[float]], tuple[list[float], list[list[float]]]]"

BETA: Final = 0.1
RIDGE: Final = 0.5
"""Of the strengths, ridge · |t|²; ½ is a standard normal prior. It keeps a dog that never lost finite."""
WEIGHT_MIN: Final = 1e-6
_K_UNINFORMATIVE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """In this context `chosen` was better than `rejected`, with probability `k`."""

    context: str
    chosen: str
    rejected: str
    k: float = 1.0

    def __post_init__(self) -> None:
        unit(self.k, "the probability of a preference")
        if self.chosen == self.rejected:
            raise InvalidDataError(f"{self.chosen} cannot be preferred to itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The loss of a policy on pairs; lists are in the order of the pairs. Means are None without pairs."""

    losses: list[float]
    gradient: Table
    """Of the mean loss; every dog of every context of the policy has an entry."""
    rewards_chosen: list[float]
    """β · (ln π - ln π_ref) of the chosen dog."""
    rewards_rejected: list[float]

    @property
    def loss(self) -> float | None:
        """The mean over pairs."""
        return _mean(self.losses)

    @property
    def accuracy(self) -> float | None:
        """Share of pairs whose chosen dog has the strictly larger reward; 0 at the reference."""
        won = zip(self.rewards_chosen, self.rewards_rejected, strict=True)
        return _mean([float(chosen > rejected) for chosen, rejected in won])

    @property
    def margin(self) -> float | None:
        """Mean reward of the chosen over the rejected."""
        both = zip(self.rewards_chosen, self.rewards_rejected, strict=True)
        return _mean([chosen - rejected for chosen, rejected in both])


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Elastic weight consolidation (Kirkpatrick et al. 2017, eq. 3): strength/2 · Σ F · (θ - θ*)², of one context."""

    theta: Mapping[str, float]
    fisher: Mapping[str, float]
    """Importance of each dog, >= 0; a dog that is missing here is free."""
    strength: float

    def __post_init__(self) -> None:
        within(self.strength, 0.0, math.inf, "the strength of an anchor")
        for dog, importance in self.fisher.items():
            within(finite(importance, f"the importance of {dog}"), 0.0, math.inf, "an importance")
            finite(self.theta[dog], f"the anchored value of {dog}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """The optimum of one context."""

    weights: dict[str, float]
    """π: sums to 1, each at least 1e-6 before normalising."""
    strengths: dict[str, float]
    """t = β · (θ - ref), with mean 0."""
    loss: float
    """The mean conservative loss of the informative pairs; without the terms that regularise."""
    pairs: int
    """How many were informative (k > 0.5)."""


def logits(weights: Mapping[str, float]) -> dict[str, float]:
    """The logarithms of the normalised weights; a weight below 1e-6 counts as 1e-6."""
    if not weights:
        raise InvalidDataError("a context without dogs has no weights")
    for dog, weight in weights.items():
        within(finite(weight, f"the weight of {dog}"), 0.0, math.inf, f"the weight of {dog}")
    total = sum(max(weight, WEIGHT_MIN) for weight in weights.values())
    return {dog: math.log(max(weight, WEIGHT_MIN) / total) for dog, weight in weights.items()}


def policy(theta: Mapping[str, float], *, floor: float = 0.0) -> dict[str, float]:
    """softmax(θ); with a floor, no weight is below it before they are normalised once more."""
    top = max(theta.values())
    powers = {dog: math.exp(finite(value, f"θ of {dog}") - top) for dog, value in theta.items()}
    total = sum(powers.values())
    floored = {dog: max(power / total, floor) for dog, power in powers.items()}
    whole = sum(floored.values())
    return {dog: weight / whole for dog, weight in floored.items()}


def pair_loss(
    kind: Kind, margin: float, beta: float, smoothing: float = 0.0
) -> tuple[float, float]:
    """The loss of one pair and its slope in D; `smoothing` is ε."""
    x = beta * margin
    if kind == "ipo":
        off = margin - 1 / (2 * beta)
        return off * off, 2 * off
    if kind == "hinge":
        return max(0.0, 1 - x), -beta if x < 1 else 0.0
    right, wrong = softplus(-x), softplus(x)
    up, down = beta * sigmoid(-x), beta * sigmoid(x)
    if kind == "sigmoid":
        return (1 - smoothing) * right + smoothing * wrong, smoothing * down - (1 - smoothing) * up
    scale = 1 - 2 * smoothing
    if not scale > 0:
        raise InvalidDataError("robust preferences need a smoothing below ½")
    return (
        ((1 - smoothing) * right - smoothing * wrong) / scale,
        (-(1 - smoothing) * up - smoothing * down) / scale,
    )


def evaluate(
    pairs: Sequence[Preference],
    theta: Mapping[str, Mapping[str, float]],
    reference: Mapping[str, Mapping[str, float]],
    *,
    beta: float = BETA,
    kind: Kind = "sigmoid",
) -> Evaluation:
    """Loss, gradient and rewards of `theta` against `reference`, both as logits by context and dog."""
    _check_beta(beta)
    gradient: Table = {context: dict.fromkeys(dogs, 0.0) for context, dogs in theta.items()}
    gaps = {context: _log_gaps(theta[context], reference[context]) for context in theta}
    losses: list[float] = []
    chosen: list[float] = []
    rejected: list[float] = []
    for pair in pairs:
        try:
            gap = gaps[pair.context]
            won, lost = gap[pair.chosen], gap[pair.rejected]
        except KeyError as error:
            raise InvalidDataError(f"a preference names {error}, which has no weight") from error
        loss, slope = pair_loss(kind, won - lost, beta, 1 - pair.k)
        losses.append(loss)
        gradient[pair.context][pair.chosen] += slope / len(pairs)
        gradient[pair.context][pair.rejected] -= slope / len(pairs)
        chosen.append(beta * won)
        rejected.append(beta * lost)
    return Evaluation(
        losses=losses, gradient=gradient, rewards_chosen=chosen, rewards_rejected=rejected
    )


def descend(
    pairs: Sequence[Preference],
    theta: Mapping[str, Mapping[str, float]],
    reference: Mapping[str, Mapping[str, float]],
    *,
    rate: float,
    steps: int,
    beta: float = BETA,
) -> tuple[Table, list[float]]:
    """`steps` of plain gradient descent, and the loss before each: far from the optimum, kept for comparison."""
    now: Table = {context: dict(dogs) for context, dogs in theta.items()}
    losses: list[float] = []
    for _ in range(steps):
        found = evaluate(pairs, now, reference, beta=beta)
        losses.append(found.loss or 0.0)
        for context, slopes in found.gradient.items():
            for dog, slope in slopes.items():
                now[context][dog] -= rate * slope
    return now, losses


def fit(
    pairs: Sequence[Preference],
    reference: Mapping[str, float],
    *,
    beta: float = BETA,
    ridge: float = RIDGE,
    anchor: Anchor | None = None,
) -> Fitted | None:
    """The optimal weights of one context; None when no pair says anything (k <= 0.5, or none at all).

    The objective is the sum over pairs, to which the anchor is added once: what was learned before fades against
    what is learned now as pairs accumulate, as in a posterior. `reference` are weights, not logits.
    """
    telling = [pair for pair in pairs if pair.k > _K_UNINFORMATIVE]
    return fit_wins(_wins(telling), reference, beta=beta, ridge=ridge, anchor=anchor)


def fit_wins(
    wins: Mapping[str, Mapping[str, float]],
    reference: Mapping[str, float],
    *,
    beta: float = BETA,
    ridge: float = RIDGE,
    anchor: Anchor | None = None,
    start: Mapping[str, float] | None = None,
) -> Fitted | None:
    """The same from a table of wins: chosen → rejected → how often, a pair adding k one way and 1 - k the other.

    `start` are strengths near the optimum, which save steps and change nothing else.
    """
    _check_beta(beta)
    within(ridge, 0.0, math.inf, "the ridge")
    base = logits(reference)
    dogs = sorted(base)
    games = _games(wins, dogs)
    pairs = math.fsum(won + lost for _, _, won, lost in games)
    if not pairs > 0:
        return None
    if not ridge and anchor is None and not _bounded(games, len(dogs)):
        raise InvalidDataError(
            "a dog never lost, so its optimal weight is 1: give a ridge or k below 1"
        )
    begin = [0.0 if start is None else start.get(dog, 0.0) for dog in dogs]
    strengths = minimise(*_objective(games, dogs, base, beta, ridge, anchor), begin).point
    theta = {dog: base[dog] + t / beta for dog, t in zip(dogs, strengths, strict=True)}
    middle = sum(strengths) / len(strengths)
    return Fitted(
        weights=policy(theta, floor=WEIGHT_MIN),
        strengths={dog: t - middle for dog, t in zip(dogs, strengths, strict=True)},
        loss=_table_loss(games, strengths) / pairs,
        pairs=round(pairs),
    )


def policy_value(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    """Σ π(dog) · value(dog): what the weights earn on average."""
    return sum(weight * values[dog] for dog, weight in weights.items())


def _objective(
    games: Sequence[_Game],
    dogs: Sequence[str],
    base: Mapping[str, float],
    beta: float,
    ridge: float,
    anchor: Anchor | None,
) -> tuple[_Loss, _Slopes]:
    """Σ wins · softplus(-(t_i - t_j)) + ridge · Σ t² + anchor, which is convex in t, and its slopes."""
    pull = [anchor.strength * anchor.fisher.get(d, 0.0) if anchor else 0.0 for d in dogs]
    home = [
        beta * (anchor.theta[d] - base[d]) if anchor and d in anchor.fisher else 0.0 for d in dogs
    ]
    stiff = [p / beta**2 for p in pull]

    def loss(t: list[float]) -> float:
        held = sum(s / 2 * (x - h) ** 2 for s, x, h in zip(stiff, t, home, strict=True))
        return _table_loss(games, t) + ridge * sum(x * x for x in t) + held

    def slopes(t: list[float]) -> tuple[list[float], list[list[float]]]:
        size = len(t)
        gradient = [2 * ridge * x + s * (x - h) for x, s, h in zip(t, stiff, home, strict=True)]
        hessian = [[0.0] * size for _ in t]
        for i in range(size):
            hessian[i][i] += 2 * ridge + stiff[i]
        for i, j, won, lost in games:
            p = sigmoid(t[i] - t[j])
            both = won + lost
            slope, bend = both * p - won, both * p * (1 - p)
            gradient[i] += slope
            gradient[j] -= slope
            hessian[i][i] += bend
            hessian[j][j] += bend
            hessian[i][j] -= bend
            hessian[j][i] -= bend
        return gradient, hessian

    return loss, slopes


def _wins(pairs: Sequence[Preference]) -> dict[str, dict[str, float]]:
    """The chosen gets k, the rest to the rejected: the conservative loss as a table of fractional wins."""
    wins: dict[str, dict[str, float]] = {}
    for pair in sorted(pairs, key=lambda one: (one.chosen, one.rejected, one.k)):
        for winner, loser, share in (
            (pair.chosen, pair.rejected, pair.k),
            (pair.rejected, pair.chosen, 1 - pair.k),
        ):
            row = wins.setdefault(winner, {})
            row[loser] = row.get(loser, 0.0) + share
    return wins


def _games(wins: Mapping[str, Mapping[str, float]], dogs: Sequence[str]) -> list[_Game]:
    """The two dogs of each game by their places, and how often the first won and lost; games nobody played are left out."""
    place = {dog: index for index, dog in enumerate(dogs)}
    for winner, row in wins.items():
        for dog in (winner, *row):
            if dog not in place:
                raise InvalidDataError(f"a preference names {dog!r}, which has no weight")
    found: list[_Game] = []
    for i, one in enumerate(dogs):
        for j, other in enumerate(dogs[:i]):
            won = wins.get(one, {}).get(other, 0.0)
            lost = wins.get(other, {}).get(one, 0.0)
            if won or lost:
                found.append((i, j, won, lost))
    return found


def _table_loss(games: Sequence[_Game], strengths: Sequence[float]) -> float:
    return sum(
        won * softplus(strengths[j] - strengths[i]) + lost * softplus(strengths[i] - strengths[j])
        for i, j, won, lost in games
    )


def _bounded(games: Sequence[_Game], size: int) -> bool:
    """Whether every dog that was beaten can be reached back from its beater (Ford 1957), so that an optimum exists."""
    beaten = [[False] * size for _ in range(size)]
    for i, j, won, lost in games:
        beaten[i][j], beaten[j][i] = won > 0, lost > 0
    reach = beaten
    for k in range(size):
        for i in range(size):
            if reach[i][k]:
                reach[i] = [a or b for a, b in zip(reach[i], reach[k], strict=True)]
    return all(reach[j][i] for i in range(size) for j in range(size) if reach[i][j])


def _log_gaps(theta: Mapping[str, float], reference: Mapping[str, float]) -> dict[str, float]:
    """Each dog's ln π - ln π_ref."""
    above, below = _log_total(theta), _log_total(reference)
    return {dog: (value - above) - (reference[dog] - below) for dog, value in theta.items()}


def _log_total(theta: Mapping[str, float]) -> float:
    top = max(finite(value, "θ") for value in theta.values())
    return top + math.log(sum(math.exp(value - top) for value in theta.values()))


def _check_beta(beta: float) -> None:
    if not 0 < beta < math.inf:
        raise InvalidDataError(f"beta is a positive number, not {beta}")


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
