from __future__ import annotations

import random
from typing import Any

import pytest
from vectors import Case, cases, ids, near

from cynic.domains.learning.qlearning import QTable, Step, StepSize, learn, learn_double


def table(rows: list[list[float]]) -> QTable:
    dogs = tuple(f"dog{number}" for number in range(len(rows[0])))
    values = {str(state): dict(zip(dogs, row, strict=True)) for state, row in enumerate(rows)}
    return QTable(dogs=dogs, values=values)


def steps(given: dict[str, Any]) -> list[Step]:
    return [
        Step(
            state=str(state),
            dog=f"dog{dog}",
            reward=reward,
            next_state=None if terminal else str(following),
        )
        for state, dog, reward, following, terminal in given["steps_s_a_r_next_terminal"]
    ]


def rows(found: QTable) -> list[list[float]]:
    return [list(row.values()) for row in found.values.values()]


@pytest.mark.parametrize("case", cases("td"), ids=ids("td"))
def test_td(case: Case) -> None:
    size = StepSize(rule="constant", value=case.input["alpha"])
    gamma = case.input["gamma"]
    for name, wanted in case.expected.items():
        ours = table(case.input["q0"])
        if name == "double_q":
            other = table(case.input["q0_b"])
            rng = random.Random(0)
            for step, which in zip(steps(case.input), wanted["updated_table"], strict=True):
                learn_double((ours, other), step, step_size=size, gamma=gamma, which=which, rng=rng)
            assert near(rows(ours), wanted["q_a"], case.tolerance)
            assert near(rows(other), wanted["q_b"], case.tolerance)
            continue
        epsilon = float(name.rpartition("_")[2]) if name.startswith("expected_sarsa") else 0.0
        learned = [
            learn(ours, step, step_size=size, gamma=gamma, epsilon=epsilon)
            for step in steps(case.input)
        ]
        assert near(rows(ours), wanted["q"], case.tolerance)
        if "td_error" in wanted:
            assert near([one.td_error for one in learned], wanted["td_error"], case.tolerance)
