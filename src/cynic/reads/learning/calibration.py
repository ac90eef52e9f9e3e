"""How well probabilities agree with what came true. Nothing is made up."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base import clock
from cynic.base.errors import InvalidDataError
from cynic.db import sqlfile
from cynic.domains.learning import brier
from cynic.domains.learning.calibration import Scored, scored, unscaled
from cynic.domains.learning.calibration import calibration as calibrated
from cynic.domains.learning.recalibration import document, recalibrated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import psycopg

DAYS_DEFAULT: Final = 30
DAYS_MAX: Final = 90
ROWS_MAX: Final = 100_000

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("calibration.sql"))
)


class BadWindowError(InvalidDataError):
    """So many days are not kept."""

    code = "bad-window"


def calibration(conn: psycopg.Connection, *, days: int = DAYS_DEFAULT) -> dict[str, object]:
    """The curve of unscaled probabilities, ECE with n and interval, Brier with its parts; None where there are no data."""
    if not 1 <= days <= DAYS_MAX:
        raise BadWindowError(f"predictions of 1 to {DAYS_MAX} days are kept, not of {days}")
    window = {"since": _since(days), "limit": ROWS_MAX}
    tracked = [scored(*row) for row in conn.execute(_SQL["tracked"], window)]
    rows = [row for row in tracked if row is not None]
    # The same rows give the same interval: the generator begins anew each time.
    found = calibrated(rows, random.Random(0))  # noqa: S311
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
        "recalibration": _recalibration(rows[::-1]),
    }


def _recalibration(in_time_order: Sequence[Scored]) -> dict[str, object] | None:
    """The map that makes later probabilities agree better beyond chance; None when none fitted on older ones does."""
    found = recalibrated(in_time_order, random.Random(0))  # noqa: S311
    if found is None:
        return None
    return {
        "fitted_on": found.fitted_rows,
        "judged_on": found.judged_rows,
        "ece_before": found.ece_before,
        "ece_after": found.ece_after,
        "map": document(found.map),
    }


def _since(days: int) -> datetime:
    return clock.now() - timedelta(days=days)
