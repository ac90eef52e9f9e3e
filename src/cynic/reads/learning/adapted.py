"""The loops that adapt in each cycle: routing weights from preferences, weights of dimensions, how sure to sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
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
    contexts: dict[str, dict[str, object]] = {}
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
        data=pairs,
        needed=PAIRS_MIN,
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
    return Shown(
        data=most,
        needed=OBSERVATIONS_MIN,
        acts_on="the weights of dimensions in the score",
        detail={
            "weights": weights,
            "biases": biases,
            "calibrations": calibrations,
            **(_telling(seen) if most >= OBSERVATIONS_MIN else NOTHING_TOLD),
        },
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
        data=answers,
        needed=FEEDBACK_MIN,
        acts_on="the confidence of judgments that is neither given nor calibrated",
        detail={
            "confidence_shift": now.confidence_shift,
            "block_below": BLOCK_BELOW + now.block_shift,
            "warn_below": WARN_BELOW,
            "approve_from": APPROVE_FROM + now.approve_shift,
        },
    )
