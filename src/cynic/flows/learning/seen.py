"""Which answers a loop has seen: all but those of cycles before its first, or in which it could not take its turn.

A loop that takes answers back again needs to know: what it never counted is not its to take back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cynic.flows.learning.cycle import Answered, Cycle

Spans = list[list[int]]
"""[since, until] of the cycles that were seen, in order; neighbours are one."""


def with_this(spans: Sequence[Sequence[int]], cycle: Cycle) -> Spans:
    """The spans with those of this cycle."""
    if spans and spans[-1][1] == cycle.since:
        return [*map(list, spans[:-1]), [spans[-1][0], cycle.until]]
    return [*map(list, spans), [cycle.since, cycle.until]]


def taken_back(spans: Sequence[Sequence[int]], cycle: Cycle) -> list[Answered]:
    """The answers that this cycle takes back and the loop had seen."""
    return [
        one for one in cycle.taken_back if any(since < one.place <= until for since, until in spans)
    ]


def first_answers(cycle: Cycle) -> list[Answered]:
    """The cycle's answers without those that replace one that a former cycle saw: each mind is foretold once, when it is made up."""
    replaced = {(one.judgment_id, one.user_id) for one in cycle.taken_back}
    return [one for one in cycle.answers if (one.judgment_id, one.user_id) not in replaced]


def taken_back_once(cycle: Cycle, loop: str) -> list[Answered]:
    """The same for a loop that keeps its spans here, in a row of their own: this cycle is in them from now on."""
    kept = cycle.kept(f"{loop}-seen") or {"spans": []}
    spans = cast("Spans", kept["spans"])
    cycle.keep(f"{loop}-seen", {"spans": with_this(spans, cycle)}, answers=0)
    return taken_back(spans, cycle)
