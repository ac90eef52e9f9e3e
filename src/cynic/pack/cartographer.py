"""Cartographer: the map of a file: how large it is, how it is parted, and whether the parts are in proportion."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from cynic.pack.source import Source

DOG: Final = "Cartographer"
MODULE_LINES: Final = (500.0, 2500.0)
PART_LINES: Final = (150.0, 600.0)
IMPORTS: Final = (20.0, 60.0)
LOOSE_SHARE: Final = (0.3, 1.0)
"""Share of a module's lines outside of definitions, imports and constants."""
SECTION_WORDS: Final = (350.0, 1200.0)
HEADED_FROM_WORDS: Final = 120
"""Shorter prose needs no headings."""
SHORT_LINES: Final = 20
"""A module this short may be a script from top to bottom."""

_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read(source: Source) -> Look:
    """Draw the map."""
    if source.kind == "python":
        if source.tree is None:
            return look.silent(DOG, "Python that does not parse has no map")
        return _python(source, source.tree)
    if source.kind == "prose":
        return _prose(source)
    if source.kind == "code":
        return _code(source)
    return look.silent(DOG, "data has no outline")


def _python(source: Source, tree: ast.Module) -> Look:
    parts = [
        (_lines(node), node.lineno, node.name)
        for node in tree.body
        if isinstance(node, _DEFINITION)
    ]
    imports = [node for node in source.nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    loose = sum(_lines(node) for node in tree.body if _is_loose(node))
    late = _late(tree)
    large = [
        Remark(line=line, weight=lines / PART_LINES[0], text=f"{name} spans {lines} lines")
        for lines, line, name in parts
        if lines > PART_LINES[0]
    ]
    stars = [
        Remark(line=node.lineno, weight=1.0, text="imports everything")
        for node in imports
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]
    size = look.ramp(source.written, *MODULE_LINES)
    fans = look.ramp(len(imports), *IMPORTS)
    outline = (
        1.0 if source.written <= SHORT_LINES else look.ramp(loose / source.written, *LOOSE_SHARE)
    )
    order = look.soundness([*late, *stars], source.written)
    proportion = look.mean(
        [look.ramp(max((part[0] for part in parts), default=0), *PART_LINES), size]
    )
    structure = look.mean([fans, outline, order])
    remarks = [*large, *late, *stars]
    said = (
        f"{source.written} lines, {look.counted(len(parts), 'part')} at the top, the largest "
        f"{max((part[0] for part in parts), default=0)} lines, {loose} lines outside of parts, "
        f"{look.counted(len(imports), 'import')} ({len(late)} not at the top){look.listing(remarks)}"
    )
    return look.vote(
        DOG,
        (structure + proportion) / 2,
        said,
        remarks=remarks,
        STRUCTURE=structure,
        PROPORTION=proportion,
    )


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_loose(node: ast.stmt) -> bool:
    """Whether a statement of the module does something, rather than define, import, document or name."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        # `if TYPE_CHECKING` and `if __name__ == "__main__"` are part of the outline.
        return not re.search(r"TYPE_CHECKING|__name__", ast.unparse(node.test))
    return not isinstance(
        node, _DEFINITION | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign
    )


def _late(tree: ast.Module) -> list[Remark]:
    """Imports of the module below its first definition."""
    found: list[Remark] = []
    defined = False
    for node in tree.body:
        if isinstance(node, _DEFINITION):
            defined = True
        elif defined and isinstance(node, ast.Import | ast.ImportFrom):
            found.append(Remark(line=node.lineno, weight=0.5, text="imports below a definition"))
    return found


def _prose(source: Source) -> Look:
    sections: list[int] = [0]
    levels: list[tuple[int, int]] = []
    before = ""
    for number, line in enumerate(source.open_lines, 1):
        if level := _level(line, before):
            levels.append((level, number))
            sections.append(0)
        else:
            sections[-1] += len(re.findall(r"\w+", line))
        before = line
    words = sum(sections)
    if words < HEADED_FROM_WORDS and not levels:
        return look.silent(DOG, f"{words} words need no outline")
    jumps = [
        Remark(line=line, weight=1.0, text=f"jumps from heading {former} to {level}")
        for (former, _), (level, line) in pairwise(levels)
        if level > former + 1
    ]
    headed = 1.0 if levels else 0.2
    structure = headed * look.soundness(jumps, source.written)
    proportion = look.ramp(max(sections), *SECTION_WORDS)
    said = (
        f"{look.counted(len(levels), 'heading')} over {words} words, the longest section {max(sections)} words"
        f"{look.listing(jumps)}"
    )
    return look.vote(
        DOG,
        (2 * structure + proportion) / 3,
        said,
        remarks=jumps,
        STRUCTURE=structure,
        PROPORTION=proportion,
    )


def _level(line: str, before: str) -> int:
    """The level of a heading: Markdown's #, AsciiDoc's =, or a line under a line; 0 for any other line."""
    if hit := re.match(r"(#{1,6}|={1,6}) +\S", line):
        return len(hit[1])
    if (
        before.strip()
        and re.fullmatch(r"={3,}|-{3,}|~{3,}", line.strip())
        and len(line.strip()) >= len(before.strip()) / 2
    ):
        return 1 if line.startswith("=") else 2
    return 0


def _code(source: Source) -> Look:
    """Any other language: its length, and the longest stretch without a blank line."""
    longest = max(
        (len(part.split("\n")) for part in re.split(r"\n\s*\n", source.content)), default=0
    )
    proportion = look.mean(
        [look.ramp(source.written, *MODULE_LINES), look.ramp(longest, *PART_LINES)]
    )
    said = f"{source.written} lines, the longest stretch without a blank line {longest}"
    return look.vote(DOG, proportion, said, PROPORTION=proportion)
