"""Scholar: what a text tells its reader about itself: docstrings and comments, or references and an introduction."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.pack.source import Source

DOG: Final = "Scholar"
COMMENT_SHARE_GOOD: Final = 0.05
WORDS_PER_REFERENCE: Final = (200.0, 1000.0)
WORDS_MIN: Final = 150
"""Shorter prose need not refer to anything."""

_COMMENT: Final = re.compile(r"^\s*(#(?!!)|//|--|/?\*|<!--|;|%)|\S\s+(#|//|--) ")
_REFERENCE: Final = re.compile(
    r"\]\(|https?://|\]\[|^\[\d+\]|\bRFC \d+|`[\w.-]+/[\w./-]+`|\(\w+(?: et al\.)?,? \d{4}\)",
    re.MULTILINE,
)
_Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def read(source: Source) -> Look:
    """Measure documentation."""
    if source.kind == "python":
        if source.tree is None:
            return look.silent(DOG, "no docstrings can be found in Python that does not parse")
        return _python(source, source.tree)
    if source.kind == "code":
        return _comments(source)
    if source.kind == "prose":
        return _prose(source)
    return look.silent(DOG, "data documents nothing")


def _python(source: Source, tree: ast.Module) -> Look:
    wanted: list[ast.Module | _Documented] = [tree, *_public(tree, source)]
    bare = [node for node in wanted if ast.get_docstring(node, clean=False) is None]
    remarks = [
        Remark(
            line=getattr(node, "lineno", 1),
            weight=1.0,
            text=f"{getattr(node, 'name', 'the module')} has no docstring",
        )
        for node in bare
    ]
    coverage = 1 - len(bare) / len(wanted)
    comments = sum(_COMMENT.search(line) is not None for line in source.lines)
    commented = min(1.0, comments / source.written / COMMENT_SHARE_GOOD)
    score = 0.85 * coverage + 0.15 * commented
    said = (
        f"docstrings on {len(wanted) - len(bare)} of {len(wanted)} (module, public classes and functions), "
        f"{look.counted(comments, 'comment')} in {source.written} lines{look.listing(remarks)}"
    )
    return look.vote(DOG, score, said, remarks=remarks, VERIFIABILITY=score)


def _public(tree: ast.Module | ast.ClassDef, source: Source) -> Iterator[_Documented]:
    """Public classes, functions and methods; those of a test need none, its name is its sentence."""
    for node in tree.body:
        if not isinstance(node, _Documented) or node.name.startswith("_"):
            continue
        if source.is_test and not isinstance(node, ast.ClassDef):
            continue
        if any(ast.unparse(one).endswith((".setter", "overload")) for one in node.decorator_list):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node, source)


def _comments(source: Source) -> Look:
    comments = sum(_COMMENT.search(line) is not None for line in source.lines)
    score = min(1.0, 0.3 + 0.7 * comments / source.written / (2 * COMMENT_SHARE_GOOD))
    said = f"{look.counted(comments, 'comment line')} in {source.written} lines; {2 * COMMENT_SHARE_GOOD:.0%} is full marks"
    return look.vote(DOG, score, said, VERIFIABILITY=score)


def _prose(source: Source) -> Look:
    words = len(re.findall(r"\w+", source.content))
    if words < WORDS_MIN:
        return look.silent(DOG, f"{words} words refer to nothing, and need not")
    references = len(_REFERENCE.findall(source.content))
    score = look.ramp(words / max(references, 0.5), *WORDS_PER_REFERENCE)
    score = max(score, 0.2)
    said = f"{look.counted(references, 'reference')} (links, citations) in {words} words; one in {WORDS_PER_REFERENCE[0]:g} is full marks"
    return look.vote(DOG, score, said, PROVENANCE=score)
