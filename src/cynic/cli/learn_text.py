"""The eleven loops as lines of text: a table that fits 120 columns, and under each loop what it found.

A finding names contexts and tags that people wrote: they cannot steer the terminal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from cynic.cli.session_text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTHS: Final = (14, 12, 22, 31, 8, 19)
"""Of the columns, two spaces apart: 116 in all."""
HEADS: Final = ("LOOP", "STATE", "HAS SEEN", "EFFECT", "MATURITY", "LAST CHANGE (UTC)")
FOUND: Final = " " * 16
"""Before what a loop found: under its state."""


def lines(loops: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The head, and each loop with its cells broken over as many lines as they need."""
    yield _line(HEADS)
    for one in loops:
        columns = [wrap(cell, width) for cell, width in zip(_cells(one), WIDTHS, strict=True)]
        for cells in zip_longest(*columns, fillvalue=""):
            yield _line(cells)
        if one["finding"]:
            yield from wrap(
                safe(one["finding"]),
                sum(WIDTHS) + 2 * (len(WIDTHS) - 1),
                initial_indent=FOUND,
                subsequent_indent=FOUND,
            )


def _line(cells: Sequence[str]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return "  ".join(padded).rstrip()


def _cells(one: Mapping[str, Any]) -> tuple[str, ...]:
    enough = one["data"] >= one["needed"]
    seen = f"{one['data']:,}" if enough else f"{one['data']:,} of {one['needed']:,}"
    effect = "changes" if enough else "will change"
    return (
        one["loop"],
        "learning" if enough else "too few data",
        f"{seen} {one['unit']}",
        f"{effect} {one['acts_on']}" if one["acts_on"] else "changes nothing yet",
        "-" if one["maturity"] is None else f"{one['maturity']:.2f}",
        _moment(one["last_change"]["at"]) if one["last_change"] else "-",
    )


def _moment(at: str) -> str:
    """A time in UTC to the second."""
    found = datetime.fromisoformat(at).astimezone(UTC).replace(tzinfo=None)
    return found.isoformat(" ", "seconds")
