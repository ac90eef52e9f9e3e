"""Spans as a tree, whatever their parents say: every span has one place, in an order in which a parent comes before its children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Standing = Literal["root", "child", "orphan", "cycle"]


@dataclass(frozen=True, slots=True)
class Node:
    """One span's place."""

    index: int
    """Which of the given spans."""
    depth: int
    """0 at the top."""
    standing: Standing
    """A span at the top is a root (it names no parent), an orphan (its parent is not here), or where a cycle of parents
    was cut open."""
    children: int
    """How many spans hang directly on it."""


def tree(spans: Sequence[tuple[str, str | None]]) -> list[Node]:
    """Every span once, depth first; siblings and tops in the order given. `spans` are (span id, parent id), ids unique.

    Roots and orphans come first, each with what hangs on it. Where spans are only one another's ancestors, the first of
    them in the order given is taken for the top. Linear in the number of spans, without recursion.
    """
    place = {span_id: index for index, (span_id, _) in enumerate(spans)}
    children: list[list[int]] = [[] for _ in spans]
    tops: list[tuple[int, Standing]] = []
    for index, (_, parent) in enumerate(spans):
        if parent is None:
            tops.append((index, "root"))
        elif parent in place:
            children[place[parent]].append(index)
        else:
            tops.append((index, "orphan"))
    seen = [False] * len(spans)
    nodes: list[Node] = []
    for index, standing in tops:
        _walk(index, standing, children, seen, nodes)
    for index in range(len(spans)):
        if not seen[index]:
            _walk(index, "cycle", children, seen, nodes)
    return nodes


def _walk(
    top: int, standing: Standing, children: list[list[int]], seen: list[bool], nodes: list[Node]
) -> None:
    waiting = [(top, 0)]
    while waiting:
        index, depth = waiting.pop()
        if seen[index]:  # back at the top of a cycle
            continue
        seen[index] = True
        below = [child for child in children[index] if not seen[child]]
        nodes.append(Node(index, depth, standing if depth == 0 else "child", len(below)))
        waiting += [(child, depth + 1) for child in reversed(below)]
