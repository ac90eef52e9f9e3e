"""What new routing weights would have earned, judged from decisions that the old ones made.

IPS (Horvitz & Thompson 1952), SNIPS (Swaminathan & Joachims 2015), the direct method, DR (Dudík et al. 2011), its
self-normalised form, and switch-DR (Wang et al. 2017). All are mean(base) + Σ weighted / Σ norm over the decisions;
`Estimator` says which base, weighted and norm.

No value without its interval: few rewards and large weights make these estimates wide. The interval is a percentile
bootstrap with Poisson counts (Chamandy et al. 2012), drawn once per distinct decision, so that a routing log of a few
hundred distinct decisions costs the same at any length.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from cynic.base.errors import InvalidDataError

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

Policy: TypeAlias = "Mapping[str, Mapping[str, float]]"
Method: TypeAlias = Literal["ips", "snips", "dm", "dr", "sndr", "switch-dr"]

METHODS: Final[tuple[Method, ...]] = ("ips", "snips", "dm", "dr", "sndr", "switch-dr")
MODEL_METHODS: Final = frozenset({"dm", "dr", "sndr", "switch-dr"})
RESAMPLES: Final = 1000
SWITCH_AT: Final = 5.0
SUM_TOLERANCE: Final = 1e-6
_GAUSSIAN_FROM: Final = 50
_TWO_SIDED: Final = NormalDist().inv_cdf(0.975)
Outcomes: TypeAlias = "tuple[float, float]"
"""Won and lost; a partial success is half of each."""


class Decision(NamedTuple):
    """One logged routing decision."""

    context: str
    dog: str
    propensity: float
    """With which probability the old weights chose this dog, in (0, 1]."""
    reward: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its bootstrap interval, and how many decisions it really rests on."""

    value: float
    low: float
    high: float
    decisions: int
    effective_decisions: float
    """(Σ w)² / Σ w² (Kish 1965): far below `decisions`, the two policies hardly overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimator:
    """A method with its limits."""

    method: Method = "dr"
    clip: float = math.inf
    """Importance weights are cut at this (biased, but narrower)."""
    switch_at: float = SWITCH_AT
    """switch-DR trusts the reward model alone where the weight is larger than this."""


class _Parts(NamedTuple):
    base: float
    weighted: float
    norm: float
    weight: float


def value(
    decisions: Sequence[Decision],
    policy: Policy,
    estimator: Estimator,
    rewards: Policy | None = None,
) -> float | None:
    """The estimate alone; None without decisions, or when self-normalisation has nothing to divide by.

    `rewards[context][dog]` is the reward model of all methods but ips and snips.
    """
    return _estimate(list(_parts(decisions, policy, estimator, rewards).items()))


def estimate(
    decisions: Sequence[Decision],
    policy: Policy,
    estimator: Estimator,
    *,
    rng: random.Random,
    rewards: Policy | None = None,
    alpha: float = 0.05,
    resamples: int = RESAMPLES,
) -> Estimate | None:
    """The value of `policy` with its 1-alpha interval; None where `value` is None."""
    groups = list(_parts(decisions, policy, estimator, rewards).items())
    found = _estimate(groups)
    if found is None:
        return None
    drawn: list[float] = []
    for _ in range(resamples):
        resampled = _estimate([(parts, _poisson(count, rng)) for parts, count in groups])
        if resampled is not None:
            drawn.append(resampled)
    drawn.sort()
    weights = math.fsum(count * parts.weight for parts, count in groups)
    squares = math.fsum(count * parts.weight**2 for parts, count in groups)
    return Estimate(
        value=found,
        low=_quantile(drawn, alpha / 2, found),
        high=_quantile(drawn, 1 - alpha / 2, found),
        decisions=len(decisions),
        effective_decisions=weights * weights / squares if squares else 0.0,
    )


class Change(NamedTuple):
    """By how much one policy earns more than another, with its interval."""

    value: float
    low: float
    high: float


def change(
    new: Mapping[str, float], old: Mapping[str, float], arms: Mapping[str, Outcomes]
) -> Change:
    """The value of `new` less that of `old` in one context, from what came of each dog's decisions there.

    In a table, importance weights by the shares with which the dogs really decided (Hirano, Imbens & Ridder 2003) and the
    direct method are the same number: Σ π(dog) · mean reward. The interval is that of independent Beta(won + 1, lost + 1)
    posteriors, by their variances; a dog that never decided is as uncertain as can be.
    """
    value, variance = 0.0, 0.0
    for dog in sorted(new.keys() | old.keys()):
        share = new.get(dog, 0.0) - old.get(dog, 0.0)
        won, lost = arms.get(dog, (0.0, 0.0))
        total = won + lost + 2
        mean = (won + 1) / total
        value += share * mean
        variance += share * share * mean * (1 - mean) / (total + 1)
    reach = _TWO_SIDED * math.sqrt(variance)
    return Change(value, value - reach, value + reach)


def reward_model(
    decisions: Sequence[Decision], policy: Policy, prior_weight: float = 1.0
) -> dict[str, dict[str, float]]:
    """Mean reward per context and dog, drawn to the overall mean as by `prior_weight` rewards of that size.

    Without any decision the model is 0 everywhere, which leaves DR equal to IPS.
    """
    overall = math.fsum(seen.reward for seen in decisions) / len(decisions) if decisions else 0.0
    sums: dict[tuple[str, str], list[float]] = {}
    for seen in decisions:
        sums.setdefault((seen.context, seen.dog), []).append(seen.reward)
    return {
        context: {
            dog: (math.fsum(sums.get((context, dog), ())) + prior_weight * overall)
            / (len(sums.get((context, dog), ())) + prior_weight)
            for dog in row
        }
        for context, row in policy.items()
    }


def _parts(
    decisions: Sequence[Decision],
    policy: Policy,
    estimator: Estimator,
    rewards: Policy | None,
) -> Counter[_Parts]:
    """Each distinct contribution, and how many decisions made it."""
    if rewards is None and estimator.method in MODEL_METHODS:
        raise InvalidDataError(f"the method {estimator.method} needs a reward model")
    for context, row in policy.items():
        if abs(math.fsum(row.values()) - 1) > SUM_TOLERANCE or min(row.values(), default=0.0) < 0:
            raise InvalidDataError(f"the weights of {context!r} are no probabilities")
    uses_model = rewards is not None and estimator.method in MODEL_METHODS
    model: Policy = rewards if rewards is not None and uses_model else {}
    bases = {
        context: math.fsum(share * model[context][dog] for dog, share in policy[context].items())
        for context in model
        if context in policy
    }
    counts: Counter[_Parts] = Counter()
    for seen, count in Counter(decisions).items():
        counts[_contribution(seen, policy, estimator, model, bases)] += count
    return counts


def _contribution(
    seen: Decision,
    policy: Policy,
    estimator: Estimator,
    model: Policy,
    bases: Mapping[str, float],
) -> _Parts:
    if not (0 < seen.propensity <= 1 and math.isfinite(seen.reward)):
        raise InvalidDataError(
            f"no decision with propensity {seen.propensity}, reward {seen.reward}"
        )
    row = policy.get(seen.context)
    if row is None:
        raise InvalidDataError(f"the new weights say nothing of the context {seen.context!r}")
    weight = min(row.get(seen.dog, 0.0) / seen.propensity, estimator.clip)
    base, predicted = 0.0, 0.0
    if estimator.method in MODEL_METHODS:
        base, predicted = bases[seen.context], model[seen.context][seen.dog]
    used = weight
    if estimator.method == "dm" or (
        estimator.method == "switch-dr" and weight > estimator.switch_at
    ):
        used = 0.0
    norm = weight if estimator.method in {"snips", "sndr"} else 1.0
    return _Parts(base, used * (seen.reward - predicted), norm, weight)


def _estimate(groups: Sequence[tuple[_Parts, int]]) -> float | None:
    count = sum(number for _, number in groups)
    norm = math.fsum(number * parts.norm for parts, number in groups)
    if not count or not norm:
        return None
    base = math.fsum(number * parts.base for parts, number in groups) / count
    return base + math.fsum(number * parts.weighted for parts, number in groups) / norm


def _poisson(mean: int, rng: random.Random) -> int:
    """A Poisson count; for large means the rounded normal, which is as good there."""
    if mean >= _GAUSSIAN_FROM:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _quantile(ordered: Sequence[float], share: float, otherwise: float) -> float:
    """The value at that share of the order, linear between two."""
    if not ordered:
        return otherwise
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
