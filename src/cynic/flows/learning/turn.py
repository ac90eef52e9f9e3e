"""What a loop hands back from its turn in a cycle: what it adjusted, and what its maturity is measured by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a loop's maturity is measured by; None, or an empty sequence, where it cannot say."""

    outcomes: Mapping[str, int] | None = None
    """Cell, for instance a dog in a context → how many outcomes it saw."""
    cells: int = 0
    """How many cells there are."""
    converged: Mapping[str, bool] | None = None
    """Active cell → whether this cycle left it where it was, nearly."""
    hits: Sequence[bool] = ()
    """In the order of learning: whether what it knew before this cycle foretold the answer."""


@dataclass(slots=True, kw_only=True)
class Turn:
    """What one loop did in a cycle."""

    weight_deltas: list[float] = field(default_factory=list[float])
    """Of each weight that was adjusted."""
    threshold_deltas: list[float] = field(default_factory=list[float])
    patterns_updated: int = 0
    patterns_merged: int = 0
    before: Mapping[str, object] = field(default_factory=dict[str, object])
    """What the loop knew, in a few numbers; the same keys as `after`."""
    after: Mapping[str, object] = field(default_factory=dict[str, object])
    parts: Parts | None = None
    """None from a loop that does not say what its maturity is measured by."""

    @property
    def changed(self) -> bool:
        """Whether it adjusted anything."""
        return bool(
            self.weight_deltas
            or self.threshold_deltas
            or self.patterns_updated
            or self.patterns_merged
        )
