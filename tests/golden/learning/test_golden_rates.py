from __future__ import annotations

import pytest
from vectors import Case, cases, ids, near

from cynic.domains.learning.rates import faded_means, jeffreys, rolling_means, wilson


@pytest.mark.parametrize("case", cases("rates"), ids=ids("rates"))
def test_rates(case: Case) -> None:
    given, wanted = case.input, case.expected
    if "total" in given:
        asked = given["correct"], given["total"], given["alpha"]
        found = {"wilson": wilson(*asked), "jeffreys": jeffreys(*asked)}
    else:
        found = {
            "ewmean": list(faded_means(given["x"], given["fading_factor"])),
            "rolling_mean": list(rolling_means(given["x"], given["window"])),
        }
    assert near(found, wanted, case.tolerance)
