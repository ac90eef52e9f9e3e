"""DPO and Bradley-Terry against TRL, choix and crowd-kit: files dpo, cdpo and bradley_terry."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from vectors import cases, ids, near

from cynic.domains.learning.preferences import (
    Evaluation,
    Kind,
    Preference,
    Table,
    descend,
    evaluate,
    fit,
    logits,
    policy,
)


def as_table(rows: list[list[float]]) -> Table:
    return {str(c): {str(d): value for d, value in enumerate(row)} for c, row in enumerate(rows)}


def as_rows(table: Any) -> list[list[float]]:
    return [[row[dog] for dog in sorted(row, key=int)] for _, row in sorted(table.items())]


def preferences(given: Any, k: float = 1.0) -> list[Preference]:
    return [
        Preference(context=str(c), chosen=str(w), rejected=str(lost), k=k)
        for c, w, lost in given["pairs_context_chosen_rejected"]
    ]


def found(given: Any, kind: Kind = "sigmoid", k: float = 1.0) -> Evaluation:
    theta, reference = as_table(given["theta"]), as_table(given["theta_ref"])
    return evaluate(preferences(given, k), theta, reference, beta=given["beta"], kind=kind)


def as_float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


@pytest.mark.parametrize("case", cases("dpo"), ids=ids("dpo"))
def test_loss_gradient_and_rewards_of_dpo(case: Any):
    expected = case.expected["sigmoid"]
    got = found(case.input)
    assert near(got.loss, expected["loss"], case.tolerance)
    assert near(as_rows(got.gradient), expected["grad_theta"], case.tolerance)
    rewards = got.rewards_chosen, got.rewards_rejected
    for name, side in zip(("chosen", "rejected"), rewards, strict=True):
        mean = sum(side) / len(side)
        assert near(mean, expected[f"reward_{name}_mean"], case.tolerance)
    assert near(got.margin, expected["reward_margin_mean"], case.tolerance)
    # The library counts in float32.
    assert near(as_float32(got.accuracy or 0.0), expected["reward_accuracy"], case.tolerance)


@pytest.mark.parametrize("kind", ["ipo", "hinge", "robust"])
@pytest.mark.parametrize("case", cases("dpo"), ids=ids("dpo"))
def test_the_other_losses(case: Any, kind: Kind):
    expected = case.expected[kind]
    got = found(case.input, kind, 1 - expected.get("label_smoothing", 0.0))
    assert near(got.loss, expected["loss"], case.tolerance)
    assert near(as_rows(got.gradient), expected["grad_theta"], case.tolerance)


@pytest.mark.parametrize("case", cases("dpo"), ids=ids("dpo"))
def test_gradient_descent_step_by_step(case: Any):
    expected = case.expected["gd_25_steps"]
    theta, losses = descend(
        preferences(case.input),
        as_table(case.input["theta"]),
        as_table(case.input["theta_ref"]),
        rate=expected["learning_rate"],
        steps=len(expected["loss_before_each_step"]),
        beta=case.input["beta"],
    )
    assert near(losses, expected["loss_before_each_step"], case.tolerance)
    assert near(as_rows(theta), expected["theta"], case.tolerance)
    policies = {context: policy(dogs) for context, dogs in theta.items()}
    assert near(as_rows(policies), expected["policy"], case.tolerance)


@pytest.mark.parametrize("case", cases("dpo"), ids=ids("dpo"))
def test_the_reference_is_the_base_weight_normalised(case: Any):
    reference = as_table(case.input["theta_ref"])
    for context, weights in as_table(case.input["base_weight"]).items():
        assert near(logits(weights), reference[context], case.tolerance)


@pytest.mark.parametrize("case", cases("cdpo"), ids=ids("cdpo"))
def test_conservative_labels(case: Any):
    expected = case.expected
    got = found(case.input, k=1 - case.input["label_smoothing"])
    assert near(got.losses, expected["loss_per_pair"], case.tolerance)
    assert near(got.loss, expected["loss"], case.tolerance)
    assert near(as_rows(got.gradient), expected["grad_theta"], case.tolerance)
    assert near(got.rewards_chosen, expected["reward_chosen"], case.tolerance)
    assert near(got.rewards_rejected, expected["reward_rejected"], case.tolerance)


def wins_and_losses(given: Any) -> list[Preference]:
    return [
        Preference(context="all", chosen=str(winner), rejected=str(loser))
        for winner, loser in given["pairs_winner_loser"]
    ]


def strengths(given: Any, ridge: float, reference: dict[str, float] | None = None) -> list[float]:
    dogs = reference or dict.fromkeys(map(str, range(given["n_items"])), 1.0)
    fitted = fit(wins_and_losses(given), dogs, beta=1.0, ridge=ridge)
    assert fitted is not None
    return [fitted.strengths[str(dog)] for dog in range(given["n_items"])]


def centred(values: list[float]) -> list[float]:
    return [value - sum(values) / len(values) for value in values]


@pytest.mark.parametrize("case", cases("bradley_terry"), ids=ids("bradley_terry"))
def test_bradley_terry_strengths(case: Any):
    expected = centred(case.expected["regularised_ml"])
    assert near(strengths(case.input, case.input["alpha"]), expected, case.tolerance)


@pytest.mark.parametrize("case", cases("bradley_terry"), ids=ids("bradley_terry"))
def test_the_strengths_of_ilsr_balance_our_gradient_against_its_own_prior(case: Any):
    """Maystre & Grossglauser 2015: with alpha in each transition, the slope of dog i is n·alpha·(1 - e^t_i / mean e^t)."""
    t = centred(case.expected["ilsr"])
    pairs, zeros = wins_and_losses(case.input), as_table([[0.0] * len(t)])
    theta = {"all": as_table([t])["0"]}
    slopes = evaluate(pairs, theta, {"all": zeros["0"]}, beta=1.0).gradient
    powers = [math.exp(value) for value in t]
    mean, scale = sum(powers) / len(t), len(t) * case.input["alpha"] / len(pairs)
    prior = [scale * (1 - power / mean) for power in powers]
    assert near(as_rows(slopes)[0], prior, case.tolerance)


def hunter_steps(given: Any, scores: list[float], steps: int) -> list[float]:
    """Hunter 2004, eq. 3: p_i <- wins_i / Σ n_ij / (p_i + p_j), normalised."""
    size = range(given["n_items"])
    wins = [[0] * len(size) for _ in size]
    for winner, loser in given["pairs_winner_loser"]:
        wins[winner][loser] += 1
    for _ in range(steps):
        new = [
            sum(wins[i])
            / sum((wins[i][j] + wins[j][i]) / (scores[i] + scores[j]) for j in size if i != j)
            for i in size
        ]
        scores = [value / sum(new) for value in new]
    return scores


SCORED = [case for case in cases("bradley_terry") if "crowdkit_bt_scores" in case.expected]
OPTIMA = [
    (case, key, float(key.removeprefix("dpo_optimum_beta_")))
    for case in cases("bradley_terry")
    for key in case.expected
    if key.startswith("dpo_optimum_beta_")
]


@pytest.mark.parametrize("case", SCORED, ids=[case.id for case in SCORED])
def test_the_scores_of_crowd_kit_are_two_steps_towards_the_same_optimum(case: Any):
    expected = case.expected["crowdkit_bt_scores"]
    # The library compares its second iterate with itself and stops there.
    size = case.input["n_items"]
    scores = [expected[str(dog)] for dog in range(size)]
    assert near(hunter_steps(case.input, [1.0] * size, 2), scores, case.tolerance)
    powers = [math.exp(t) for t in strengths(case.input, 0.0)]
    optimum = [power / sum(powers) for power in powers]
    assert near(hunter_steps(case.input, optimum, 1), optimum, case.tolerance)


@pytest.mark.parametrize(("case", "key", "beta"), OPTIMA, ids=[f"{o[0].id}-{o[2]}" for o in OPTIMA])
def test_the_optimum_of_dpo(case: Any, key: str, beta: float):
    expected = case.expected[key]
    base = {str(dog): weight for dog, weight in enumerate(expected["base_weight"])}
    fitted = fit(wins_and_losses(case.input), base, beta=beta, ridge=0.0)
    assert fitted is not None
    got = [fitted.strengths[dog] for dog in base]
    assert near(got, centred(expected["strengths"]), case.tolerance)
    reference = logits(base)
    theta = {dog: reference[dog] + fitted.strengths[dog] / beta for dog in base}
    assert near(list(policy(theta).values()), expected["policy"], case.tolerance)
    # What is kept has a floor; nothing else differs.
    kept = [fitted.weights[dog] for dog in base]
    assert near(kept, expected["policy"], len(base) * 1e-6)
