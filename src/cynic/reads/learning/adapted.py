"""The loops that adapt in each cycle: routing weights from preferences, weights of dimensions, how sure to sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.answers import DOG_ANSWERS_MIN
from cynic.domains.learning.behavior import (
    APPROVE_FROM,
    BLOCK_BELOW,
    FEEDBACK_MIN,
    WARN_BELOW,
    Behavior,
)
from cynic.domains.learning.dimension_sums import Sums
from cynic.domains.learning.sona import OBSERVATIONS_MIN, Seen, moved, strongest
from cynic.reads.learning.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

PAIRS_MIN: Final = 1
"""The first pair moves the weights; how far, the prior says."""
CONTEXTS_MAX: Final = 20
"""Contexts that are shown; those with the most answers."""
PLACES: Final = 6
NOTHING_TELLS: Final = "no dimension tells yet"
NOTHING_TOLD: Final[Mapping[str, object]] = {"strongest": None, "finding": None}
"""Before enough answers."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("adapted.sql")))


def dpo(conn: psycopg.Connection) -> Shown:
    """The routing weights of each context, from pairs of a better and a worse dog; it has seen the pairs that stand now."""
    row = conn.execute(_SQL["optimizer"]).fetchone()
    pairs, processed, epoch, last_loss, best_loss, last_run = row or (0, 0, 0, None, None, None)
    contexts: dict[str, dict[str, dict[str, float]]] = {}
    for context, dog, weight, base, episodes, fisher in conn.execute(
        _SQL["weights"], {"limit": CONTEXTS_MAX}
    ):
        contexts.setdefault(context, {})[dog] = {
            "weight": float(weight),
            "base": float(base),
            "answers": episodes,
            "importance": float(fisher),
        }
    return Shown(
        about="whom to ask in which context, from pairs of a dog that was right and one that was wrong",
        data=pairs,
        unit="pairs",
        needed=PAIRS_MIN,
        finding=_preferred(contexts),
        detail={
            "pairs_processed": processed,
            "fits": epoch,
            "last_loss": None if last_loss is None else float(last_loss),
            "best_loss": None if best_loss is None else float(best_loss),
            "last_run": None if last_run is None else last_run.isoformat(),
            "contexts": contexts,
        },
    )


def sona(conn: psycopg.Connection) -> Shown:
    """The dimensions that foretell outcomes and so weigh more, and the sides on which judgments are wrong more often.

    It has seen the decided answers of the dimension that has most of them.
    """
    row = conn.execute(_SQL["sona"]).fetchone()
    weights, biases, calibrations, sums = row or ({}, [], 0, None)
    seen = Sums.restored(sums or {}).seen()
    most = max((one.n for one in seen.values()), default=0)
    told = _telling(seen) if most >= OBSERVATIONS_MIN else NOTHING_TOLD
    return Shown(
        about="which dimensions of a judgment foretell its outcome",
        data=most,
        unit="answers on the best-known dimension",
        finding=cast("str | None", told["finding"]),
        needed=OBSERVATIONS_MIN,
        acts_on="the weights of dimensions in the score",
        detail={
            "weights": weights,
            "biases": biases,
            "calibrations": calibrations,
            **told,
        },
    )


def _preferred(contexts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str | None:
    """The dog that weighs most in the first context where it alone does and as many answers speak of it as let a vote weigh."""
    for context, dogs in contexts.items():
        (dog, first), *others = sorted(dogs.items(), key=lambda one: one[1]["weight"], reverse=True)
        alone = others and others[0][1]["weight"] < first["weight"]
        if alone and first["answers"] >= DOG_ANSWERS_MIN:
            return f"in {context} {dog} is best, weight {first['weight']:.2f}"
    return None


def _shifted(now: Behavior) -> str:
    """What moved; the thresholds are on a score in [0, 1]."""
    shift = now.confidence_shift
    sure = (
        f"{abs(shift):.2f} {'surer' if shift > 0 else 'less sure'}"
        if shift
        else "neither surer nor less sure"
    )
    return (
        f"sounds {sure}, approves from {APPROVE_FROM + now.approve_shift:.2f}, "
        f"blocks below {BLOCK_BELOW + now.block_shift:.2f}"
    )


def _telling(seen: Mapping[str, Seen]) -> dict[str, object]:
    """The strongest correlation, of the significant ones if there are any, with its answers; and that in words."""
    found = moved(seen, {})
    name = strongest(found)
    if name is None or (r := found[name].correlation) is None:
        return {"strongest": None, "finding": NOTHING_TELLS}
    one = found[name]
    return {
        "strongest": {
            "dimension": name,
            "correlation": round(r, PLACES),
            "answers": one.n,
            "significant": one.significant,
        },
        "finding": f"{name} tells most: r = {r:.2f} in {one.n} answers"
        if one.significant
        else NOTHING_TELLS,
    }


def behavior(conn: psycopg.Connection) -> Shown:
    """By how much confidence is shifted where nobody gave one, and from which score on to act.

    It has seen the decided answers that stand.
    """
    row = conn.execute(_SQL["behavior"]).fetchone()
    kept, answers = row or ({}, 0)
    now = Behavior.restored(kept)
    return Shown(
        about="how sure to sound, and from which score on to approve or to block",
        data=answers,
        unit="decided answers",
        finding=_shifted(now),
        needed=FEEDBACK_MIN,
        acts_on="the confidence of judgments that is neither given nor calibrated",
        detail={
            "confidence_shift": now.confidence_shift,
            "block_below": BLOCK_BELOW + now.block_shift,
            "warn_below": WARN_BELOW,
            "approve_from": APPROVE_FROM + now.approve_shift,
        },
    )
