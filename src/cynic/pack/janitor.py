"""Janitor: how tidy it is. Ruff over Python, plain counts over any other text, and blocks that repeat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark
from cynic.pack.rules import LINE_CHARACTERS_MAX, TIDY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cynic.pack.rules import Finding
    from cynic.pack.source import Source

DOG: Final = "Janitor"
REPEATED_LINES_MIN: Final = 6


def read(source: Source, found: Iterable[Finding]) -> Look:
    """Count what is untidy."""
    if source.kind == "python" and source.syntax_error is None:
        tidy = [remark for code, remark in found if TIDY.match(code)]
        how = "ruff (unused imports, dead comments, line ends, length, simpler forms)"
    else:
        tidy = _untidy(source)
        how = "line ends, blanks, indentation, length"
    clean = look.soundness(tidy, source.written)
    repeated = [] if source.kind == "data" else _repeated(source)
    lean = look.ramp(len(repeated) / source.written, 0.0, 0.5)
    said = (
        f"{how}: {look.counted(len(tidy), 'finding')} in {source.written} lines{look.listing(tidy)}; "
        f"{look.counted(len(repeated), 'line')} repeated in blocks of {REPEATED_LINES_MIN} or more"
        f"{f' from line {repeated[0].line}' if repeated else ''}"
    )
    return look.vote(
        DOG,
        0.7 * clean + 0.3 * lean,
        said,
        remarks=[*tidy, *repeated],
        SUSTAINABILITY=clean,
        EFFICIENCY=None if source.kind == "data" else lean,
    )


def _untidy(source: Source) -> list[Remark]:
    found: list[Remark] = []
    blank = 0
    for number, line in enumerate(source.lines, 1):
        blank = 0 if line.strip() else blank + 1
        indent = line[: len(line) - len(line.lstrip())]
        # Two blanks at the end of a line of Markdown are a line break.
        trailing = line != line.rstrip() and not (
            source.kind == "prose" and re.search(r"\S  $", line)
        )
        faults = (
            (trailing, 0.5, "ends in blanks"),
            (" \t" in indent, 1.0, "indents with a tab after blanks"),
            (
                source.kind == "code" and len(line) > LINE_CHARACTERS_MAX + 20,
                0.5,
                f"has {len(line)} characters",
            ),
            (blank == 3, 0.3, "is the third blank line in a row"),  # noqa: PLR2004  # said in the text
            (
                re.search(
                    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u202a-\u202e\u2066-\u2069]", line
                ),
                1.0,
                "holds an invisible character",
            ),
        )
        found += [
            Remark(line=number, weight=weight, text=text) for is_so, weight, text in faults if is_so
        ]
    if source.content and not source.content.endswith("\n"):
        found.append(Remark(line=len(source.lines), weight=0.5, text="has no line end"))
    tabbed = sum(line.startswith("\t") for line in source.lines)
    spaced = sum(line.startswith("  ") for line in source.lines)
    if source.kind == "code" and min(tabbed, spaced):
        found.append(
            Remark(
                line=1,
                weight=1.5,
                text=f"begins a text with {tabbed} lines indented by tabs and {spaced} by blanks",
            )
        )
    return found


def _repeated(source: Source) -> list[Remark]:
    """Lines that belong to a run of six or more which stood earlier word for word; bare brackets do not count."""
    lines = [
        (number, text)
        for number, line in enumerate(source.lines, 1)
        if len(text := line.strip()) > 3  # noqa: PLR2004  # a bracket or two with a comma
    ]
    first: dict[tuple[str, ...], int] = {}
    repeated: set[int] = set()
    for start in range(len(lines) - REPEATED_LINES_MIN + 1):
        window = tuple(text for _, text in lines[start : start + REPEATED_LINES_MIN])
        if first.setdefault(window, start) + REPEATED_LINES_MIN <= start:
            repeated.update(number for number, _ in lines[start : start + REPEATED_LINES_MIN])
    return [Remark(line=number, weight=0.2, text="repeats") for number in sorted(repeated)]
