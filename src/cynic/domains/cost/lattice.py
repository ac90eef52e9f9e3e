"""The units of usage by their dimensions: which are parts of which, and what follows for a count that is not given."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

"""Combinations of units that are remembered with what was found for them."""


class UsageError(Exception):
    """The counts contradict each other, or are of what has no price."""


def _parts() -> dict[str, dict[str, str]]:
    read, write, output = (
        {"family": "tokens", "direction": "input", "token_type": "cache_read"},
        {"family": "tokens", "direction": "input", "token_type": "cache_write"},
        {"family": "tokens", "direction": "output"},
    )
    parts = {
        "output_reasoning_tokens": {**output, "token_type": "reasoning"},
        "output_citation_tokens": {**output, "token_type": "citation"},
        "input_tool_tokens": {"family": "tokens", "direction": "input", "token_type": "tool"},
    }
    for kind in ("text", "audio", "image", "video"):
        told = {"modality": kind}
        parts[f"input_{kind}_tokens"] = {"family": "tokens", "direction": "input", **told}
        parts[f"output_{kind}_tokens"] = {**output, **told}
        parts[f"cache_{kind}_read_tokens"] = {**read, **told}
        parts[f"cache_{kind}_write_tokens"] = {**write, **told}
    return parts


PARTS: Final[Mapping[str, Mapping[str, str]]] = _parts()
"""Parts of input and output that reports tell of, whether or not a list prices them; named as in genai-prices."""


class Lattice:
    """The units by their dimensions, and what follows for a count that is not given."""

    def __init__(self, dimensions: Mapping[str, frozenset[tuple[str, str]]]) -> None:
        self.dimensions = dimensions

    def objection(self, name: str, given: frozenset[str]) -> str | None:
        """Why the count of a unit that is not given cannot be 0 beside others that are; None when it can."""
        wanted = self.dimensions[name]
        known = {other: self.dimensions[other] for other in given if other in self.dimensions}
        for other in sorted(known):
            if wanted <= known[other]:
                return f"{other} is given, and the {name} that it is a part of is not"
        for one, other in combinations(sorted(known), 2):
            a, b = known[one], known[other]
            if not (a <= b or b <= a) and a | b == wanted:
                return f"{one} and {other} overlap, and {name} is not given"
        return None
