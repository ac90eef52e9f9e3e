"""What one dog saw of one text, and the two scales that turn counts into scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCORE_PLACES: Final = 3
DIMENSION_PLACES: Final = 1
SHOWN_MAX: Final = 5
"""How many single findings a reasoning names."""
HALF_SCORE_WEIGHT: Final = 3.0
"""The weight of findings in a hundred lines that halves a score."""
SHOWN_CHARACTERS_MAX: Final = 160

Outcome = Literal["vote", "silent", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One finding: where, how grave (1 is an ordinary fault), and what."""

    line: int
    weight: float
    text: str

    def shown(self) -> str:
        """The remark for people, on one line."""
        return f"line {self.line} {self.text}"[:SHOWN_CHARACTERS_MAX]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A dog's vote on a text, or why there is none."""

    dog: str
    outcome: Outcome
    said: str
    """What was measured; why the dog cannot see this item; what failed."""
    score: float = 0.5
    dimensions: Mapping[str, float] = field(default_factory=dict[str, float])
    """0 to 100."""
    lines: tuple[int, ...] = ()
    """The lines that the dog remarked on."""
    veto: bool = False


def vote(
    dog: str,
    score: float,
    said: str,
    *,
    remarks: Iterable[Remark] = (),
    veto: bool = False,
    **dimensions: float | None,
) -> Look:
    """A vote; `dimensions` are shares from 0 to 1, and None is one that was not measured."""
    return Look(
        dog=dog,
        outcome="vote",
        said=said,
        score=round(score, SCORE_PLACES),
        dimensions={
            name: round(100 * value, DIMENSION_PLACES)
            for name, value in dimensions.items()
            if value is not None
        },
        lines=tuple(sorted({remark.line for remark in remarks})),
        veto=veto,
    )


def silent(dog: str, why: str) -> Look:
    """No vote: the dog cannot see this item."""
    return Look(dog=dog, outcome="silent", said=why)


def failed(dog: str, why: str) -> Look:
    """An error vote: the dog should have seen this item, and its tool failed."""
    return Look(dog=dog, outcome="failed", said=why)


def soundness(remarks: Iterable[Remark], lines: int) -> float:
    """1 without remarks, 1/2 at a weight of 3 in a hundred lines, towards 0 beyond.

    A text under a hundred lines counts as a hundred, so that one remark in a short file is one remark.
    """
    weight = sum(remark.weight for remark in remarks)
    return 1 / (1 + weight / (HALF_SCORE_WEIGHT * max(1.0, lines / 100)))


def ramp(value: float, good: float, bad: float) -> float:
    """1 up to `good`, 0 from `bad` on, straight between; `bad` may be the smaller one."""
    return min(1.0, max(0.0, (bad - value) / (bad - good)))


def mean(values: Iterable[float]) -> float:
    """The mean; 1 of nothing, where nothing speaks against."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else 1.0


def listing(remarks: Iterable[Remark]) -> str:
    """The gravest remarks for people: empty, or a colon and up to five of them."""
    ordered = sorted(remarks, key=lambda remark: (-remark.weight, remark.line, remark.text))
    if not ordered:
        return ""
    rest = f"; and {len(ordered) - SHOWN_MAX} more" if len(ordered) > SHOWN_MAX else ""
    return ": " + "; ".join(remark.shown() for remark in ordered[:SHOWN_MAX]) + rest


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{number} {one if number == 1 else many or one + 's'}"
