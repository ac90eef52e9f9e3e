"""Money without rounding, whatever precision the caller's own decimal arithmetic has: to 400 digits, and as text."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Final

_TRAPS: Final = [InvalidOperation, DivisionByZero, Overflow]

EXACT: Final = Context(
    prec=400, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=_TRAPS
)
"""An amount has at most 45 digits and a count 40: sums and products of them are exact."""
DIGITS_28: Final = Context(
    prec=28, rounding=ROUND_HALF_EVEN, Emin=-999_999, Emax=999_999, traps=_TRAPS
)
"""The arithmetic of Python where nobody chose another one."""


def plain(value: Decimal) -> str:
    """A number as text without exponent and without trailing zeros, to the last digit."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quotient(amount: Decimal, by: Decimal, places: int) -> Decimal:
    """A quotient to so many decimal places."""
    return EXACT.quantize(EXACT.divide(amount, by), Decimal(1).scaleb(-places, EXACT))
