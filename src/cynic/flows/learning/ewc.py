"""Consolidation of what Q-learning knows: values become anchors, and the cells that were used most are locked.

It is due after a learning cycle when a state that was asked about has a hundred updates since it was last consolidated,
and once a day for states with thirty. While the mean reward is suspected to have fallen, a run changes nothing: what came
since may be wrong. The next one is tried after the next cycle that is asked about such a state, or a day later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.answers import kind_of_state
from cynic.flows.edge import to_json
from cynic.flows.learning import state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from cynic.domains.learning.ewc import Cells, Consolidation
    from cynic.flows.edge import Edge
    from cynic.flows.learning.q_learning import QLearning
    from cynic.flows.learning.state import Counts

UPDATES: Final = 100
"""Of one dog in a state, since that was last consolidated: then it is due."""
UPDATES_MIN: Final = 30
"""Fewer are no reason to hold a value, on the daily run either."""
AFTER: Final = timedelta(days=1)
EPISODES_MAX: Final = 1000
"""Of the newest, on which the accuracy before and after is measured."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("ewc.sql")))
_Episode = tuple[str, "Sequence[Mapping[str, object]]"]


def due_now(counts: Counts, now: datetime) -> bool:
    """Whether a consolidation is due: at the end of a cycle, and otherwise once a day."""
    return due_here(counts) or (
        counts.learned > counts.consolidated
        and counts.consolidated_at is not None
        and now - counts.consolidated_at >= AFTER
    )


def due_here(counts: Counts) -> bool:
    """Whether it is due at this place in the order of answers, whatever the time."""
    return counts.ripe and counts.cycled == counts.learned


def run(conn: psycopg.Connection, edge: Edge, counts: Counts) -> tuple[Counts, int]:
    """Consolidate the states that are ready; the counts after it, and how many states there were."""
    now = edge.clock()
    q = state.q_learning(conn)
    least = UPDATES if due_here(counts) else UPDATES_MIN
    states = [] if q.router.suspicion is not None else q.ready(q.router.learner.gradients, least)
    if states:
        _consolidate(conn, edge, q, states, (counts.consolidated, counts.learned), now)
    done = replace(
        counts,
        version=counts.version + 1,
        ripe=False,
        consolidated=counts.learned,
        consolidated_at=now,
    )
    return done, len(states)


def _consolidate(
    conn: psycopg.Connection,
    edge: Edge,
    q: QLearning,
    states: Sequence[str],
    span: tuple[int, int],
    now: datetime,
) -> None:
    before = q.router.learner.consolidation
    after = q.router.consolidate(states)
    _save(conn, states, after, now)
    episodes = conn.execute(_SQL["episodes"], {"limit": EPISODES_MAX}).fetchall()
    kinds: dict[str, list[str]] = {}
    for name in states:
        kinds.setdefault(kind_of_state(name), []).append(name)
    history = [
        _row(edge, kind, among, (before, after), [one for one in episodes if one[0] in among])
        for kind, among in sorted(kinds.items())
    ]
    conn.execute(_SQL["history"], {"rows": to_json(history), "now": now})
    conn.execute(_SQL["protect_tasks"], {"kinds": sorted(kinds), "now": now})
    state.log(conn, [_event(states, history, (before, after), span)], now)


def _save(
    conn: psycopg.Connection, states: Sequence[str], after: Consolidation, now: datetime
) -> None:
    locked: dict[str, list[str]] = {}
    for name, dog in sorted(after.locked):
        locked.setdefault(name, []).append(dog)
    parameters = {"anchor": to_json(after.anchor), "fisher": to_json(after.fisher), "now": now}
    conn.execute(_SQL["consolidate"], parameters)
    row = {
        "loop": "ewc",
        "state": "consolidated",
        "weights": {"locked": locked},
        "answers": 0,
    }
    state.save_loops(conn, [row], now)
    cells = [
        {"state": name, "dog": dog, "fisher": weight}
        for name in states
        for dog, weight in sorted(after.fisher[name].items())
    ]
    conn.execute(_SQL["begin_gradients"], {"cells": to_json(cells), "now": now})


def _row(
    edge: Edge,
    kind: str,
    states: Sequence[str],
    sides: tuple[Consolidation, Consolidation],
    episodes: Sequence[_Episode],
) -> dict[str, object]:
    before, after = sides
    weights = [weight for name in states for weight in after.fisher[name].values()]
    return {
        "id": f"ewc_{edge.new_id().hex[:24]}",
        "kind": kind,
        "entries": len(weights),
        "fisher": fmean(weights),
        "states": len(states),
        "before": _accuracy(before.anchor, episodes),
        "after": _accuracy(after.anchor, episodes),
    }


def _accuracy(anchor: Cells, episodes: Iterable[_Episode]) -> float | None:
    """How often the best of those who voted, by these values, was right; None where no episode can be judged."""
    found: list[float] = []
    for name, actions in episodes:
        row = anchor.get(name, {})
        known = [
            (row[dog], cast("float", one["reward"]))
            for one in actions
            if (dog := cast("str", one["dog"])) in row
        ]
        if known:
            best = max(value for value, _ in known)
            found.append(fmean(reward for value, reward in known if value == best))
    return fmean(found) if found else None


def _event(
    states: Sequence[str],
    history: Sequence[Mapping[str, object]],
    sides: tuple[Consolidation, Consolidation],
    span: tuple[int, int],
) -> dict[str, object]:
    """That it was made; `span` are the places up to which the former one and this one know the answers."""
    before, after = sides
    since, until = span
    moved = [
        abs(value - before.anchor[name][dog])
        for name in states
        for dog, value in after.anchor[name].items()
        if dog in before.anchor.get(name, {})
    ]
    return {
        "loop": "ewc",
        "event": "consolidation",
        "judgment_id": None,
        "value": None,
        "action": "consolidate",
        "delta": fmean(moved) if moved else None,
        "metadata": {
            "consolidationIds": [row["id"] for row in history],
            "since": since,
            "until": until,
            "states": list(states),
            "locked": len(after.locked - before.locked),
            "unlocked": len(before.locked - after.locked),
        },
    }
