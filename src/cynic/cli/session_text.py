"""Sessions as text of at most 80 columns. What agents and people wrote cannot steer the terminal."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, chop_cells, set_cell_size

from cynic.base.quantities import compact, span, usd
from cynic.reads.session import below

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from cynic.reads.session import File, Session, Tool, Turn
    from cynic.reads.sessions import Line

COLUMNS: Final = 80
FILES_SHOWN: Final = 25
FAILURE_LINES_SHOWN: Final = 3
DAY_SECONDS: Final = 86_400
UNKNOWN: Final = "?"


def entry(line: Line) -> str:
    """One session of a list: last activity, length and place, what was asked first, the numbers, the id to go on with."""
    seconds = (line.last_active_at - line.begun_at).total_seconds()
    when = f"{_minute(line.last_active_at)}  {span(seconds) if seconds >= 1 else '':11}  "
    said = clipped(line.first_prompt, COLUMNS - 2) if line.first_prompt else None
    did = [line.agent or "", *numbers(line)]
    return "\n".join(
        [
            (when + _tail(_place(line), COLUMNS - len(when))).rstrip(),
            *([f"  {said}"] if said else []),
            *wrapped(filter(None, did), "  "),
            f"  {safe(line.session_id)}",
            "",
        ]
    )


def numbers(line: Line) -> list[str]:
    """What is known of a session in numbers; what is not is left out."""
    found = [_many(line.prompts, "prompt")]
    if line.tool_calls is not None:
        found.append(_many(line.tool_calls, "tool call"))
        found[-1] += f", {line.failed_calls} failed" if line.failed_calls else ""
        found[-1] += f", {line.denied_calls} denied" if line.denied_calls else ""
    if line.tokens_input is not None and line.tokens_output is not None:
        found.append(f"{compact(line.tokens_input)} tokens in, {compact(line.tokens_output)} out")
    found.append(cost(line.cost_usd, line.unpriced_calls))
    if line.judgment_count:
        found.append(_many(line.judgment_count, "judgment"))
    return [text for text in found if text]


def cost(known: Decimal | None, unpriced: int | None) -> str:
    """The known cost, and how many model calls it does not hold; nothing where there was no call."""
    if unpriced is None:
        return ""
    if known is None:
        return "price not known"
    return usd(known) + (f" + {_many(unpriced, 'call')} without a price" if unpriced else "")


def whole(found: Session) -> str:
    """One session: head, tools, files, failures, models, judgments, turns."""
    parts = [
        _head(found.line),
        _section("Tools", _tools(found.tools)),
        _section(_files_title(found), _files(found.files, found.line.working_directory)),
        _section("Failures", _failures(found)),
        _section("Models", _models(found)),
        _section("Judgments", _judgments(found)),
        _section("Turns", _turns(found.turns)),
    ]
    if found.next_turn is not None:
        parts.append(f"  more turns: --turn {found.next_turn}\n")
    return "\n".join(part for part in parts if part).rstrip("\n")


def clipped(text: str, columns: int) -> str:
    """Text as one line of at most so many columns."""
    line = safe(text)
    if cell_len(line) <= columns:
        return line
    return set_cell_size(line, columns - 1).rstrip() + "…"


def safe(text: str) -> str:
    """Text on one line, without characters that a terminal acts upon or that turn the direction of writing."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _head(line: Line) -> str:
    seconds = (line.last_active_at - line.begun_at).total_seconds()
    until = (
        _clock(line.last_active_at)[:5] if seconds < DAY_SECONDS else _minute(line.last_active_at)
    )
    rows = [
        ("session", line.session_id),
        ("when", f"{_minute(line.begun_at)} to {until} UTC, {span(seconds)}"),
        ("where", _place(line)),
        ("agent", " ".join(filter(None, [line.agent, line.agent_version]))),
        ("user", line.user or ""),
    ]
    did = numbers(line)
    if line.tokens_cache_read is not None and line.tokens_input:
        share = line.tokens_cache_read / line.tokens_input
        did.append(f"{share:.0%} of the tokens in came from a cache")
    shown = [
        f"{name if not part else '':8} {piece}"
        for name, text in rows
        for part, piece in enumerate(chop_cells(safe(text), COLUMNS - 9))
    ]
    return "\n".join([*shown, *wrapped(did, f"{'did':8} ", " " * 9), ""])


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *lines, ""]) if lines else ""


def _tools(tools: Sequence[Tool]) -> list[str]:
    head = f"  {'':24} {'calls':>6} {'failed':>7} {'denied':>7} {'median':>11} {'total':>14}"
    rows = [
        f"  {_cell(tool.tool, 24)} {tool.calls:>6} {tool.failed or '':>7} {tool.denied or '':>7}"
        f" {_ms(tool.p50_ms):>11} {_ms(tool.duration_ms):>14}"
        for tool in tools
    ]
    return [head, *rows] if rows else []


def _files_title(found: Session) -> str:
    rest = found.files_total - FILES_SHOWN
    return f"Files (the first {FILES_SHOWN} of {found.files_total})" if rest > 0 else "Files"


def _files(files: Sequence[File], directory: str | None) -> list[str]:
    rows = [
        f"  {f.changes or '':>7} {f.reads or '':>5} {f.failed or '':>7}  {_tail(below(f.path, directory), 55)}"
        for f in files[:FILES_SHOWN]
    ]
    return [f"  {'changed':>7} {'read':>5} {'failed':>7}", *rows] if rows else []


def _failures(found: Session) -> list[str]:
    lines: list[str] = []
    for failure in found.failures:
        begin = f"  {_clock(failure.at)}  "
        asked = below(failure.asked or "", found.line.working_directory)
        lines.append(begin + clipped(f"{failure.tool} {asked}", COLUMNS - len(begin)))
        answer = [line for line in (failure.answer or "").splitlines() if safe(line)]
        inner = " " * len(begin)
        lines += [
            inner + clipped(line, COLUMNS - len(inner)) for line in answer[:FAILURE_LINES_SHOWN]
        ]
    rest = (found.line.failed_calls or 0) - len(found.failures)
    return [*lines, f"  and {rest} later ones"] if rest > 0 else lines


def _models(found: Session) -> list[str]:
    rows: list[str] = []
    for model in found.models:
        texts = [
            _many(model.calls, "call"),
            f"{compact(model.tokens_input)} in, {compact(model.tokens_output)} out",
            cost(model.cost_usd, model.unpriced_calls),
        ]
        rows += [f"  {clipped(model.model, COLUMNS - 2)}", *wrapped(texts, "    ")]
    return rows


def _judgments(found: Session) -> list[str]:
    rows = [
        f"  {_minute(one.created_at)}  {one.verdict:5} {one.q_score:6.2f}  {_cell(one.item_type, 12)} {safe(one.judgment_id)}"
        for one in found.judgments
    ]
    rest = found.line.judgment_count - len(rows)
    return [*rows, f"  and {rest} older"] if rest > 0 else rows


def _turns(turns: Sequence[Turn]) -> list[str]:
    lines: list[str] = []
    for turn in turns:
        begin = f"  {turn.number:>3}  {_clock(turn.at)[:5]}  "
        inner = " " * len(begin)
        lines.append(begin + clipped(turn.prompt or "(no text)", COLUMNS - len(begin)))
        used = [
            f"{tool.tool} {tool.calls}" + (f" ({tool.failed} failed)" if tool.failed else "")
            for tool in turn.tools
        ]
        lines += wrapped(used, inner) if used else []
        if turn.answer:
            lines.append(inner + clipped(f"→ {turn.answer}", COLUMNS - len(inner)))
    return lines


def _place(line: Line) -> str:
    branch = f" ({line.git_branch})" if line.git_branch else ""
    return f"{line.working_directory or ''}{branch}"


def wrapped(texts: Iterable[str], first: str, following: str | None = None) -> list[str]:
    """Texts with a dot between them, broken between texts and never inside one."""
    lines: list[str] = []
    current = ""
    margin = first
    for text in texts:
        piece = clipped(text, COLUMNS - len(margin))
        joined = f"{current} · {piece}" if current else piece
        if current and cell_len(margin + joined) > COLUMNS:
            lines.append(margin + current)
            margin, joined = first if following is None else following, piece
        current = joined
    return [*lines, margin + current] if current else lines


def _many(count: int | None, what: str) -> str:
    return "" if count is None else f"{count:,} {what}{'' if count == 1 else 's'}"


def _ms(milliseconds: int | None) -> str:
    return UNKNOWN if milliseconds is None else span(milliseconds / 1000)


def _cell(text: str, columns: int) -> str:
    return set_cell_size(clipped(text, columns), columns)


def _tail(text: str, columns: int) -> str:
    """The end of a path tells more than its beginning."""
    line = safe(text)
    while cell_len(line) > columns:
        line = "…" + line[2:]
    return line


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M:%S}"
