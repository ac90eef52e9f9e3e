"""Find the first free seat of a row."""

from collections.abc import Iterable


def first_free(taken: Iterable[int], seats: int) -> int | None:
    """The lowest number that nobody has; None when the row is full."""
    occupied = set(taken)
    for seat in range(1, seats + 1):
        if seat not in occupied:
            return seat
    return None
