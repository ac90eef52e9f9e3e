from __future__ import annotations

import pytest
from vectors import Case, cases, ids, near

from cynic.domains.learning.offpolicy import Decision, Estimator, value

ESTIMATORS = {
    "ips": Estimator(method="ips"),
    "ips_clip_5": Estimator(method="ips", clip=5),
    "snips": Estimator(method="snips"),
    "direct_method": Estimator(method="dm"),
    "doubly_robust": Estimator(method="dr"),
    "sn_doubly_robust": Estimator(method="sndr"),
    "switch_dr_tau_5": Estimator(method="switch-dr", switch_at=5),
}


def by_context(rows: list[list[float]]) -> dict[str, dict[str, float]]:
    return {
        str(context): {str(dog): number for dog, number in enumerate(row)}
        for context, row in enumerate(rows)
    }


@pytest.mark.parametrize("case", cases("ope"), ids=ids("ope"))
def test_ope(case: Case) -> None:
    given = case.input
    columns = (given[name] for name in ("context", "action", "propensity", "reward"))
    decisions = [
        Decision(str(context), str(dog), propensity, reward)
        for context, dog, propensity, reward in zip(*columns, strict=True)
    ]
    policy = by_context(given["new_policy_by_context"])
    rewards = by_context(given["reward_model_by_context"])
    wanted = {name: number for name, number in case.expected.items() if name in ESTIMATORS}
    found = {name: value(decisions, policy, ESTIMATORS[name], rewards) for name in wanted}
    assert wanted
    assert near(found, wanted, case.tolerance)
