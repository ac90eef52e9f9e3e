"""Predict first, then learn: running figures in which old events fade.

Dawid 1984; Gama, Sebastião & Rodrigues 2013, section 3.2: m ← f·x + (1-f)·m, f = 0.236, which halves the weight of an event
in 2.6 events. Events come in the order in which they were committed, under growing ids; an id that is not newer than the
last one applied is a replay and changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.domains.learning.bounds import PHI3, clamp, finite, unit, within
from cynic.domains.learning.rates import faded

if TYPE_CHECKING:
    from collections.abc import Iterable

FADING: Final = PHI3
HALF_LIFE_EVENTS: Final = math.log(0.5) / math.log(1 - FADING)


class Event(NamedTuple):
    """One observed value under its id in commit order."""

    event_id: int
    value: float


@dataclass(frozen=True, slots=True)
class Fading:
    """The figure after all events up to `applied_id`."""

    mean: float | None = None
    """None before the first event."""
    count: int = 0
    applied_id: int = 0


class Change(NamedTuple):
    """A weight after feedback, and by how much it really moved."""

    weight: float
    delta: float


def observed(state: Fading, events: Iterable[Event], fading: float = FADING) -> Fading:
    """Fold events into the figure; in whatever batches they come, once each."""
    mean, count, applied_id = state.mean, state.count, state.applied_id
    for event in sorted(events):
        finite(event.value, f"event {event.event_id}")
        if event.event_id > applied_id:
            mean = faded(mean, event.value, fading)
            count, applied_id = count + 1, event.event_id
    return Fading(mean, count, applied_id)


def learned(
    weight: float, feedback: float, rate: float = FADING, *, locked: bool = False
) -> Change:
    """Move a weight in [0, 1] by rate · feedback, feedback in [-1, 1]; a locked one stays, and says so with 0."""
    unit(weight, "a weight")
    within(feedback, -1.0, 1.0, "a feedback value")
    unit(rate, "a learning rate")
    if locked:
        return Change(weight, 0.0)
    moved = clamp(weight + rate * feedback, 0.0, 1.0)
    return Change(moved, moved - weight)
