"""What a loop hands back from its turn in a cycle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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

    @property
    def changed(self) -> bool:
        """Whether it adjusted anything."""
        return bool(
            self.weight_deltas
            or self.threshold_deltas
            or self.patterns_updated
            or self.patterns_merged
        )
