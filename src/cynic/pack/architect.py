"""Architect: how complex it is. Radon over Python; the depth of indentation in other languages."""

from __future__ import annotations

import ast
import importlib
from typing import TYPE_CHECKING, Any, Final

from cynic.pack import look
from cynic.pack.look import Look, Remark

if TYPE_CHECKING:
    from cynic.pack.source import Source

DOG: Final = "Architect"
COMPLEXITY: Final = (10.0, 40.0)
"""McCabe's number of a function: his own limit of 10 is good; radon's worst class, F, begins above 40."""
LENGTH_LINES: Final = (50.0, 250.0)
DEPTH: Final = (3.0, 8.0)
MAINTAINABILITY: Final = (30.0, 0.0)
"""Radon's index; its best class, A, begins at 20, and long modules sink by their length alone."""

_DEEPER: Final = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


def read(source: Source) -> Look:
    """Measure complexity, length, nesting and maintainability."""
    if source.kind == "python":
        if source.tree is None:
            return look.silent(DOG, "radon reads no Python that does not parse")
        return _python(source, source.tree)
    if source.kind == "code":
        return _indented(source)
    return look.silent(DOG, "radon reads code only")


def _python(source: Source, tree: ast.Module) -> Look:
    visitor: Any = importlib.import_module("radon.visitors").ComplexityVisitor.from_ast(tree)
    index = _maintainability(source, tree, visitor.total_complexity)
    blocks = [
        *visitor.functions,
        *(method for one in visitor.classes for method in one.methods),
    ]
    complexity = [
        (float(visitor.complexity), 1, "the module"),
        *((float(b.complexity), b.lineno, b.name) for b in blocks),
    ]
    lengths = [(float(b.endline - b.lineno + 1), b.lineno, b.name) for b in blocks]
    depths = [_depth(node) for node in [tree, *filter(_is_function, source.nodes)]]
    elegance = _side(complexity, COMPLEXITY)
    length, nesting = _side(lengths, LENGTH_LINES), _side(depths, DEPTH)
    harmony = look.ramp(index, *MAINTAINABILITY)
    remarks = [
        *_over(complexity, COMPLEXITY[0], "{} has complexity {:g}"),
        *_over(lengths, LENGTH_LINES[0], "{} has {:g} lines"),
        *_over(depths, DEPTH[0], "{} nests {:g} deep"),
    ]
    worst, longest, deepest = (
        max((value for value, _, _ in found), default=0.0)
        for found in (complexity, lengths, depths)
    )
    said = (
        f"radon: {look.counted(len(blocks), 'function')}, complexity at most {worst:g}, longest {longest:g} lines, "
        f"nesting {deepest:g}, maintainability {index:.0f} of 100{look.listing(remarks)}"
    )
    structure = (length + nesting) / 2
    score = 0.4 * elegance + 0.4 * structure + 0.2 * harmony
    return look.vote(
        DOG, score, said, remarks=remarks, ELEGANCE=elegance, STRUCTURE=structure, HARMONY=harmony
    )


def _maintainability(source: Source, tree: ast.Module, complexity: int) -> float:
    """What radon's `mi_visit` gives, from the tree and the complexity that are there already."""
    metrics: Any = importlib.import_module("radon.metrics")
    raw: Any = importlib.import_module("radon.raw").analyze(source.content)
    comments = 100 * (raw.comments + raw.multi) / raw.sloc if raw.sloc else 0
    volume = metrics.h_visit_ast(tree).total.volume
    return float(metrics.mi_compute(volume, complexity, raw.lloc, comments))


def _side(found: list[tuple[float, int, str]], bounds: tuple[float, float]) -> float:
    """Half the mean of the blocks, half the worst one: a single monster is not thinned out by many small ones."""
    scores = [look.ramp(value, *bounds) for value, _, _ in found]
    return (look.mean(scores) + min(scores, default=1.0)) / 2


def _over(found: list[tuple[float, int, str]], limit: float, form: str) -> list[Remark]:
    return [
        Remark(line=line, weight=value / limit, text=form.format(name, value))
        for value, line, name in found
        if value > limit
    ]


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _depth(top: ast.AST) -> tuple[float, int, str]:
    """How deep the statements of a function or module nest, and where it begins. Loops, so that no depth breaks it."""
    deepest, todo = 0, [(child, 0) for child in ast.iter_child_nodes(top)]
    while todo:
        node, depth = todo.pop()
        if _is_function(node) or isinstance(node, ast.ClassDef | ast.expr):
            continue
        below = depth + isinstance(node, _DEEPER)
        deepest = max(deepest, below)
        chained = node.orelse if isinstance(node, ast.If) and len(node.orelse) == 1 else []
        for child in ast.iter_child_nodes(node):
            # `elif` is an If alone in the else of an If, and no deeper than it.
            is_elif = child in chained and isinstance(child, ast.If)
            todo.append((child, depth if is_elif else below))
    return float(deepest), getattr(top, "lineno", 1), getattr(top, "name", "the module")


def _indented(source: Source) -> Look:
    """The depth by indentation, in steps of the smallest indent in use."""
    widths = [(number, _width(line)) for number, line in enumerate(source.lines, 1) if line.strip()]
    step = min((width for _, width in widths if width > 1), default=4)
    depths = [(width / min(step, 8), number) for number, width in widths]
    deep = [
        Remark(line=number, weight=0.2, text=f"is {depth:.0f} deep")
        for depth, number in depths
        if depth > 2 * DEPTH[0]
    ]
    elegance = 1 - min(1.0, 4 * len(deep) / source.written)
    deepest = max((depth for depth, _ in depths), default=0.0)
    said = (
        f"indentation: deepest {deepest:.0f}, {look.counted(len(deep), 'line')} of {source.written} "
        f"deeper than {2 * DEPTH[0]:g}"
    )
    return look.vote(DOG, elegance, said, remarks=deep, ELEGANCE=elegance)


def _width(line: str) -> int:
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip())
