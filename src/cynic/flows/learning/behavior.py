"""Behaviour: how sure to sound, and from which score on to approve or to block, from the feedback of each cycle.

The confidence shift moves by judgments whose confidence it governs, those that neither their writer nor calibration
gave, and never away from how often they were right. It is added to such probabilities in the judgments to come. The
thresholds are kept and shown; nothing in the record acts on a score by itself.

What a former cycle decided fades (0.95 a cycle) and is not taken back: an answer that was superseded since weighs in the
cycle in which the new one came.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.phi import PHI_BOUND
from cynic.db import sqlfile
from cynic.domains.learning.behavior import Behavior, Judged, Stated, modified
from cynic.domains.learning.bounds import clamp
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cynic.flows.learning.cycle import Cycle

LOOP: Final = "behavior"

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("behavior.sql")))


def turn(cycle: Cycle) -> Turn:
    """Move the behaviour by the answers of the cycle."""
    if not cycle.answers:
        return Turn()
    kept = cast("Mapping[str, float]", cycle.kept(LOOP) or {})
    before = Behavior(**kept)
    bounds = {"since": cycle.since, "until": cycle.until}
    governed = {row[0] for row in cycle.conn.execute(_SQL["rules"], bounds)}
    after = modified(
        before,
        [Judged(one.outcome, before.act(one.q / 100)) for one in cycle.answers],
        [
            Stated(clamp(one.confidence / float(PHI_BOUND), 0.0, 1.0), one.outcome)
            for one in cycle.answers
            if one.place in governed
        ],
    )
    cycle.keep(LOOP, asdict(after), answers=len(cycle.answers))
    deltas = {name: value - asdict(before)[name] for name, value in asdict(after).items()}
    changed = {name: delta for name, delta in deltas.items() if delta}
    if changed:
        cycle.log(
            LOOP,
            "update",
            delta=changed.get("confidence_shift"),
            action=", ".join(sorted(changed)),
            changes=changed,
            governed=len(governed),
        )
    return Turn(
        threshold_deltas=list(changed.values()),
        before=asdict(before),
        after=asdict(after),
    )
