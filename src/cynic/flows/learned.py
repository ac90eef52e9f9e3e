"""What was learned, for those who record: weights of dogs and dimensions, how sure to be; at most a second old.

A dog's weight is used once ten answers judged its votes; before, and for a dog without, the weight is 1. A calibrated
probability is used once thirty answers judged judgments of that kind on that side; where none is, the probability of the rule is shifted by what behaviour learned. Nothing learned,
nothing changes.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.core.dimensions import Placed
from cynic.domains.learning.answers import ANSWERS_MIN, DOG_ANSWERS_MIN, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import psycopg

REFRESH_SECONDS: Final = 1.0
PLACES: Final = Decimal("0.000001")

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("learned.sql")))


@dataclass(frozen=True, slots=True)
class Learned:
    """What recording uses."""

    weights: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Dog → weight in (0, 2); empty while none has one."""
    calibrated: Mapping[str, Mapping[bool, Decimal]] = field(
        default_factory=dict[str, "Mapping[bool, Decimal]"]
    )
    """Kind → whether the judgment passed the item → probability that it is right."""
    dimensions: Mapping[str, Placed] = field(default_factory=dict[str, Placed])
    """The dimensions that the dogs added and that may be judged."""
    dimension_weights: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """Dimension → weight, where it is not the contract's."""
    confidence_shift: Decimal = Decimal()
    """Added to a probability that neither the writer nor calibration gave."""

    def of(self, context: str | None, item: str) -> Mapping[bool, Decimal] | None:
        """The probabilities of a kind of judgment; None where none is known."""
        return self.calibrated.get(context or item)


NOTHING: Final = Learned()


class LearnedSource:
    """Looks when it is asked, at most once a second. Safe to share between threads; they do not wait for a refresh."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._learned = NOTHING
        self._seen: str | None = None
        self._looked_at: float | None = None

    def current(self, conn: psycopg.Connection) -> Learned:
        """What is known; asks the database when the last look is a second ago and nobody else is asking."""
        now = self._clock()
        fresh = self._looked_at is not None and now - self._looked_at < REFRESH_SECONDS
        if not fresh and self._lock.acquire(blocking=self._looked_at is None):
            try:
                self._refresh(conn)
                self._looked_at = now
            finally:
                self._lock.release()
        return self._learned

    def look_again(self) -> None:
        """Look at the next question, however short ago the last look was: something was learned just now."""
        self._looked_at = None

    def _refresh(self, conn: psycopg.Connection) -> None:
        rows = conn.execute(_SQL["learned"], {"seen": self._seen}).fetchall()
        seen = cast("str", rows[0][0])
        if seen != self._seen:
            self._learned = _learned(row[1:] for row in rows)
            self._seen = seen


def _learned(rows: Iterable[tuple[str, str, Mapping[str, Any] | None]]) -> Learned:
    weights: dict[str, Decimal] = {}
    calibrated: dict[str, dict[bool, Decimal]] = {}
    dimensions: dict[str, Placed] = {}
    dimension_weights: dict[str, Decimal] = {}
    shift = Decimal()
    for loop, state, known in rows:
        if known is None:
            continue
        match loop:
            case "dimensions":
                dimensions[state] = Placed(known["axiom"], Decimal(str(known["weight"])))
            case "sona":
                dimension_weights = {name: Decimal(str(one)) for name, one in known.items()}
            case "behavior":
                shift = Decimal(str(known["confidence_shift"])).quantize(PLACES)
            case "dog-votes":
                weights = dict(_dog_weights(known))
            case _:
                calibrated[state] = dict(_probabilities(known))
    return Learned(weights, calibrated, dimensions, dimension_weights, shift)


def _dog_weights(known: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, Decimal]]:
    for dog, counts in known.items():
        tally = Tally(**counts)
        if tally.answers >= DOG_ANSWERS_MIN:
            yield dog, Decimal(tally.weight).quantize(PLACES)


def _probabilities(known: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[bool, Decimal]]:
    for side, counts in known.items():
        tally = Tally(**counts)
        if tally.answers >= ANSWERS_MIN:
            yield side == "pass", Decimal(tally.mean).quantize(PLACES)
