"""Preferences: the optimum is one, order does not matter, a liar loses weight, nothing runs to 0 or 1."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.preference_pairs import Answer, pairs_from
from cynic.domains.learning.preferences import (
    Anchor,
    Preference,
    evaluate,
    fit,
    logits,
    pair_loss,
    policy,
)

DOGS = ["Analyst", "Guardian", "Oracle", "Scout"]
BASE = dict.fromkeys(DOGS, 0.5)
PAIRS = st.lists(
    st.tuples(st.sampled_from(DOGS), st.sampled_from(DOGS), st.floats(0.51, 1)).filter(
        lambda pair: pair[0] != pair[1]
    ),
    min_size=1,
    max_size=30,
).map(lambda pairs: [prefer(*pair) for pair in pairs])


def prefer(chosen: str, rejected: str, k: float = 1.0) -> Preference:
    return Preference(context="code", chosen=chosen, rejected=rejected, k=k)


@given(PAIRS, st.randoms())
def test_weights_are_a_distribution_with_a_floor_whatever_the_order(pairs: Any, random: Any):
    fitted = fit(pairs, BASE)
    assert fitted is not None
    assert sum(fitted.weights.values()) == pytest.approx(1)
    assert all(weight > 0.9e-6 for weight in fitted.weights.values())
    random.shuffle(pairs)
    assert fit(pairs, BASE) == fitted


@given(PAIRS)
def test_at_the_optimum_the_gradient_is_that_of_the_prior(pairs: Any):
    fitted = fit(pairs, BASE, beta=0.5, ridge=0.5)
    assert fitted is not None
    reference = logits(BASE)
    theta = {dog: reference[dog] + fitted.strengths[dog] / 0.5 for dog in DOGS}
    slopes = evaluate(pairs, {"code": theta}, {"code": reference}, beta=0.5).gradient["code"]
    for dog in DOGS:
        pull = -2 * 0.5 * fitted.strengths[dog] * 0.5 / len(pairs)
        assert slopes[dog] == pytest.approx(pull, abs=1e-8)


@given(PAIRS, st.sampled_from(["sigmoid", "ipo", "robust", "hinge"]), st.data())
def test_only_the_two_dogs_of_a_pair_move(pairs: Any, kind: Any, data: Any):
    pair = data.draw(st.sampled_from(pairs))
    reference = {"code": logits(BASE)}
    slopes = evaluate([pair], reference, reference, kind=kind).gradient["code"]
    assert {dog for dog, slope in slopes.items() if slope} == {pair.chosen, pair.rejected}
    assert math.fsum(slopes.values()) == pytest.approx(0)


@given(st.floats(0.51, 0.999), st.integers(1, 50))
def test_conservative_labels_stop_at_logit_k(k: float, count: int):
    fitted = fit([prefer("Scout", "Oracle", k)] * count, BASE, ridge=0.0)
    assert fitted is not None
    apart = fitted.strengths["Scout"] - fitted.strengths["Oracle"]
    assert apart == pytest.approx(math.log(k / (1 - k)), rel=1e-5)


def test_a_dog_that_never_lost_has_no_optimum_without_a_prior():
    with pytest.raises(InvalidDataError, match="ridge"):
        fit([prefer("Scout", "Oracle")], BASE, ridge=0.0)
    fitted = fit([prefer("Scout", "Oracle")] * 1000, BASE)
    assert fitted is not None
    assert fitted.weights["Scout"] < 1


def test_a_dog_that_lies_loses_weight():
    honest = [prefer(dog, "Oracle") for dog in DOGS if dog != "Oracle"] * 5
    fitted = fit(honest, BASE)
    assert fitted is not None
    assert min(fitted.weights, key=fitted.weights.__getitem__) == "Oracle"


def test_an_anchor_holds_what_was_learned():
    learned = fit([prefer("Scout", "Oracle")] * 20, BASE)
    assert learned is not None
    against = [prefer("Oracle", "Scout")] * 20
    anchor = Anchor(theta=logits(learned.weights), fisher=dict.fromkeys(DOGS, 1.0), strength=0.618)
    free, held = fit(against, BASE), fit(against, BASE, anchor=anchor)
    assert free is not None
    assert held is not None
    assert held.weights["Scout"] > free.weights["Scout"]
    immovable = fit(against, BASE, anchor=Anchor(
        theta=anchor.theta, fisher=anchor.fisher, strength=1e9
    ))  # fmt: skip
    assert immovable is not None
    assert immovable.weights == pytest.approx(learned.weights, abs=1e-4)


def test_nothing_said_is_none_and_not_the_reference():
    assert fit([], BASE) is None
    assert fit([prefer("Scout", "Oracle", 0.5)], BASE) is None
    nothing = evaluate([], {"code": logits(BASE)}, {"code": logits(BASE)})
    assert (nothing.loss, nothing.accuracy, nothing.margin) == (None, None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: prefer("Scout", "Scout"),
        lambda: prefer("Scout", "Oracle", math.nan),
        lambda: fit([prefer("Scout", "Nobody")], BASE),
        lambda: fit([prefer("Scout", "Oracle")], {**BASE, "Scout": math.nan}),
        lambda: fit([prefer("Scout", "Oracle")], {}),
        lambda: fit([prefer("Scout", "Oracle")], BASE, beta=0.0),
        lambda: policy({"Scout": math.inf}),
        lambda: pair_loss("robust", 1.0, 0.1, 0.5),
        lambda: Anchor(theta={"Scout": 0.0}, fisher={"Scout": math.nan}, strength=1.0),
    ],
)
def test_bad_input_is_refused(wrong: Any):
    with pytest.raises(InvalidDataError):
        wrong()


def test_one_dog_keeps_all_the_weight():
    assert policy(logits({"Scout": 0.3})) == {"Scout": 1.0}


ANSWERS = st.lists(
    st.builds(
        Answer,
        feedback_id=st.uuids().map(str),
        context=st.sampled_from(["code", "review"]),
        dog=st.sampled_from(DOGS),
        outcome=st.sampled_from(["correct", "partial", "incorrect"]),
        score=st.none() | st.floats(0, 100),
    ),
    unique_by=lambda answer: answer.feedback_id,
    max_size=40,
)


@given(ANSWERS, st.randoms())
def test_pairs_use_an_answer_once_and_never_pair_a_dog_with_itself(answers: Any, random: Any):
    pairs = pairs_from(answers)
    used = [side.feedback_id for pair in pairs for side in (pair.chosen, pair.rejected)]
    assert len(used) == len(set(used))
    for pair in pairs:
        assert pair.chosen.context == pair.rejected.context
        assert pair.chosen.dog != pair.rejected.dog
        assert 0.5 < pair.k <= 1
        assert 0.309 < pair.confidence <= 0.618
    random.shuffle(answers)
    assert pairs_from(answers) == pairs


def test_pairs_of_one_dog_and_of_contradicting_scores_say_nothing():
    right = Answer(feedback_id="1", context="c", dog="Scout", outcome="correct", score=20.0)
    wrong = Answer(feedback_id="2", context="c", dog="Oracle", outcome="incorrect", score=80.0)
    same = Answer(feedback_id="3", context="c", dog="Scout", outcome="incorrect")
    assert pairs_from([]) == []
    assert pairs_from([right, wrong]) == []
    assert pairs_from([right, same]) == []
    assert [pair.rejected for pair in pairs_from([right, same, wrong])] == []
    silent = Answer(feedback_id="4", context="c", dog="Oracle", outcome="incorrect")
    assert [pair.k for pair in pairs_from([right, same, silent])] == [1.0]


def test_a_difference_too_small_to_count_makes_no_pair():
    right = Answer(feedback_id="1", context="c", dog="Scout", outcome="correct", score=1e-300)
    wrong = Answer(feedback_id="2", context="c", dog="Oracle", outcome="incorrect", score=0.0)
    assert pairs_from([right, wrong]) == []


def test_pairing_is_not_quadratic():
    answers = [
        Answer(
            feedback_id=f"{n:06}",
            context="code",
            dog=DOGS[n % 4],
            outcome="correct" if n % 3 else "incorrect",
        )
        for n in range(50_000)
    ]
    assert len(pairs_from(answers)) > 10_000
