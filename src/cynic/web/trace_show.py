"""What the pages of traces draw beyond what is stored: where a span lies in time, what it says in brief. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cynic.reads.traces import Span, Trace

DEPTH_DRAWN: Final = 24
"""Deeper spans are drawn at this depth, so that names keep their room; what each hangs on stands in its title."""
BAR_PERCENT_MIN: Final = 0.4
_MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A span and its bar: place and width in percent of the whole trace."""

    span: Span
    x: float
    width: float
    after_seconds: float
    """From the begin of the trace to that of the span."""
    depth: int
    words: str
    """Why it stands at the top, where that needs a word."""
    tokens_input: int | None
    tokens_output: int | None
    cost_usd: object
    models: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """The spans of a trace in the order of its tree, and the stretch of time that they fill."""

    seconds: float
    rows: Sequence[Row]


_WORDS: Final = {
    "orphan": "its parent is not here",
    "cycle": "its parents lead back to it",
}


def waterfall(found: Trace) -> Waterfall | None:
    """Every span that is shown as a row; None when there is none."""
    if not found.spans:
        return None
    begin = min(span.started_at for span in found.spans)
    end = max(max(_end(span), span.started_at) for span in found.spans)
    extent = max(end - begin, _MOMENT)
    return Waterfall(
        seconds=(end - begin).total_seconds(),
        rows=[_row(span, begin, extent) for span in found.spans],
    )


def _row(span: Span, begin: datetime, extent: timedelta) -> Row:
    width = (max(_end(span), span.started_at) - span.started_at) / extent * 100
    width = max(width, BAR_PERCENT_MIN)
    costs = [call.cost_usd for call in span.calls if call.cost_usd is not None]
    return Row(
        span=span,
        x=min((span.started_at - begin) / extent * 100, 100 - width),
        width=width,
        after_seconds=(span.started_at - begin).total_seconds(),
        depth=min(span.depth, DEPTH_DRAWN),
        words=_WORDS.get(span.standing, ""),
        tokens_input=_sum([call.tokens_input for call in span.calls]),
        tokens_output=_sum([call.tokens_output for call in span.calls]),
        cost_usd=sum(costs) if costs else None,
        models=", ".join(dict.fromkeys(call.model for call in span.calls)),
    )


def _end(span: Span) -> datetime:
    return span.ended_at or span.started_at


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
