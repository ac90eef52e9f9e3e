"""Counts, spans of time and money as people read them: short, with a unit, never more exact than they are."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

_THOUSAND: Final = 1000
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_CENT: Final = Decimal("0.01")


def compact(count: int) -> str:
    """A count in three digits: 950, 12.3k, 1.23M, 45.6G."""
    if count < _THOUSAND:
        return str(count)
    value = float(count)
    unit = ""
    for unit in "kMG":
        value /= _THOUSAND
        if float(f"{value:.3g}") < _THOUSAND or unit == "G":
            break
    whole = len(str(int(float(f"{value:.3g}"))))
    return f"{value:.{max(0, 3 - whole)}f}{unit}"


def span(seconds: float) -> str:
    """A span of time in its two largest units: 40 ms, 1.2 s, 45 s, 4 min 10 s, 1 h 12 min, 3 d 4 h."""
    if seconds < 1:
        return f"{round(seconds * _THOUSAND)} ms"
    if seconds < 10:  # noqa: PLR2004  # below it a tenth of a second still tells something
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    for limit, unit, small_unit, small in (
        (_HOUR, _MINUTE, 1, "s"),
        (_DAY, _HOUR, _MINUTE, "min"),
        (float("inf"), _DAY, _HOUR, "h"),
    ):
        if whole < limit:
            many, rest = divmod(whole, unit)
            name = {_MINUTE: "min", _HOUR: "h", _DAY: "d"}[unit]
            few = rest // small_unit
            return f"{many} {name} {few} {small}" if few else f"{many} {name}"
    raise AssertionError  # the last limit is infinite


def usd(amount: Decimal) -> str:
    """Money in cents, and below a cent in two digits that count: $3.20, $0.0042, $0.00."""
    if 0 < amount < _CENT:
        digits = max(2, 1 - amount.adjusted())
        return f"${amount:.{digits}f}"
    return f"${amount:,.2f}"
