"""Self-optimising adaptation: dimensions that foretell what an item was worth weigh more in the scores to come.

The sums are over all answers that count, of everybody and of each person; one that was superseded is taken out of them
again. A cycle moves each weight a step towards where the correlation says. `learning_state` holds the weights that differ
from the base, which recording uses, and the sides on which judgments are significantly less often right.

Axioms weigh the same, as the rule of the score has it; `axiom_weights` stay at 1.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.core.dimensions import WEIGHT_OF
from cynic.domains.learning import sona
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.dimension_sums import Sums
from cynic.domains.learning.side_bias import biases
from cynic.flows.edge import to_json
from cynic.flows.learning import seen
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from cynic.domains.learning.sona import Adaptation
    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "sona"
PREFERRED_MAX: Final = 5
"""Dimensions of a person that are shown, the most telling first."""
PLACES: Final = 6

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("sona.sql")))
_Changes = dict["UUID | None", Sums]


def turn(cycle: Cycle) -> Turn:
    """Count the answers, move the weights, and say whose answers prefer what."""
    kept = cycle.kept(LOOP) or {"seen": [], "sums": {}, "modifiers": {}}
    spans = cast("seen.Spans", kept["seen"])
    changes = _changes(cycle.answers, seen.taken_back(spans, cycle))
    now_seen = seen.with_this(spans, cycle)
    if not changes:
        cycle.keep(LOOP, {**kept, "seen": now_seen}, answers=len(cycle.answers))
        return Turn()
    sums = Sums.restored(cast("Mapping[str, object]", kept["sums"]))
    for one in changes.values():
        sums.merge(one)
    before = cast("Mapping[str, float]", kept["modifiers"])
    found = sona.moved(sums.seen(), before)
    after = {name: one.modifier for name, one in found.items() if one.modifier != 1}
    state = {"seen": now_seen, "sums": sums.document(), "modifiers": after}
    cycle.keep(LOOP, state, answers=len(cycle.answers))
    weights = used(after)
    _calibrated(cycle, weights)
    _save_people(cycle, changes)
    deltas = {name: one.delta for name, one in found.items() if one.delta}
    if deltas:
        _log(cycle, found, deltas)
    return Turn(
        weight_deltas=[_base(name) * delta for name, delta in deltas.items()],
        before={"modifiers": dict(before)},
        after={"modifiers": after},
    )


def used(modifiers: Mapping[str, float]) -> dict[str, float]:
    """The weights that differ from their base, as recording uses them."""
    changed = {name: _base(name) for name in modifiers}
    return {
        name: round(weight, PLACES)
        for name, weight in sorted(sona.weights(changed, modifiers).items())
    }


def _base(name: str) -> float:
    """The weight of a dimension before anything was learned; one that the dogs added weighs 1."""
    return float(WEIGHT_OF.get(name, 1))


def _changes(answers: Iterable[Answered], back: Iterable[Answered]) -> _Changes:
    """By person, what the answers of this cycle add and take back; nothing of those that leave it open."""
    changes: _Changes = {}
    for batch, times in ((answers, 1), (back, -1)):
        for one in batch:
            if one.right_side is not None:
                sums = changes.setdefault(one.user_id, Sums())
                sums.add(one.dimensions, passed=one.passed, right_side=one.right_side, times=times)
    return changes


def _calibrated(cycle: Cycle, weights: Mapping[str, float]) -> None:
    sides = {side: Tally(right, wrong) for side, right, wrong in cycle.conn.execute(_SQL["sides"])}
    parameters = {
        "weights": to_json(weights),
        "biases": to_json(biases(sides)),
        "now": cycle.now,
    }
    cycle.conn.execute(_SQL["calibrated"], parameters)


def _save_people(cycle: Cycle, changes: _Changes) -> None:
    ids = sorted(user for user in changes if user is not None)
    if not ids:
        return
    cycle.conn.execute(_SQL["no_folder"])
    people = [
        (user, _added(cast("Mapping[str, object]", sums or {}), changes[user]))
        for user, sums in cycle.conn.execute(_SQL["people"], {"ids": ids}).fetchall()
    ]
    if not people:
        return
    sums = [{"user_id": str(user), "sums": one.document()} for user, one in people]
    cycle.conn.execute(_SQL["save_sums"], {"people": to_json(sums)})
    profiles = [
        {
            "user_id": str(user),
            "preferred": preferred(sona.moved(one.seen(), {})),
            "bias": one.bias,
            "rate": one.rate,
        }
        for user, one in people
    ]
    cycle.conn.execute(_SQL["save_profiles"], {"people": to_json(profiles)})


def _added(document: Mapping[str, object], change: Sums) -> Sums:
    known = Sums.restored(document)
    known.merge(change)
    return known


def preferred(found: Mapping[str, Adaptation]) -> Sequence[Mapping[str, object]]:
    """The dimensions that significantly go with finding an item good, the strongest first."""
    telling = [
        (one.correlation, name, one.n)
        for name, one in found.items()
        if one.correlation is not None and one.significant and one.correlation > 0
    ]
    strongest = sorted(telling, key=lambda one: (-one[0], one[1]))[:PREFERRED_MAX]
    return [
        {"dimension": name, "correlation": round(r, PLACES), "answers": n}
        for r, name, n in strongest
    ]


def _log(cycle: Cycle, found: Mapping[str, Adaptation], deltas: Mapping[str, float]) -> None:
    cycle.log(
        LOOP,
        "update",
        delta=fmean(deltas.values()),
        action="weights of dimensions",
        changes=dict(deltas),
        correlations={name: found[name].correlation for name in deltas},
        observations={name: found[name].n for name in deltas},
    )
