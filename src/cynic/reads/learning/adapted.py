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
from cynic.domains.learning.sona import OBSERVATIONS_MIN
from cynic.reads.learning.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

PAIRS_MIN: Final = 1
"""The first pair moves the weights; how far, the prior says."""
CONTEXTS_MAX: Final = 20
"""Contexts that are shown; those with the most answers."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("adapted.sql")))


def dpo(conn: psycopg.Connection) -> Shown:
    """The routing weights of each context, from pairs of a better and a worse dog."""
    row = conn.execute(_SQL["optimizer"]).fetchone()
    epoch, pairs, last_loss, best_loss, last_run = row or (0, 0, None, None, None)
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
            "fits": epoch,
            "last_loss": None if last_loss is None else float(last_loss),
            "best_loss": None if best_loss is None else float(best_loss),
            "last_run": None if last_run is None else last_run.isoformat(),
            "contexts": contexts,
        },
    )


def sona(conn: psycopg.Connection) -> Shown:
    """The dimensions that foretell outcomes and so weigh more, and the sides on which judgments are wrong more often."""
    row = conn.execute(_SQL["sona"]).fetchone()
    weights, biases, calibrations, most = row or ({}, [], 0, 0)
    return Shown(
        data=most,
        needed=OBSERVATIONS_MIN,
        acts_on="the weights of dimensions in the score",
        detail={"weights": weights, "biases": biases, "calibrations": calibrations},
    )


def behavior(conn: psycopg.Connection) -> Shown:
    """By how much confidence is shifted where nobody gave one, and from which score on to act."""
    row = conn.execute(_SQL["behavior"]).fetchone()
    kept, answers = row or ({}, 0)
    now = Behavior(**kept)
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
