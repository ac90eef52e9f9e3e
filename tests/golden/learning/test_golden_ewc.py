from __future__ import annotations

import math
from typing import Any

import pytest
from vectors import Case, cases, ids, near

from cynic.domains.learning.ewc import (
    Gradients,
    empirical_fisher,
    online,
    penalty,
    penalty_gradient,
    softmax_fisher,
)

Table = dict[str, dict[str, float]]


def table(rows: list[list[float]]) -> Table:
    return {
        str(state): {str(dog): value for dog, value in enumerate(row)}
        for state, row in enumerate(rows)
    }


def rows(found: Table) -> list[list[float]]:
    return [list(row.values()) for row in found.values()]


def softmax(theta: dict[str, float]) -> dict[str, float]:
    total = sum(math.exp(value) for value in theta.values())
    return {dog: math.exp(value) / total for dog, value in theta.items()}


def fisher_of(task: dict[str, Any]) -> Table:
    anchor = table(task["anchor_q"])
    seen = {state: {dog: Gradients() for dog in row} for state, row in anchor.items()}
    for (state, dog), target in zip(task["state_action"], task["target"], strict=True):
        seen[str(state)][str(dog)].add(target - anchor[str(state)][str(dog)])
    return empirical_fisher(seen)


def check_tables(case: Case) -> None:
    given, wanted = case.input, case.expected
    fishers = [fisher_of(task) for task in given["tasks"]]
    anchors = [table(task["anchor_q"]) for task in given["tasks"]]
    kept = list(fishers)
    if given["mode"] == "online":
        for task in range(1, len(kept)):
            kept[task] = online(kept[task - 1], fishers[task], given["decay_factor"])
    assert near([rows(one) for one in fishers], wanted["fisher_per_task"], case.tolerance)
    assert near([rows(one) for one in kept], wanted["importance_kept_after_task"], case.tolerance)

    terms = list(zip(anchors, kept, strict=True))
    if given["mode"] == "online":
        terms = terms[-1:]
    now = table(given["q_now"])
    ours = 2 * given["lambda"]  # the vectors' convention leaves the paper's 1/2 out
    total = sum(penalty(now, anchor, fisher, ours) for anchor, fisher in terms)
    assert near(total, wanted["penalty_lambda_sum"], case.tolerance)
    parts = [rows(penalty_gradient(now, anchor, fisher, ours)) for anchor, fisher in terms]
    summed = [[sum(cell) for cell in zip(*row, strict=True)] for row in zip(*parts, strict=True)]
    assert near(summed, wanted["grad_penalty"], case.tolerance)


@pytest.mark.parametrize("case", cases("ewc"), ids=ids("ewc"))
def test_ewc(case: Case) -> None:
    if "theta" not in case.input:
        check_tables(case)
        return
    policy = {context: softmax(row) for context, row in table(case.input["theta"]).items()}
    choices = [
        (str(context), str(dog))
        for context, dog in zip(case.input["context"], case.input["dog"], strict=True)
    ]
    assert near(rows(softmax_fisher(policy, choices)), case.expected["fisher"], case.tolerance)
