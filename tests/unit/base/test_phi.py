from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.errors import InvalidDataError
from cynic.base.phi import (
    PHI_BOUND,
    check_confidence,
    confidence_from_probability,
    probability_from_confidence,
)

probabilities = st.decimals(min_value=0, max_value=1, places=6)


def test_the_bound_is_exactly_three_places() -> None:
    assert str(PHI_BOUND) == "0.618"


@given(probabilities)
def test_a_scaled_probability_is_a_confidence_and_scales_back(probability: Decimal) -> None:
    confidence = check_confidence(confidence_from_probability(probability))
    assert abs(probability_from_confidence(confidence) - probability) < Decimal("1e-20")


@given(probabilities, probabilities)
def test_scaling_keeps_the_order_and_never_clips(one: Decimal, other: Decimal) -> None:
    assert (one < other) == (confidence_from_probability(one) < confidence_from_probability(other))


@pytest.mark.parametrize(
    "value", ["0.6180339887", "0.619", "1", "-0.000001", "NaN", "sNaN", "Infinity", "-Infinity"]
)
def test_anything_outside_the_bound_is_refused_and_told_of_probability(value: str) -> None:
    with pytest.raises(InvalidDataError) as caught:
        check_confidence(Decimal(value))
    assert "probability" in (caught.value.hint or "")


@pytest.mark.parametrize("value", ["1.0000001", "-0.1", "NaN", "Infinity"])
def test_no_probability_outside_the_unit_interval(value: str) -> None:
    with pytest.raises(InvalidDataError):
        confidence_from_probability(Decimal(value))
