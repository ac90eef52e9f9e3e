"""Traces and usage as text of at most 80 columns. What agents wrote cannot steer the terminal."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from cynic.base.quantities import compact, span, usd
from cynic.cli.session_text import COLUMNS, clipped, cost, safe, wrapped

if TYPE_CHECKING:
    from datetime import datetime

    from cynic.reads.traces import Line, Span, Trace
    from cynic.reads.usage import Tokens, Usage

NAME_COLUMNS: Final = 44
MODEL_COLUMNS: Final = 20
DEPTH_SHOWN: Final = 12
UNKNOWN: Final = "?"
STANDINGS: Final = {
    "orphan": "its parent is not here",
    "cycle": "its parents lead back to it",
}


def entry(line: Line) -> str:
    """One trace of a list: begin, length, name, the numbers, the id to go on with."""
    when = f"{_second(line.started_at)}  {_length(line.duration_ms):10}"
    name = clipped(line.operation, COLUMNS - len(when) - 8)
    failed = "  ERROR" if line.status == "error" or line.error_count else ""
    return "\n".join(
        [f"{when} {name}{failed}", *wrapped(_numbers(line), "  "), f"  {safe(line.trace_id)}", ""]
    )


def whole(found: Trace) -> str:
    """One trace: its head, then a line for each span, indented as the tree is."""
    line = found.line
    head = [
        f"trace    {safe(line.trace_id)}",
        f"when     {_second(line.started_at)} UTC, {_length(line.duration_ms)}",
        *([f"service  {safe(line.service_name)}"] if line.service_name else []),
        *([f"session  {safe(line.session_id)}"] if line.session_id else []),
        f"status   {line.status}",
        *wrapped(_numbers(line), "what     ", "         "),
        "",
    ]
    for one in found.spans:
        head += _span(one, line.started_at)
    if line.span_count > len(found.spans):
        head.append(f"  … {line.span_count - len(found.spans)} more spans")
    return "\n".join(head)


def usage(found: Usage) -> str:
    """A line for each day and model, and the sum."""
    lines = [
        f"{'day':10}  {'model':{MODEL_COLUMNS}}  {'calls':>6}  {'in':>6}  {'out':>6}  {'cost':>10}  unpriced"
    ]
    lines += [_tokens(f"{line.day}", line.model, line) for line in found.lines]
    lines.append(_tokens("sum", "", found.total))
    if found.total.untold_calls:
        lines.append(f"{found.total.untold_calls} calls told no tokens")
    return "\n".join(lines)


def _tokens(day: str, model: str, one: Tokens) -> str:
    money = UNKNOWN if one.cost_usd is None else usd(one.cost_usd)
    unpriced = compact(one.unpriced_calls) if one.unpriced_calls else ""
    row = (
        f"{day:10}  {_padded(model, MODEL_COLUMNS)}  {compact(one.calls):>6}  {_count(one.tokens_input):>6}"
        f"  {_count(one.tokens_output):>6}  {money:>10}  {unpriced:>8}"
    )
    return row.rstrip()


def _span(one: Span, begin: datetime) -> list[str]:
    indent = "  " * min(one.depth, DEPTH_SHOWN)
    after = span(max(0.0, (one.started_at - begin).total_seconds()))
    said = [one.kind] if one.kind != "other" else []
    said += [
        f"{_count(call.tokens_input)} in, {_count(call.tokens_output)} out" for call in one.calls
    ]
    said += [usd(call.cost_usd) for call in one.calls if call.cost_usd is not None]
    if not one.calls and (one.claimed_input is not None or one.claimed_output is not None):
        said.append(f"claims {_count(one.claimed_input)} in, {_count(one.claimed_output)} out")
    if one.status == "error":
        said.append("ERROR")
    name = _padded(indent + safe(one.operation), NAME_COLUMNS)
    lines = [f"{name} {_length(one.duration_ms):>10}  +{after}"]
    if said:
        lines.append(f"{indent}  {', '.join(said)}")
    if one.standing in STANDINGS:
        lines.append(f"{indent}  ({STANDINGS[one.standing]})")
    if one.error:
        lines.append(f"{indent}  {clipped(one.error, COLUMNS - len(indent) - 2)}")
    return lines


def _numbers(line: Line) -> list[str]:
    found = [f"{line.span_count} span{'' if line.span_count == 1 else 's'}"]
    if line.error_count:
        found.append(f"{line.error_count} failed")
    if line.tokens_input is not None or line.tokens_output is not None:
        found.append(f"{_count(line.tokens_input)} tokens in, {_count(line.tokens_output)} out")
    if line.model_calls:
        found.append(cost(line.cost_usd, line.unpriced_calls))
    if line.root_span_id is None:
        found.append("the root has not come yet")
    return found


def _padded(text: str, columns: int) -> str:
    kept = _clipped_keeping_indent(text, columns)
    return kept + " " * max(0, columns - cell_len(kept))


def _clipped_keeping_indent(text: str, columns: int) -> str:
    body = text.lstrip(" ")
    indent = len(text) - len(body)
    return " " * indent + clipped(body, max(8, columns - indent))


def _count(number: int | None) -> str:
    return UNKNOWN if number is None else compact(number)


def _length(duration_ms: int | None) -> str:
    return UNKNOWN if duration_ms is None else span(duration_ms / 1000)


def _second(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
