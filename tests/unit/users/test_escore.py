"""The E-score: each part within its bounds, and parts that were not measured left out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.users.escore import USE_SATURATES, WEIGHTS, Facts, e_score, parts


@given(
    st.floats(0, 1e5),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.none() | st.integers(0, 10**18),
)
def test_parts_and_score_stay_in_bounds(
    days: float, judged: int, answers: int, burned: int | None
) -> None:
    found = parts(
        Facts(days_known=days, judgments_in_window=judged, answers_given=answers, burned=burned)
    )
    assert all(0 <= value <= 100 for value in found.values())
    assert 0 <= e_score(found) <= 100
    assert ("burn" in found) == (burned is not None)


def test_the_weights_sum_to_four_and_the_root_of_five() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(4 + 5**0.5)


def test_use_is_full_where_counting_stops() -> None:
    full = Facts(days_known=400, judgments_in_window=USE_SATURATES, answers_given=0, burned=None)
    assert parts(full)["use"] == 100


def test_a_score_is_the_weighted_mean_of_what_was_measured() -> None:
    assert e_score({"use": Decimal(50)}) == 50
    assert e_score({"use": Decimal(0), "time": Decimal(100)}) == Decimal("27.6")
