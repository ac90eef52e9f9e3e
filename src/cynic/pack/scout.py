"""Scout: what is unfinished or dead. Markers and stubs in any text; vulture over Python."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.pack.source import Source

DOG: Final = "Scout"
CERTAIN_PERCENT: Final = 80
"""Vulture is this sure of unreachable code, unused imports and arguments whatever imports the module."""
ANY_PERCENT: Final = 60

_MARKER: Final = re.compile(r"\b(TODO|FIXME|XXX|HACK|TBD)\b")
_PROSE_MARKER: Final = re.compile(
    r"\b(TODO|FIXME|TBD|TBA)\b|lorem ipsum|coming soon|to be (?:written|done|added)", re.IGNORECASE
)
_COMMENTED: Final = re.compile(r"#|//|/\*|^\s*\*|--|<!--|;|%|\"\"\"|'''")


def read(source: Source) -> Look:
    """Look for unfinished and dead work."""
    unfinished = [*_markers(source), *_stubs(source)]
    finished = look.soundness(unfinished, source.written)
    said = f"{look.counted(len(unfinished), 'mark')} of unfinished work"
    if source.tree is None or source.kind != "python":
        said += f" in {source.written} lines{look.listing(unfinished)}"
        return look.vote(DOG, finished, said, remarks=unfinished, CONTRIBUTION=finished)
    dead = list(_dead(source))
    alive = look.soundness(dead, source.written)
    remarks = [*unfinished, *dead]
    said += f", vulture: {look.counted(len(dead), 'dead part')} in {source.written} lines{look.listing(remarks)}"
    return look.vote(
        DOG, (finished + alive) / 2, said, remarks=remarks, CONTRIBUTION=finished, UTILITY=alive
    )


def _markers(source: Source) -> Iterator[Remark]:
    """TODO and its kin: in comments of code, anywhere in prose; sections of prose without text."""
    prose = source.kind == "prose"
    pattern = _PROSE_MARKER if prose else _MARKER
    heading = 0
    for number, line in enumerate(source.lines, 1):
        if hit := pattern.search(line):
            before = line[: hit.start()]
            if prose or source.kind == "data" or _COMMENTED.search(before):
                yield Remark(line=number, weight=1.0, text=f"is marked {hit.group()}")
        if not prose or not line.strip():
            continue
        level = len(line) - len(line.lstrip("#")) if re.match(r"#{1,6} ", line) else 0
        if heading and 0 < level <= heading:
            yield Remark(line=number - 1, weight=1.0, text="leaves a section empty")
        heading = level


def _stubs(source: Source) -> Iterator[Remark]:
    """Functions without a body, except where a body is another's business: protocols, abstract methods, stub files."""
    if source.tree is None or source.kind != "python" or source.file_name.endswith(".pyi"):
        return
    for owner in source.nodes:
        if not isinstance(owner, ast.stmt | ast.Module):
            continue
        bases = (
            [ast.unparse(base) for base in owner.bases] if isinstance(owner, ast.ClassDef) else []
        )
        if any("Protocol" in base or base.endswith("ABC") for base in bases):
            continue
        for node in ast.iter_child_nodes(owner):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_stub(node):
                yield Remark(line=node.lineno, weight=1.0, text=f"{node.name} has no body")


def _is_stub(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any(
        ast.unparse(one).rsplit(".", 1)[-1] in {"abstractmethod", "overload"}
        for one in node.decorator_list
    ):
        return False
    body = node.body
    if ast.get_docstring(node, clean=False) is not None:
        body = body[1:]
        if not body:
            return False  # a hook that says what it is for
    if len(body) != 1:
        return False
    only = body[0]
    if isinstance(only, ast.Raise):
        return "NotImplementedError" in ast.unparse(only)
    return isinstance(only, ast.Pass) or (isinstance(only, ast.Expr) and ast.unparse(only) == "...")


def _dead(source: Source) -> Iterator[Remark]:
    """What vulture holds for dead, as far as one file can tell: a public name may be used by others."""
    vulture: Any = importlib.import_module("vulture").Vulture()
    vulture.scan(source.content, filename=PurePath(PurePath(source.file_name).name or "text.py"))
    for item in vulture.get_unused_code(min_confidence=ANY_PERCENT):
        private = item.name.startswith("_") and not item.name.startswith("__")
        if item.confidence < CERTAIN_PERCENT and not (
            private and item.typ in {"function", "class", "method"}
        ):
            continue
        if item.typ == "import" and PurePath(source.file_name).name == "__init__.py":
            continue
        if item.typ == "variable" and source.is_test:
            continue
        weight = 1.0 + min(2.0, item.size / 20)
        what = item.message if item.typ == "unreachable_code" else f"unused {item.typ} {item.name}"
        yield Remark(line=item.first_lineno, weight=weight, text=what)
