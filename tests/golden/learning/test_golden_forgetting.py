from __future__ import annotations

import pytest
from vectors import Case, cases, ids, near

from cynic.domains.learning.forgetting import transfer


@pytest.mark.parametrize("case", cases("forgetting"), ids=ids("forgetting"))
def test_forgetting(case: Case) -> None:
    accuracy, untrained = case.input["accuracy"], case.input["untrained"]
    for rows, wanted in enumerate(case.expected["after_each_task"], start=1):
        found = transfer(accuracy[:rows], untrained)
        by_task = {str(task): value for task, value in found.bwt_by_task.items()}
        assert near(by_task, wanted["bwt_per_task"], case.tolerance)
        assert near(found.average_bwt, wanted["average_bwt"], case.tolerance)
        first_minus_last = {task: -value for task, value in by_task.items()}
        assert near(first_minus_last, wanted["forgetting_per_task"], case.tolerance)
    found = transfer(accuracy, untrained)
    by_task = {str(task): value for task, value in found.fwt_by_task.items()}
    assert near(by_task, case.expected["fwt_per_task"], case.tolerance)
    assert near(found.average_fwt, case.expected["average_fwt"], case.tolerance)
    assert near(found.average_accuracy, case.expected["final_average_accuracy"], case.tolerance)
