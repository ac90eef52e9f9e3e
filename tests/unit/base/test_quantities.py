from __future__ import annotations

from decimal import Decimal

import pytest

from cynic.base.quantities import compact, span, usd


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00k"),
        (12_345, "12.3k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (45_678_900_000, "45.7G"),
        (1_234_567_890_000, "1235G"),
    ],
)
def test_counts_have_three_digits(count: int, text: str) -> None:
    assert compact(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.04, "40 ms"),
        (1.25, "1.2 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (4320, "1 h 12 min"),
        (86_400 * 3 + 3600 * 4, "3 d 4 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_spans_have_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0.00421", "$0.0042"),
        ("0.0000000951", "$0.000000095"),
        ("0.01", "$0.01"),
        ("3.2", "$3.20"),
        ("12345.678", "$12,345.68"),
    ],
)
def test_money_is_never_rounded_to_nothing(amount: str, text: str) -> None:
    assert usd(Decimal(amount)) == text
