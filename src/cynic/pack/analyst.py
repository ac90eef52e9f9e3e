"""Analyst: whether what is defined and what is used agree. Ruff over Python; brackets, links and fences elsewhere."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark
from cynic.pack.rules import TIDY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cynic.pack.rules import Finding
    from cynic.pack.source import Source

DOG: Final = "Analyst"

_DEFINED_AND_USED: Final = re.compile(r"A0|ARG|B007|F81|F82|F84|PLW06")
_LOOSE: Final = re.compile(r"BLE|E722|PLR2004")
_SWALLOWED: Final = re.compile(r"B904|BLE|E722|S11")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)")
_CODE_SPAN: Final = re.compile(r"`[^`]{1,200}`")
_DEFINITION: Final = re.compile(r"\s{0,3}\[([^\]]{1,200})\]:\s")
_LINK: Final = re.compile(r"\]\(#([^)]{1,200})\)|\]\[([^\]]{1,200})\]")
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
_MASKED: Final = re.compile(
    r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.DOTALL
)


def read(source: Source, found: Iterable[Finding]) -> Look:
    """Count what does not agree."""
    if source.kind != "python":
        return _consistent(source)
    if source.syntax_error:
        return look.silent(DOG, "nothing can be followed in Python that does not parse")
    wrong = [(code, remark) for code, remark in found if not TIDY.match(code)]

    def share(matches: Callable[[str], object]) -> float:
        return look.soundness((remark for code, remark in wrong if matches(code)), source.written)

    def accurate(code: str) -> bool:
        return not any(part.match(code) for part in (_DEFINED_AND_USED, _LOOSE, _SWALLOWED))

    remarks = [remark for _, remark in wrong]
    score = look.soundness(remarks, source.written)
    said = (
        "ruff (names defined and used, likely bugs, loose or swallowed exceptions, magic numbers): "
        f"{look.counted(len(remarks), 'finding')} in {source.written} lines{look.listing(remarks)}"
    )
    return look.vote(
        DOG,
        score,
        said,
        remarks=remarks,
        COHERENCE=share(_DEFINED_AND_USED.match),
        ACCURACY=share(accurate),
        PRECISION=share(_LOOSE.match),
        TRANSPARENCY=share(_SWALLOWED.match),
    )


def _consistent(source: Source) -> Look:
    if source.kind == "prose":
        return _references(source)
    if source.kind == "data" or PurePath(source.file_name).suffix in {
        ".sh",
        ".html",
        ".pl",
        ".lua",
        ".sql",
    }:
        return look.silent(DOG, "no measurement for this language")
    return _brackets(source)


def _brackets(source: Source) -> Look:
    """Whether the brackets of a curly language match outside of its strings and comments."""
    text = _MASKED.sub(lambda hit: "\n" * hit.group().count("\n"), source.content)
    opened: list[tuple[str, int]] = []
    remarks: list[Remark] = []
    for number, line in enumerate(text.split("\n"), 1):
        for sign in line:
            if sign in "([{":
                opened.append((sign, number))
            elif sign in _PAIRS:
                if opened and opened[-1][0] == _PAIRS[sign]:
                    opened.pop()
                else:
                    remarks.append(Remark(line=number, weight=2.0, text=f"{sign} closes nothing"))
    remarks += [
        Remark(line=number, weight=2.0, text=f"{sign} is never closed") for sign, number in opened
    ]
    score = look.soundness(remarks, source.written)
    said = (
        f"brackets: {look.counted(len(remarks), 'mismatch', 'mismatches')}{look.listing(remarks)}"
    )
    return look.vote(DOG, score, said, remarks=remarks, COHERENCE=score)


def _references(source: Source) -> Look:
    """Markdown: whether links to headings and reference links lead anywhere, and fences are closed."""
    fences = [number for number, line in enumerate(source.lines, 1) if _FENCE.match(line)]
    lines = [_CODE_SPAN.sub("", line) for line in source.open_lines]
    defined = {hit[1].lower() for line in lines if (hit := _DEFINITION.match(line))}
    headings = {_slug(line.strip("# ")) for line in lines if line.startswith("#")}
    remarks: list[Remark] = []
    links = 0
    for number, line in enumerate(lines, 1):
        for hit in _LINK.finditer(line):
            links += 1
            anchor, name = hit.groups()
            if anchor is not None and anchor.lower() not in headings:
                text = f"links to #{anchor}, which is not there"
            elif name is not None and name.lower() not in defined:
                text = f"refers to [{name}], which is not defined"
            else:
                continue
            remarks.append(Remark(line=number, weight=1.0, text=text))
    if len(fences) % 2:
        text = "opens a fence that is never closed"
        remarks.append(Remark(line=fences[-1], weight=2.0, text=text))
    if not links and not fences:
        return look.silent(DOG, "no links within it and no fences, so nothing to compare")
    score = look.soundness(remarks, source.written)
    said = (
        f"{look.counted(links, 'link')} within it, {look.counted(len(fences), 'fence')}: "
        f"{look.counted(len(remarks), 'break')}{look.listing(remarks)}"
    )
    return look.vote(DOG, score, said, remarks=remarks, COHERENCE=score)


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
