"""What the eleven learning loops know, and how well probabilities agree with what came true. Nothing is made up.

A loop that is not built says so. A built one that has seen too little says how much it has seen of how much it needs.
"""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base import clock
from cynic.base.errors import InvalidDataError
from cynic.db import sqlfile
from cynic.domains.learning import brier, td_tracking
from cynic.domains.learning.answers import ANSWERS_MIN, DOG_ANSWERS_MIN, Tally
from cynic.domains.learning.calibration import Scored, scored, unscaled
from cynic.domains.learning.calibration import calibration as calibrated
from cynic.domains.learning.thompson import Arm, exploration, maturity

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import psycopg

LOOPS: Final = (
    "thompson",
    "dog-votes",
    "q-learning",
    "calibration",
    "residual",
    "emergence",
    "ewc",
    "dpo",
    "sona",
    "behavior",
    "meta-cognition",
)
BUILT: Final = LOOPS[:4]
NOT_BUILT: Final = "not built yet"
DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 90
ROWS_MAX: Final = 100_000
STATES_MAX: Final = 20
"""Contexts or kinds that are shown of a loop; those with the most answers."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("learning.sql")))
_State = tuple[str, "Mapping[str, Mapping[str, float]]"]


class BadWindowError(InvalidDataError):
    """So many days are not kept."""

    code = "bad-window"


def status(conn: psycopg.Connection) -> dict[str, object]:
    """All eleven loops by their names, and how many signals wait to be learned from."""
    states: dict[str, list[_State]] = {name: [] for name in BUILT}
    answers: dict[str, int] = {}
    for loop, state, weights, _, total in conn.execute(_SQL["states"], {"limit": STATES_MAX}):
        states[loop].append((state, weights))
        answers[loop] = int(total)
    waiting, q_document = _q_learning(conn)
    built = {
        "thompson": _thompson(states["thompson"], answers.get("thompson", 0)),
        "dog-votes": _dog_votes(states["dog-votes"]),
        "q-learning": q_document,
        "calibration": _kinds(states["calibration"], answers.get("calibration", 0)),
    }
    last = _last_changes(conn)
    loops = [
        {"loop": name, **built[name], "last_change": last.get(name)}
        if name in built
        else {"loop": name, "state": NOT_BUILT}
        for name in LOOPS
    ]
    return {"waiting": waiting, "loops": loops}


def _state(seen: int, needed: int) -> str:
    return "learning" if seen >= needed else f"not enough data yet ({seen} of {needed})"


def _q_learning(conn: psycopg.Connection) -> tuple[int, dict[str, object]]:
    row = conn.execute(_SQL["waiting"]).fetchone()
    waiting, stats, rate, states = row or (0, {}, None, 0)
    window = [
        cast("float", one[0])
        for one in conn.execute(_SQL["td_errors"], {"limit": td_tracking.UPDATES_MIN})
    ]
    seen = td_tracking.summary(window)
    updates = int(stats.get("updates", 0))
    return waiting, {
        "state": _state(updates, td_tracking.UPDATES_MIN),
        "data": updates,
        "needed": td_tracking.UPDATES_MIN,
        "acts_on": None,
        "detail": {
            "states": states,
            "episodes": int(stats.get("episodes", 0)),
            "exploration_rate": None if rate is None else float(rate),
            "mean_abs_td_error": seen.rolling_abs_mean,
            "mean_td_error": seen.signed_mean,
            "converged": seen.converged,
        },
    }


def _thompson(states: list[_State], answers: int) -> dict[str, object]:
    arms = {
        context: {dog: Arm(**arm) for dog, arm in weights.items()} for context, weights in states
    }
    contexts = {
        context: {
            "maturity": maturity(row),
            "exploration": exploration(row),
            "dogs": {dog: {"mean": arm.mean, "answers": arm.pulls} for dog, arm in row.items()},
        }
        for context, row in arms.items()
    }
    return {
        "state": _state(answers, ANSWERS_MIN),
        "data": answers,
        "needed": ANSWERS_MIN,
        "acts_on": None,
        "detail": {"contexts": contexts},
    }


def _dog_votes(states: list[_State]) -> dict[str, object]:
    tallies = {dog: _tally(counts) for _, weights in states for dog, counts in weights.items()}
    most = max((tally.answers for tally in tallies.values()), default=0)
    dogs = {
        dog: {
            "right": tally.right,
            "wrong": tally.wrong,
            "weight": round(tally.weight, 6) if tally.answers >= DOG_ANSWERS_MIN else None,
        }
        for dog, tally in sorted(tallies.items())
    }
    return {
        "state": _state(most, DOG_ANSWERS_MIN),
        "data": most,
        "needed": DOG_ANSWERS_MIN,
        "acts_on": "the weights of the votes",
        "detail": {"dogs": dogs},
    }


def _kinds(states: list[_State], answers: int) -> dict[str, object]:
    most = 0
    kinds: dict[str, dict[str, object]] = {}
    for kind, sides in states:
        for side, counts in sides.items():
            tally = _tally(counts)
            most = max(most, tally.answers)
            enough = tally.answers >= ANSWERS_MIN
            kinds.setdefault(kind, {})[side] = {
                "right": tally.right,
                "wrong": tally.wrong,
                "probability": round(tally.mean, 6) if enough else None,
            }
    return {
        "state": _state(most, ANSWERS_MIN),
        "data": most,
        "needed": ANSWERS_MIN,
        "acts_on": "the confidence of judgments that come without one",
        "detail": {"answers": answers, "kinds": kinds},
    }


def _tally(counts: Mapping[str, float]) -> Tally:
    return Tally(int(counts["right"]), int(counts["wrong"]))


def _last_changes(conn: psycopg.Connection) -> dict[str, dict[str, object]]:
    rows = conn.execute(_SQL["last_changes"], {"loops": list(BUILT)})
    return {
        loop: {
            "at": at.isoformat(),
            "judgment_id": judgment_id,
            "event": event,
            "mean_change": None if delta is None else float(delta),
        }
        for loop, at, judgment_id, event, delta in rows
    }


def calibration(conn: psycopg.Connection, *, days: int = DAYS_DEFAULT) -> dict[str, object]:
    """The curve of unscaled probabilities, ECE with n and interval, Brier with its parts; None where there are no data."""
    if not 1 <= days <= DAYS_MAX:
        raise BadWindowError(f"predictions of 1 to {DAYS_MAX} days are kept, not of {days}")
    window = {"since": _since(days), "limit": ROWS_MAX}
    rows = [scored(*row) for row in conn.execute(_SQL["tracked"], window)]
    # The same rows give the same interval: the generator begins anew each time.
    found = calibrated([row for row in rows if row is not None], random.Random(0))  # noqa: S311
    predictions = conn.execute(_SQL["predictions"], window)
    parts = brier.corp([Scored(unscaled(p), actual == 1) for p, actual in predictions])
    return {
        "days": days,
        "n": 0 if found is None else found.n,
        "curve": [] if found is None else [asdict(one) | {"gap": one.gap} for one in found.curve],
        "ece": None
        if found is None
        else {"value": found.ece, "low": found.ece_low, "high": found.ece_high, "n": found.n},
        "brier": None if parts is None else asdict(parts) | {"skill": parts.skill},
    }


def _since(days: int) -> datetime:
    return clock.now() - timedelta(days=days)
