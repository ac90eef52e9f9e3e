"""How a loop is shown: what it saw, what it knows, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One loop; `detail` is the loop's own."""

    data: int
    """How much it has seen."""
    needed: int
    """How much it needs before it says anything."""
    acts_on: str | None = None
    """What its knowledge changes; None while nothing reads it."""
    maturity: float | None = None
    """In [0, 1]; None while a part of it is not measured."""
    detail: Mapping[str, object] = field(default_factory=dict[str, object])

    def document(self) -> dict[str, object]:
        """The loop as JSON values."""
        enough = self.data >= self.needed
        return {
            "state": "learning"
            if enough
            else f"not enough data yet ({self.data} of {self.needed})",
            "data": self.data,
            "needed": self.needed,
            "acts_on": self.acts_on,
            "maturity": self.maturity,
            "detail": dict(self.detail),
        }
