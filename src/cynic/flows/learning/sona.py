"""Self-optimising adaptation: dimensions that foretell what an item was worth weigh more in the scores to come.

The sums are over all answers that count, of everybody and of each person; one that was superseded is taken out of them
again. A cycle moves each weight a step towards where the correlation says. `learning_state` holds the weights that differ
from the base, which recording uses, and the sides on which judgments are significantly less often right. How often they are is
counted on from cycle to cycle, and only where that is not possible summed up over all kinds.

It foretells that an item passes when its dimensions, scored by the weights before the cycle, do. A dimension is mature by its
answers, and has come to rest when a cycle hardly moved its weight; those of which too little is known to move it are left out.

Axioms weigh the same, as the rule of the score has it; `axiom_weights` stay at 1.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.core import score
from cynic.domains.core.dimensions import AXIOM_OF, WEIGHT_OF, Placed
from cynic.domains.learning import sona
from cynic.domains.learning.answers import WORTH, Tally
from cynic.domains.learning.dimension_sums import Sums
from cynic.domains.learning.side_bias import SIDES, biases
from cynic.flows.edge import to_json
from cynic.flows.learning import seen
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from cynic.domains.learning.sona import Adaptation
    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "sona"
PREFERRED_MAX: Final = 5
"""Dimensions of a person that are shown, the most telling first."""
PLACES: Final = 6
SETTLED_BELOW: Final = 0.02
"""A weight that moved by less of its base has come to rest."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("sona.sql")))
_Changes = dict["UUID | None", Sums]


def turn(cycle: Cycle) -> Turn:
    """Count the answers, move the weights, and say whose answers prefer what."""
    kept = cycle.kept(LOOP)
    known = kept or {"seen": [], "sums": {}, "modifiers": {}}
    spans = cast("seen.Spans", known["seen"])
    changes = _changes(cycle.answers, seen.taken_back(spans, cycle))
    sides = _sides(cycle, cast("Mapping[str, object]", known.get("sides", {})))
    state = {
        **known,
        "seen": seen.with_this(spans, cycle),
        "sides": {"until": cycle.until, **{side: list(tally) for side, tally in sides.items()}},
    }
    if not changes:
        cycle.keep(LOOP, state, answers=len(cycle.answers))
        return Turn()
    sums = Sums.restored(cast("Mapping[str, object]", known["sums"]))
    for one in changes.values():
        sums.merge(one)
    before = cast("Mapping[str, float]", known["modifiers"])
    found = sona.moved(sums.seen(), before)
    after = {name: one.modifier for name, one in found.items() if one.modifier != 1}
    state |= {"sums": sums.document(), "modifiers": after}
    cycle.keep(LOOP, state, answers=len(cycle.answers))
    _calibrated(cycle, used(after), sides)
    _save_people(cycle, changes)
    deltas = {name: one.delta for name, one in found.items() if one.delta}
    if deltas:
        _log(cycle, found, deltas)
    return Turn(
        weight_deltas=[_base(name) * delta for name, delta in deltas.items()],
        before={"modifiers": dict(before)},
        after={"modifiers": after},
        parts=_parts(cycle, found, None if kept is None else used(before)),
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


def _sides(cycle: Cycle, kept: Mapping[str, object]) -> dict[str, Tally]:
    """How often judgments were right on either side, up to this cycle: what the former one kept, and what this one changes.

    Summed up over all kinds where no former cycle kept them, or not the one before: the kinds are as of this moment.
    """
    if kept.get("until") != cycle.since:
        summed = {
            side: Tally(right, wrong) for side, right, wrong in cycle.conn.execute(_SQL["sides"])
        }
        return {side: summed.get(side, Tally()) for side in SIDES}
    sides = {side: Tally(*cast("Sequence[int]", kept[side])) for side in SIDES}
    for batch, times in ((cycle.answers, 1), (cycle.taken_back, -1)):
        for one in batch:
            side = "pass" if one.passed else "fail"
            sides[side] = sides[side].plus(WORTH[one.outcome], times)
    return sides


def _calibrated(cycle: Cycle, weights: Mapping[str, float], sides: Mapping[str, Tally]) -> None:
    parameters = {
        "weights": to_json(weights),
        "biases": to_json(biases(sides)),
        "now": cycle.now,
    }
    cycle.conn.execute(_SQL["calibrated"], parameters)


def _parts(
    cycle: Cycle, found: Mapping[str, Adaptation], weights: Mapping[str, float] | None
) -> Parts:
    """What maturity is measured by; `weights` are those before the cycle, None before the first."""
    placed: dict[str, Placed] = {}
    known = set(AXIOM_OF)
    for name, axiom, weight, active in cycle.conn.execute(_SQL["added"]):
        placed[name] = Placed(axiom, weight)
        known |= {name} if active else set[str]()
    return Parts(
        outcomes={name: one.n for name, one in found.items() if name in known and one.n},
        # Those that can be judged; the one that is computed from the others has no weight.
        cells=len(known),
        converged={
            name: abs(one.delta) < SETTLED_BELOW
            for name, one in found.items()
            if name in known and one.correlation is not None
        }
        or None,
        hits=[] if weights is None else _foretold(cycle, placed, weights),
    )


def _foretold(
    cycle: Cycle, added: Mapping[str, Placed], weights: Mapping[str, float]
) -> list[bool]:
    """Whether items were on the side of their dimensions' score by these weights."""
    learned = {name: _exact(weight) for name, weight in weights.items()}
    by_judgment: dict[str, bool] = {}
    hits: list[bool] = []
    for one in seen.first_answers(cycle):
        placed = all(name in AXIOM_OF or name in added for name in one.dimensions)
        if one.right_side is None or not one.dimensions or not placed:
            continue
        if one.judgment_id not in by_judgment:
            scores = {name: _exact(value) for name, value in one.dimensions.items()}
            by_judgment[one.judgment_id] = score.side(score.axiom_means(scores, added, learned))
        hits.append(by_judgment[one.judgment_id] == one.right_side)
    return hits


@lru_cache(maxsize=16_384)
def _exact(value: float) -> Decimal:
    """The decimal that was stored: the shortest that reads as this number."""
    return Decimal(str(value))


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
