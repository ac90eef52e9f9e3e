"""The laws of Q: monotone, bounded, sunk by a zero, blind to order."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.verdict import passes, verdict_of
from cynic.domains.core.dimensions import AXIOM_OF, AXIOMS, UNNAMEABLE, WEIGHT_OF
from cynic.domains.core.score import axiom_means, q_score, shown_axioms, with_unnameable

NAMES = sorted(AXIOM_OF)
SCORES = st.decimals(0, 100, places=3)
JUDGED = st.dictionaries(st.sampled_from(NAMES), SCORES, min_size=1)


def q_of(dimensions: dict[str, Decimal]) -> Decimal:
    return q_score(axiom_means(dimensions))


def test_there_are_36_dimensions_and_an_axiom_weighs_6_472() -> None:
    assert len(AXIOM_OF) + 1 == 36
    for names in AXIOMS.values():
        assert float(sum(WEIGHT_OF[name] for name in names)) == pytest.approx(6.472, abs=5e-4)


@given(JUDGED, st.data())
def test_q_never_falls_when_a_dimension_rises(dimensions: dict[str, Decimal], data: Any) -> None:
    name = data.draw(st.sampled_from(sorted(dimensions)))
    raised = data.draw(st.decimals(dimensions[name], 100, places=3))
    assert q_of(dimensions | {name: raised}) >= q_of(dimensions)


@given(JUDGED, st.sampled_from(sorted(AXIOMS)))
def test_a_zero_axiom_gives_zero(dimensions: dict[str, Decimal], axiom: str) -> None:
    sunk = dimensions | dict.fromkeys(AXIOMS[axiom], Decimal())
    assert q_of(sunk) == 0


@given(JUDGED)
def test_q_lies_between_the_worst_and_the_best_axiom(dimensions: dict[str, Decimal]) -> None:
    means = axiom_means(dimensions)
    q = q_score(means)
    rounding = Decimal("0.005")
    assert min(means.values()) - rounding <= q <= max(means.values()) + rounding
    assert q == q.quantize(Decimal("0.01"))


@given(JUDGED, st.randoms())
def test_the_order_of_dimensions_does_not_matter(
    dimensions: dict[str, Decimal], random: Any
) -> None:
    names = list(dimensions)
    random.shuffle(names)
    assert q_of({name: dimensions[name] for name in names}) == q_of(dimensions)


@given(JUDGED)
def test_q_agrees_with_floating_point(dimensions: dict[str, Decimal]) -> None:
    phi = (1 + math.sqrt(5)) / 2
    template = [phi, 1 / phi, 1, phi, phi**-2, 1 / phi, 1 / phi]
    means = []
    for names in AXIOMS.values():
        judged = [
            (w, float(dimensions[n]))
            for n, w in zip(names, template, strict=True)
            if n in dimensions
        ]
        if judged:
            means.append(sum(w * s for w, s in judged) / sum(w for w, _ in judged))
    expected = 100 * math.prod(m / 100 for m in means) ** (1 / len(means))
    assert float(q_of(dimensions)) == pytest.approx(expected, abs=0.0051)


@pytest.mark.parametrize(
    "score", ["0", "0.01", "38.19", "38.2", "49.99", "50", "79.99", "80", "100"]
)
def test_equal_dimensions_give_exactly_their_score(score: str) -> None:
    assert q_of(dict.fromkeys(NAMES, Decimal(score))) == Decimal(score)


@pytest.mark.parametrize(
    ("score", "word"),
    [
        ("100", "HOWL"), ("80", "HOWL"), ("79.99", "WAG"), ("50", "WAG"), ("49.99", "GROWL"),
        ("38.2", "GROWL"), ("38.19", "BARK"), ("38", "BARK"), ("0", "BARK"),
    ],
)  # fmt: skip
def test_verdicts_change_exactly_at_their_bounds(score: str, word: str) -> None:
    assert verdict_of(Decimal(score)) == word
    assert passes(Decimal(score)) == (word in {"HOWL", "WAG"})


def test_axioms_are_shown_four_always_and_fidelity_when_judged() -> None:
    assert shown_axioms({"VERIFY": Decimal(70) / 3}) == {
        "PHI": None,
        "VERIFY": Decimal("23.3333"),
        "CULTURE": None,
        "BURN": None,
    }
    assert shown_axioms({"FIDELITY": Decimal(5)})["FIDELITY"] == 5


def test_the_unnameable_is_what_the_spread_leaves_unexplained() -> None:
    two = {"COHERENCE": Decimal(40), "ACCURACY": Decimal(60)}
    assert with_unnameable(two)[UNNAMEABLE] == 80  # a deviation of 10 of at most 50
    assert with_unnameable({"COHERENCE": Decimal(0), "ACCURACY": Decimal(100)})[UNNAMEABLE] == 0
    assert with_unnameable(dict.fromkeys(NAMES, Decimal(7)))[UNNAMEABLE] == 100
    assert UNNAMEABLE not in with_unnameable({"COHERENCE": Decimal(7)})  # one tells no spread
