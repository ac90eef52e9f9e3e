"""How a loop is shown: what it saw, what it knows, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One loop; `detail` is the loop's own."""

    about: str
    """What the loop is, in one plain sentence."""
    data: int
    """How much it has seen, in units of `unit`."""
    unit: str
    """What `data` and `needed` count, in the plural."""
    needed: int
    """How much it needs before it says anything."""
    acts_on: str | None = None
    """What its knowledge changes; None while nothing reads it."""
    finding: str | None = None
    """The one thing to know of what it found; None while it knows nothing, and shown only once it has seen enough."""
    maturity: float | None = None
    """In [0, 1]; None while a part of it is not measured."""
    maturity_parts: Mapping[str, float | None] | None = None
    """What maturity is made of, each in [0, 1], None where not measured; None before the first measurement."""
    detail: Mapping[str, object] = field(default_factory=dict[str, object])

    def document(self) -> dict[str, object]:
        """The loop as JSON values."""
        enough = self.data >= self.needed
        return {
            "state": "learning"
            if enough
            else f"not enough data yet ({self.data} of {self.needed})",
            "about": self.about,
            "data": self.data,
            "unit": self.unit,
            "needed": self.needed,
            "acts_on": self.acts_on,
            "finding": self.finding if enough else None,
            "maturity": self.maturity,
            "maturity_parts": None if self.maturity_parts is None else dict(self.maturity_parts),
            "detail": dict(self.detail),
        }


def counted(count: int, one: str, many: str | None = None, *, most: int | None = None) -> str:
    """A count with its noun in the right number, "no" for none; at `most`, up to where was counted, there may be more."""
    noun = one if count == 1 else many or f"{one}s"
    more = " or more" if most is not None and count >= most else ""
    return f"{count or 'no'}{more} {noun}"
