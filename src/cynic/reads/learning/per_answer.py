"""The loops that move with every answer: Q-learning, Thompson's arms, the dogs' votes, the kinds of judgment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning import td_tracking
from cynic.domains.learning.answers import ANSWERS_MIN, DOG_ANSWERS_MIN, Tally
from cynic.domains.learning.thompson import Arm, exploration, maturity
from cynic.reads.learning.shown import Shown, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

STATES_MAX: Final = 20
"""Contexts or kinds that are shown of a loop; those with the most answers."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("per_answer.sql")))


def q_learning(conn: psycopg.Connection) -> Shown:
    """The values of the dogs in each state, and whether they have come to rest."""
    row = conn.execute(_SQL["q_state"]).fetchone()
    stats, rate, states, locked, drifted_at = row or ({}, None, 0, 0, None)
    router = stats.get("router", {})
    window = [
        cast("float", one[0])
        for one in conn.execute(_SQL["td_errors"], {"limit": td_tracking.UPDATES_MIN})
    ]
    seen = td_tracking.summary(window)
    updates = int(stats.get("updates", 0))
    return Shown(
        about="how much each dog's side was worth in each state of a decision, as a value to choose by",
        data=updates,
        unit="updates",
        needed=td_tracking.UPDATES_MIN,
        finding=None if seen.converged is None else _at_rest(states, at_rest=seen.converged),
        detail={
            "states": states,
            "episodes": int(stats.get("episodes", 0)),
            "exploration_rate": None if rate is None else float(rate),
            "mean_abs_td_error": seen.rolling_abs_mean,
            "mean_td_error": seen.signed_mean,
            "converged": seen.converged,
            "resets": router.get("resets", 0),
            "last_drift_at": None if drifted_at is None else drifted_at.isoformat(),
            "suspicion": router.get("suspicion"),
            "mean_reward": _mean_reward(router.get("detector")),
            "locked_cells": locked,
        },
    )


def thompson(conn: psycopg.Connection) -> Shown:
    """The Beta arms of the dogs in each context; it has seen the answers of the arm of which most is known."""
    rows = conn.execute(_SQL["arms"], {"limit": STATES_MAX}).fetchall()
    arms = {
        context: {dog: Arm(**arm) for dog, arm in weights.items()} for context, weights, _ in rows
    }
    contexts = {
        context: {
            "maturity": maturity(row),
            "exploration": exploration(row),
            "dogs": {dog: {"mean": arm.mean, "answers": arm.pulls} for dog, arm in row.items()},
        }
        for context, row in arms.items()
    }
    return Shown(
        about="which dog succeeds in which context, as a Beta distribution each",
        data=rows[0][2] if rows else 0,
        unit="answers on the best-known arm",
        needed=ANSWERS_MIN,
        finding=_best_arm(*next(iter(arms.items()))) if arms else None,
        detail={"contexts": contexts},
    )


def _best_arm(context: str, arms: Mapping[str, Arm]) -> str | None:
    """Of the dogs of which enough is known in the context; of a single one without comparing it."""
    known = [(arm.mean or 0.0, dog, arm) for dog, arm in arms.items() if arm.pulls >= ANSWERS_MIN]
    if not known:
        return None
    mean, dog, arm = max(known, key=lambda one: one[:2])
    most = f" most, of {len(known)} known well" if len(known) > 1 else ""
    return f"in {context} {dog} succeeds{most}: {mean:.2f} of the time, by {arm.pulls:.0f} answers"


def _at_rest(states: int, *, at_rest: bool) -> str:
    rest = "have come to rest" if at_rest else "still move"
    return f"the values of {counted(states, 'state')} {rest}"


def dog_votes(conn: psycopg.Connection) -> Shown:
    """How often each dog's side was right, and what its votes weigh."""
    row = conn.execute(_SQL["dogs"]).fetchone()
    weights: Mapping[str, Mapping[str, float]] = {} if row is None else row[0]
    tallies = {dog: _tally(counts) for dog, counts in weights.items()}
    most = max((tally.answers for tally in tallies.values()), default=0)
    dogs = {
        dog: {
            "right": tally.right,
            "wrong": tally.wrong,
            "weight": round(tally.weight, 6) if tally.answers >= DOG_ANSWERS_MIN else None,
        }
        for dog, tally in sorted(tallies.items())
    }
    return Shown(
        about="how often the side that each dog took turned out right",
        data=most,
        unit="answers on the best-known dog",
        needed=DOG_ANSWERS_MIN,
        finding=_heaviest(tallies),
        acts_on="the weights of the votes",
        detail={"dogs": dogs},
    )


def _heaviest(tallies: Mapping[str, Tally]) -> str | None:
    """Of the dogs whose weights are used; of a single one without comparing it."""
    used = [(one.weight, dog) for dog, one in tallies.items() if one.answers >= DOG_ANSWERS_MIN]
    if not used:
        return None
    weight, dog = max(used)
    most = f" most, of {len(used)} known" if len(used) > 1 else ""
    right, wrong = tallies[dog]
    return f"{dog} weighs{most}: {weight:.2f}, right {right} of {right + wrong}"


def kinds(conn: psycopg.Connection) -> Shown:
    """How often judgments of each kind and side were right; it has seen the answers on the side of which most is known."""
    rows = conn.execute(_SQL["kinds"], {"limit": STATES_MAX}).fetchall()
    found: dict[str, dict[str, object]] = {}
    for kind, sides, _, _ in rows:
        for side, counts in sides.items():
            tally = _tally(counts)
            found.setdefault(kind, {})[side] = {
                "right": tally.right,
                "wrong": tally.wrong,
                "probability": round(tally.mean, 6) if tally.answers >= ANSWERS_MIN else None,
            }
    answers, most = rows[0][2:] if rows else (0, 0)
    return Shown(
        about="how often judgments of a kind that pass, and those that do not, turned out right",
        data=most,
        unit="answers on one side of the best-known kind",
        needed=ANSWERS_MIN,
        finding=_best_known(rows),
        acts_on="the confidence of judgments that come without one",
        detail={"answers": answers, "kinds": found},
    )


def _best_known(
    rows: Sequence[tuple[str, Mapping[str, Mapping[str, float]], int, int]],
) -> str | None:
    """The kind and side with the most answers, of those that are enough."""
    tallies = [
        (_tally(counts), kind, side) for kind, sides, *_ in rows for side, counts in sides.items()
    ]
    tally, kind, side = max(tallies, key=lambda one: one[0].answers, default=(Tally(), "", ""))
    if tally.answers < ANSWERS_MIN:
        return None
    does = "pass" if side == "pass" else "do not pass"
    return (
        f"judgments of {kind} that {does} are right {tally.mean:.2f} of the time, "
        f"by {tally.answers} answers"
    )


def _mean_reward(detector: Mapping[str, float] | None) -> float | None:
    """The mean reward of the answers since the last change, as the detector of drift sees it."""
    return detector["total"] / detector["width"] if detector and detector["width"] else None


def _tally(counts: Mapping[str, float]) -> Tally:
    return Tally(int(counts["right"]), int(counts["wrong"]))
