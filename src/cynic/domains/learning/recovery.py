"""How long a loop takes to recover when what it foretold stops coming true.

A Page-Hinkley detector watches the hits (1) and misses (0) for a fall. At one, what came true before it is the mark, and
the answers are counted until the faded mean of the hits is back within 0.05 of it. A recovery under way counts as long as
it has lasted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, cast

from cynic.domains.learning.drift import PageHinkley
from cynic.domains.learning.rates import faded

if TYPE_CHECKING:
    from collections.abc import Mapping

DELTA: Final = 0.05
THRESHOLD: Final = 8.0
FADING: Final = 0.05
RECOVERED_WITHIN: Final = 0.05
RECOVERIES_MAX: Final = 20
COUNTED_MAX: Final = 1000
"""Beyond so many hits and misses both counts are halved: accuracy is of late."""


def _detector() -> PageHinkley:
    return PageHinkley(delta=DELTA, threshold=THRESHOLD, mode="down")


@dataclass(slots=True, kw_only=True)
class Recovery:
    """The hits of one loop, and its recoveries."""

    detector: PageHinkley = field(default_factory=_detector)
    right: int = 0
    total: int = 0
    seen: int = 0
    """In all; `right` of `total` are of late."""
    mean: float | None = None
    mark: float | None = None
    """None while there is nothing to recover from."""
    waited: int = 0
    recoveries: list[int] = field(default_factory=list[int])
    """Answers that each recovery took, the last twenty."""

    @classmethod
    def read(cls, document: Mapping[str, object]) -> Self:
        """The one whose `document` this was."""
        fields = cast("dict[str, Any]", dict(document))
        detector = PageHinkley.resume(fields.pop("detector"))
        return cls(detector=detector, **fields)

    def document(self) -> dict[str, object]:
        """Everything it knows, as JSON values."""
        return asdict(self)

    def update(self, hit: bool) -> None:  # noqa: FBT001  # one value of a stream
        """Take one hit or miss."""
        before = self.detector.mean
        self.seen += 1
        self.right, self.total = self.right + hit, self.total + 1
        if self.total > COUNTED_MAX:
            self.right, self.total = self.right // 2, self.total // 2
        self.mean = faded(self.mean, float(hit), FADING)
        if self.detector.update(float(hit)) and self.mark is None:
            self.mark, self.waited = before, 0
        elif self.mark is not None:
            self.waited += 1
            if self.mean >= self.mark - RECOVERED_WITHIN:
                self.recoveries = [*self.recoveries, self.waited][-RECOVERIES_MAX:]
                self.mark = None

    @property
    def updates(self) -> list[int] | None:
        """Answers of each recovery, the one under way included; None before a fall could be seen."""
        if self.seen < self.detector.instances_min:
            return None
        return [*self.recoveries, *([] if self.mark is None else [self.waited])]
