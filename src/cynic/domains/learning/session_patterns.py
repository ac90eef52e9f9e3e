"""Patterns in what a session did: runs of one action, cycles of a few, sequences that come again, and what fails unlike the rest.

REPETITION: one action at least 4 times in a row. CYCLE: a block of 2 to 4 different actions at least 3 times in a row.
SEQUENCE: 3 different actions in this order at least 3 times, not overlapping, and in no cycle. ANOMALY: an action whose
95 % interval of success (Wilson) lies below that of all the others together, from 5 times on. One of each kind, the
longest, most frequent or worst; of equals the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cynic.domains.learning.rates import wilson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.metacognition import Action

Kind = Literal["REPETITION", "CYCLE", "SEQUENCE", "ANOMALY"]

REPEATED_MIN: Final = 4
BLOCK_MAX: Final = 4
ROUNDS_MIN: Final = 3
SEQUENCE_LENGTH: Final = 3
SEQUENCES_MIN: Final = 3
ANOMALY_MIN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What was found, and in which of the actions it stands."""

    kind: Kind
    actions: tuple[str, ...]
    times: int
    first: int
    """Place of the first action that it is made of."""
    last: int
    detail: Mapping[str, float] | None = None

    def document(self) -> dict[str, object]:
        """The pattern as JSON values."""
        return {"actions": list(self.actions), "times": self.times, **(self.detail or {})}


def patterns(actions: Sequence[Action]) -> list[Pattern]:
    """At most one of each kind."""
    names = [action.name for action in actions]
    cycle = _cycle(names)
    found = [_repetition(names), cycle, _sequence(names, cycle), _anomaly(actions)]
    return [one for one in found if one is not None]


def _repetition(names: Sequence[str]) -> Pattern | None:
    best: Pattern | None = None
    start = 0
    for end in range(1, len(names) + 1):
        if end < len(names) and names[end] == names[start]:
            continue
        times = end - start
        if times >= max(REPEATED_MIN, 1 + (best.times if best else 0)):
            best = Pattern(
                kind="REPETITION", actions=(names[start],), times=times, first=start, last=end - 1
            )
        start = end
    return best


def _cycle(names: Sequence[str]) -> Pattern | None:
    best: Pattern | None = None
    for size in range(2, BLOCK_MAX + 1):
        run = 0
        for place in range(size, len(names) + 1):
            if place < len(names) and names[place] == names[place - size]:
                run += 1
                continue
            length = run + size
            block = tuple(names[place - length : place - length + size])
            covered = length // size * size
            if (
                length // size >= ROUNDS_MIN
                and len(set(block)) == size
                and covered > (0 if best is None else best.last - best.first + 1)
            ):
                best = Pattern(
                    kind="CYCLE",
                    actions=block,
                    times=length // size,
                    first=place - length,
                    last=place - length + covered - 1,
                )
            run = 0
    return best


def _sequence(names: Sequence[str], cycle: Pattern | None) -> Pattern | None:
    places: dict[tuple[str, ...], list[int]] = {}
    for place in range(len(names) - SEQUENCE_LENGTH + 1):
        if cycle is not None and cycle.first <= place <= cycle.last:
            continue
        block = tuple(names[place : place + SEQUENCE_LENGTH])
        if len(set(block)) < SEQUENCE_LENGTH:
            continue
        seen = places.setdefault(block, [])
        if not seen or place >= seen[-1] + SEQUENCE_LENGTH:
            seen.append(place)
    often = {block: seen for block, seen in places.items() if len(seen) >= SEQUENCES_MIN}
    if not often:
        return None
    block = max(often, key=lambda one: (len(often[one]), -often[one][0]))
    seen = often[block]
    return Pattern(
        kind="SEQUENCE",
        actions=block,
        times=len(seen),
        first=seen[0],
        last=seen[-1] + SEQUENCE_LENGTH - 1,
    )


def _anomaly(actions: Sequence[Action]) -> Pattern | None:
    worst: Pattern | None = None
    successes = sum(action.succeeded for action in actions)
    for name in dict.fromkeys(action.name for action in actions):
        places = [place for place, action in enumerate(actions) if action.name == name]
        if len(places) < ANOMALY_MIN:
            continue
        right = sum(actions[place].succeeded for place in places)
        here = wilson(right, len(places))
        there = wilson(successes - right, len(actions) - len(places))
        if here is None or there is None or here.high >= there.low:
            continue
        share = right / len(places)
        if worst is None or share < (worst.detail or {})["success"]:
            worst = Pattern(
                kind="ANOMALY",
                actions=(name,),
                times=len(places),
                first=places[0],
                last=places[-1],
                detail={
                    "success": share,
                    "others": (successes - right) / (len(actions) - len(places)),
                },
            )
    return worst
