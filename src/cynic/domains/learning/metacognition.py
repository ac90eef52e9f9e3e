"""Watching oneself work: is it going forward, stuck, thrashing, recovering, or in flow; and what to change then.

In this order, the first that holds over the last actions: stuck (60 s without progress, or at least 0.618 of the last 5
failed), flow (0.618 of the last 20 succeeded), thrashing (the last 8 are fewer than half different, and fewer than 0.618 of
them succeeded: repeating what works is no thrashing), recovering (it was stuck or thrashing, and not yet are 0.618 of
the last 5 a success), exploring (fewer than 5 actions, or mostly different ones), executing.

Times are seconds on the caller's clock. Without actions there is no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.bounds import PHI, clamp, finite, within

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

State = Literal["exploring", "executing", "stuck", "thrashing", "recovering", "flow"]
Strategy = Literal["depth_first", "breadth_first", "backtrack", "simplify", "escalate", "reset"]

STUCK_SECONDS: Final = 60.0
STUCK_ACTIONS: Final = 5
THRASHING_ACTIONS: Final = 8
THRASHING_DISTINCT: Final = 0.5
FLOW_ACTIONS: Final = 20
COOLDOWN_SECONDS: Final = 30.0

LEARNING_RATE: Final = (0.01, 0.618)
EXPLORATION: Final = (0.01, 0.618)
TEMPERATURE: Final = (0.1, 2.0)
DISCOUNT: Final = (0.5, 0.99)

FORETOLD: Final[Mapping[State, bool]] = {
    "flow": True,
    "executing": True,
    "stuck": False,
    "thrashing": False,
}
"""Whether the next action succeeds, as a state has it; the others leave it open."""

_STUCK: Final[tuple[Strategy, ...]] = ("backtrack", "simplify", "escalate", "reset")
_THRASHING: Final[tuple[Strategy, ...]] = ("simplify", "backtrack", "escalate", "reset")


class Action(NamedTuple):
    """One thing that was done; progress is what the caller says it is, a success by default."""

    name: str
    succeeded: bool
    at_seconds: float
    progressed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What the learner is tuned by."""

    learning_rate: float = 0.1
    exploration: float = 0.1
    temperature: float = PHI
    discount: float = 0.9

    def __post_init__(self) -> None:
        within(self.learning_rate, *LEARNING_RATE, "a learning rate")
        within(self.exploration, *EXPLORATION, "an exploration rate")
        within(self.temperature, *TEMPERATURE, "a temperature")
        within(self.discount, *DISCOUNT, "a discount")


class Tuned(NamedTuple):
    """The rates now, and when they were last changed."""

    rates: Rates
    changed_at_seconds: float | None


# Factors on learning rate, exploration and temperature, and steps of the discount. Stuck: look further around; thrashing:
# calm down; flow: leave alone what works, a little more of the same.
_TUNING: Final[dict[State, tuple[float, float, float, float]]] = {
    "stuck": (1.1, 1.382, 1.236, -0.02),
    "thrashing": (0.764, 0.764, 0.764, 0.02),
    "flow": (0.9, 0.9, 0.95, 0.0),
    "recovering": (1.0, 0.95, 0.95, 0.0),
}


def state_of(
    actions: Sequence[Action], now_seconds: float, before: State | None = None
) -> State | None:
    """The state at `now_seconds` after these actions in order; None before the first."""
    if not actions:
        return None
    _check_order(actions, now_seconds)
    return _state(actions, now_seconds, before)


def walked(
    actions: Sequence[Action], first: int, before: State | None = None
) -> list[State | None]:
    """The state before each action from place `first` on, and at last that after all; each looks at the last 20 actions.

    `before` is the state that was left by the actions before `first`.
    """
    if not 0 <= first <= len(actions):
        raise InvalidDataError(f"there is no place {first} in {len(actions)} actions")
    if actions:
        _check_order(actions, actions[-1].at_seconds)
    found: list[State | None] = [before]
    for end in range(first + 1, len(actions) + 1):
        before = _state(
            actions[max(0, end - FLOW_ACTIONS) : end], actions[end - 1].at_seconds, before
        )
        found.append(before)
    return found


def _state(actions: Sequence[Action], now_seconds: float, before: State | None) -> State:
    if _stuck(actions, now_seconds):
        return "stuck"
    success = _success(actions[-STUCK_ACTIONS:])
    latest = actions[-THRASHING_ACTIONS:]
    distinct = len({action.name for action in latest}) / len(latest)
    if len(actions) >= FLOW_ACTIONS and _success(actions[-FLOW_ACTIONS:]) >= PHI:
        return "flow"
    if (
        len(latest) == THRASHING_ACTIONS
        and distinct < THRASHING_DISTINCT
        and _success(latest) < PHI
    ):
        return "thrashing"
    if before in {"stuck", "thrashing", "recovering"} and success < PHI:
        return "recovering"
    return "exploring" if len(actions) < STUCK_ACTIONS or distinct >= PHI else "executing"


def strategy_for(state: State, times: int = 1) -> Strategy:
    """What to do in a state; being stuck or thrashing for the `times`-th time in a row calls for more each time."""
    if times < 1:
        raise InvalidDataError(f"a state is met at least once, not {times} times")
    match state:
        case "stuck":
            return _STUCK[min(times, len(_STUCK)) - 1]
        case "thrashing":
            return _THRASHING[min(times, len(_THRASHING)) - 1]
        case "exploring":
            return "breadth_first"
        case "recovering":
            return "simplify"
        case "executing" | "flow":
            return "depth_first"


def tuned(
    rates: Rates, state: State | None, now_seconds: float, changed_at_seconds: float | None = None
) -> Tuned:
    """The rates for a state, within their limits; unchanged in a state that asks for nothing and within 30 s of a change."""
    finite(now_seconds, "a time")
    if state is None or (factors := _TUNING.get(state)) is None:
        return Tuned(rates, changed_at_seconds)
    if changed_at_seconds is not None and now_seconds - changed_at_seconds < COOLDOWN_SECONDS:
        return Tuned(rates, changed_at_seconds)
    learning, exploring, heating, discounting = factors
    then = Rates(
        learning_rate=clamp(rates.learning_rate * learning, *LEARNING_RATE),
        exploration=clamp(rates.exploration * exploring, *EXPLORATION),
        temperature=clamp(rates.temperature * heating, *TEMPERATURE),
        discount=clamp(rates.discount + discounting, *DISCOUNT),
    )
    return Tuned(then, changed_at_seconds if then == rates else now_seconds)


def _stuck(actions: Sequence[Action], now_seconds: float) -> bool:
    advances = (
        action.at_seconds
        for action in reversed(actions)
        if (action.succeeded if action.progressed is None else action.progressed)
    )
    last = next(advances, actions[0].at_seconds)
    if now_seconds - last >= STUCK_SECONDS:
        return True
    latest = actions[-STUCK_ACTIONS:]
    return len(latest) == STUCK_ACTIONS and 1 - _success(latest) >= PHI


def _success(actions: Sequence[Action]) -> float:
    return sum([action.succeeded for action in actions]) / len(actions)


def _check_order(actions: Sequence[Action], now_seconds: float) -> None:
    times = [*(action.at_seconds for action in actions), now_seconds]
    for earlier, later in pairwise(times):
        if not finite(earlier, "a time") <= finite(later, "a time"):
            raise InvalidDataError(f"an action at {later} s comes after one at {earlier} s")
