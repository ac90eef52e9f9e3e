"""Weights of dimensions on streams: weak but real correlations make the score better, and noise leaves it as it was."""

from __future__ import annotations

import math
import random
import statistics
from bisect import bisect_left, bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.verdict import passes
from cynic.domains.core import score
from cynic.domains.core.dimensions import AXIOM_OF, AXIOMS, WEIGHT_OF
from cynic.domains.learning import sona
from cynic.domains.learning.dimension_sums import Sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAMES = tuple(AXIOM_OF)
"""The 35 that can be judged; the 36th is computed from them."""
Item = tuple[dict[str, float], bool]


def stream(rng: random.Random, items: int, telling: Mapping[str, float]) -> Iterator[Item]:
    """Items with a score in each dimension; `telling` ones correlate so much with what the item is worth."""
    for _ in range(items):
        good = rng.random() < 0.5
        scores: dict[str, float] = {}
        for name in NAMES:
            r = telling.get(name, 0.0)
            deviation = r * (1 if good else -1) + (1 - r * r) ** 0.5 * rng.gauss()
            scores[name] = min(100, max(0, round(51 + 15 * deviation, 1)))
        yield scores, good


def learned(
    rng: random.Random, answers: int, telling: Mapping[str, float]
) -> dict[str, sona.Adaptation]:
    """What cycles of 200 answers make of it."""
    sums, found = Sums(), dict[str, sona.Adaptation]()
    modifiers: dict[str, float] = {}
    for number, (scores, good) in enumerate(stream(rng, answers, telling), 1):
        sums.add(scores, passed=good, right_side=good)
        if number % 200 == 0:
            found = sona.moved(sums.seen(), modifiers)
            modifiers = {name: one.modifier for name, one in found.items()}
    return found


def measured(items: list[Item], modifiers: Mapping[str, float]) -> tuple[float, float]:
    """The share of items that the score puts on their side, and the AUC of the score."""
    base = {name: float(weight) for name, weight in WEIGHT_OF.items()}
    weights = {
        name: Decimal(str(round(weight, 6)))
        for name, weight in sona.weights(base, modifiers).items()
    }
    qs: dict[bool, list[Decimal]] = {True: [], False: []}
    for scores, good in items:
        exact = {name: Decimal(str(value)) for name, value in scores.items()}
        qs[good].append(score.q_score(score.axiom_means(exact, learned=weights)))
    bad = sorted(qs[False])
    above = sum((bisect_left(bad, q) + bisect_right(bad, q)) / 2 for q in qs[True])
    hits = sum(passes(q) for q in qs[True]) + sum(not passes(q) for q in bad)
    return hits / len(items), above / (len(bad) * len(qs[True]))


def test_weak_correlations_make_the_score_better() -> None:
    gains: list[float] = []
    for seed in range(3):
        rng = random.Random(seed)
        telling = dict(zip(rng.sample(NAMES, 3), (0.15, 0.2, 0.3), strict=True))
        found = learned(rng, 5000, telling)
        assert {name for name, one in found.items() if one.significant} >= set(telling)
        for name, r in telling.items():
            assert found[name].correlation == pytest.approx(r, abs=0.05)
            assert found[name].modifier == pytest.approx(1 + 0.382 * r, abs=0.03)
        assert all(abs(found[name].modifier - 1) < 0.03 for name in NAMES if name not in telling)
        items = list(stream(rng, 6000, telling))
        plain = measured(items, {})
        weighed = measured(items, {name: one.modifier for name, one in found.items()})
        assert weighed[1] > plain[1] + 0.002, "the area under the curve"
        gains.append(weighed[0] - plain[0])
    assert sum(gains) / len(gains) > 0.001, gains


def test_noise_leaves_weights_at_1_but_for_false_alarms() -> None:
    streams = 60
    rng = random.Random(618)
    alarms = moved = 0
    for _ in range(streams):
        found = learned(rng, 600, {})
        alarms += any(one.significant for one in found.values())
        moved += any(one.modifier != 1 for one in found.values())
        assert all(abs(one.modifier - 1) < 0.05 for one in found.values())
    # At 5 % a look: 9 or more of 60 come once in 400 tests like this one; each stream has three looks.
    assert alarms <= 8
    assert moved <= 16
    noise = Sums()
    for scores, good in stream(rng, 3000, {}):
        noise.add(scores, passed=good, right_side=good)
    assert all(one.modifier == 1 for one in sona.moved(noise.seen(), {}).values())


def test_a_false_alarm_is_given_back() -> None:
    modifiers = {"IMPACT": 1.05, "CANDOR": 0.97}
    for _ in range(60):
        seen = {"IMPACT": sona.Seen(500, 0.01, 4.0), "CANDOR": sona.Seen(500, None, math.inf)}
        found = sona.moved(seen, modifiers)
        modifiers = {name: one.modifier for name, one in found.items()}
    assert modifiers == {"IMPACT": 1.0, "CANDOR": 0.97}, "of what does not vary nothing is known"


@pytest.mark.parametrize(
    ("n", "r", "significant"),
    # Two dimensions share the 5 %: an exponent of ln 80 = 4.38.
    [
        (500, 0.14, False),
        (500, 0.15, True),
        (500, -0.15, True),
        (29, 1.0, False),
        (30, 0.7, False),
        (30, 0.8, True),
    ],
)
def test_significance_alone_decides_and_the_aim_is_as_far_as_r(
    n: int, r: float, significant: bool
) -> None:
    seen = {"IMPACT": sona.Seen(n, r, 3.0), "CANDOR": sona.Seen(n, 0.0, 3.0)}
    found = sona.moved(seen, {})["IMPACT"]
    assert found.significant is significant
    assert found.modifier == pytest.approx(1 + 0.236 * 0.382 * r if significant else 1)


@pytest.mark.parametrize("scores", [(20.0, 80.0), (20.0, 50.0, 80.0), (80.0,) * 9 + (20.0,)])
@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("answers", [5, 10, 30, 60])
def test_few_and_lopsided_answers_of_noise_sound_no_alarm(
    scores: tuple[float, ...], share: float, answers: int
) -> None:
    rng = random.Random(618)
    streams, alarms = 60, 0
    for _ in range(streams):
        sums = Sums()
        for _ in range(answers):
            good = rng.random() < share
            drawn = {name: rng.choice(scores) for name in NAMES}
            sums.add(drawn, passed=good, right_side=good)
        alarms += any(one.significant for one in sona.moved(sums.seen(), {}).values())
    # At 5 %: 9 or more of 60 come once in 400 tests like this one.
    assert alarms <= 8


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=2, max_size=40))
def test_the_reach_is_beyond_every_observation(rows: list[tuple[int, bool]]) -> None:
    sums = Sums()
    for x, good in rows:
        sums.add({"IMPACT": x}, passed=good, right_side=good)
    seen = sums.seen()["IMPACT"]
    if seen.correlation is None:
        assert (seen.reach, seen.chance()) == (math.inf, 1)
        return
    xs, ys = [x for x, _ in rows], [1 if good else -1 for _, good in rows]
    scale = statistics.pstdev(xs) * statistics.pstdev(ys)
    mean_x, mean_y = statistics.fmean(xs), statistics.fmean(ys)
    most = max(abs(x - mean_x) * abs(y - mean_y) for x, y in zip(xs, ys, strict=True)) / scale
    assert seen.reach >= most * (1 - 1e-9)
    assert 0 < seen.chance() <= 1


def test_the_strongest_is_a_significant_one_where_there_is_one() -> None:
    def strongest(**known: tuple[int, float | None]) -> str | None:
        seen = {name: sona.Seen(n, r, 3.0) for name, (n, r) in known.items()}
        return sona.strongest(sona.moved(seen, {}))

    assert strongest() is None
    assert strongest(IMPACT=(29, 0.9), CANDOR=(50, None)) is None
    assert strongest(IMPACT=(30, 0.5), CANDOR=(30, -0.6)) == "CANDOR"
    assert strongest(IMPACT=(5000, -0.2), CANDOR=(30, 0.6)) == "IMPACT"
    assert strongest(IMPACT=(30, 0.5), CANDOR=(30, -0.5)) == "CANDOR", "the first by name"


@given(
    st.lists(
        st.decimals(0, 100, places=2) | st.decimals("49.9", "50.1", places=4),
        min_size=1,
        max_size=5,
    )
)
def test_the_side_is_that_of_the_score(values: list[Decimal]) -> None:
    axioms = dict(zip(AXIOMS, values, strict=False))
    assert score.side(axioms) is passes(score.q_score(axioms))
