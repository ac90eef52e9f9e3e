"""Sessions as meta-cognition sees them: their newest actions, the state that each left, and what hinders them.

A session of judgments and one of calls of tools are two, also under one id. Its actions come in the order of learning: a
judgment at the place of the first answer that called it right or wrong, a call after those that had ended when earlier cycles
looked. Each is taken once. A judgment failed when more of the answers that count call it wrong than right, and is no action
while none does either; that changes with them, as that of a call that is told otherwise, while it is among the newest 20.
State follows state, action by action; what changes of an earlier one is looked at when it is told, so that only changed minds
make it matter where cycles fall.

The newest 200 sessions are kept, and of those before them only the newest 200 that are hindered, without their actions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, NamedTuple, Self, cast

from cynic.db import sqlfile
from cynic.domains.learning import metacognition
from cynic.domains.learning.metacognition import FORETOLD, Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.domains.learning.metacognition import State
    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "meta-cognition"
ACTIONS_MAX: Final = metacognition.FLOW_ACTIONS
SESSIONS_MAX: Final = 200
CALLS_MAX: Final = 2000
"""Of tools that one cycle looks at; the others wait for the next."""
FAILED: Final = frozenset({"error", "denied"})
"""Of a call of a tool."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("sessions.sql")))


class Done(NamedTuple):
    """An action: its name, whether it succeeded, and the id of the judgment or call."""

    name: str
    succeeded: bool
    key: str


class Told(NamedTuple):
    """What a cycle is told of an action."""

    place: int
    """In the order in which the cycle is told."""
    done: Done
    is_first: bool
    """Whether it was told of it before."""


class Met(NamedTuple):
    """An action that is new, and the state in which the session was before it."""

    place: int
    state: State | None
    succeeded: bool

    @property
    def hit(self) -> bool | None:
        """Whether it came as the state foretold; None where that foretells nothing."""
        if self.state is None or (foretold := FORETOLD.get(self.state)) is None:
            return None
        return foretold == self.succeeded


@dataclass(slots=True, kw_only=True)
class Session:
    """What is known of a session, of one source."""

    actions: list[Done] = field(default_factory=list[Done])
    """The newest."""
    state: State | None = None
    times: int = 0
    """Cycles in a row that found it in this state."""
    friction: int | None = None
    """The open one."""
    touched: int = 0
    """The place up to which cycles had looked when it last did something."""
    before: State | None = None
    """The state in which this cycle found it; not kept."""
    new: int = 0
    """Actions of this cycle; not kept."""

    def take(self, told: Iterable[Told], gone: Iterable[str]) -> list[Met] | None:
        """Bring the actions and the state up to date; the new ones as they were met, or None when nothing changed."""
        actions, places = self._amended(told, frozenset(gone))
        first = len(actions) - len(places)
        if not places and actions == self.actions:
            return None
        self.before = self.state
        known = sequence(actions)
        if actions[:first] != self.actions:
            now = known[first - 1].at_seconds if first else 0.0
            self.state = metacognition.state_of(known[:first], now, self.state)
        states = metacognition.walked(known, first, self.state)
        self.new, self.state, self.actions = len(places), states[-1], actions[-ACTIONS_MAX:]
        return [
            Met(place, state, done.succeeded)
            for place, state, done in zip(places, states, actions[first:], strict=False)
        ]

    def _amended(self, told: Iterable[Told], gone: frozenset[str]) -> tuple[list[Done], list[int]]:
        """The actions with those that are told of, and the places of the new ones, which come last."""
        actions = [done for done in self.actions if done.key not in gone]
        known = {done.key: at for at, done in enumerate(actions)}
        places: list[int] = []
        for place, done, is_first in told:
            if (at := known.get(done.key)) is not None:
                actions[at] = done
            elif is_first:
                known[done.key] = len(actions)
                actions.append(done)
                places.append(place)
        return actions, places

    def row(self, name: str) -> dict[str, object]:
        """The session to be stored."""
        weights = {
            name: getattr(self, name)
            for name in ("actions", "state", "times", "friction", "touched")
        }
        return {"loop": LOOP, "state": name, "answers": self.new, "weights": weights}

    @classmethod
    def read(cls, weights: Mapping[str, Any]) -> Self:
        """The session as it is stored."""
        kept: Any = {**weights, "actions": [Done(*one) for one in weights["actions"]]}
        return cls(**kept)


def sequence(actions: Sequence[Done]) -> list[Action]:
    """The actions, one a second: they are counted, not timed."""
    return [Action(done.name, done.succeeded, float(at)) for at, done in enumerate(actions)]


@dataclass(slots=True, kw_only=True)
class Looked:
    """What a cycle saw of sessions."""

    sessions: Mapping[str, Session]
    """Those that did something, or that something was taken back of, by their names in order."""
    met: Mapping[str, Sequence[Met]]
    """Source → its new actions, in the order in which they were told of."""


def look(cycle: Cycle, taken_back: Sequence[Answered]) -> Looked:
    """Take the answers and calls of this cycle; `taken_back` are answers that former cycles took."""
    told, gone = _judgments(cycle, taken_back)
    for name, done in _calls(cycle).items():
        told[name] = done
    names = sorted({*told, *gone})
    if not names:
        return Looked(sessions={}, met={})
    rows = cycle.conn.execute(_SQL["sessions"], {"names": names})
    known = {name: Session.read(weights) for name, weights in rows}
    touched: dict[str, Session] = {}
    met: dict[str, list[Met]] = {}
    for name in names:
        session = known.get(name) or Session()
        found = session.take(told.get(name, ()), gone.get(name, ()))
        if found is not None:
            session.touched = cycle.until
            touched[name] = session
            met.setdefault(source_of(name), []).extend(found)
    for actions in met.values():
        actions.sort(key=lambda one: one.place)
    return Looked(sessions=touched, met=met)


def source_of(name: str) -> str:
    """Whether it is a session of judgments or of calls."""
    return name.partition(" ")[0]


def bound(cycle: Cycle) -> None:
    """Forget all but the newest sessions, and of the others the newest that have an open friction."""
    cycle.conn.execute(_SQL["bound"], {"sessions": SESSIONS_MAX})


def _judgments(
    cycle: Cycle, taken_back: Sequence[Answered]
) -> tuple[dict[str, list[Told]], dict[str, list[str]]]:
    """Session → what is told of its judgments, and which of them are no actions any more, since nobody calls them right or wrong."""
    told: dict[str, list[Told]] = {}
    gone: dict[str, list[str]] = {}
    asked = {
        one.judgment_id: one for one in (*taken_back, *cycle.answers) if one.session_id is not None
    }
    if not asked:
        return told, gone
    found = cycle.conn.execute(_SQL["called"], {"judgments": list(asked)}).fetchall()
    called = {judgment_id: row for judgment_id, *row in found}
    before = {one.judgment_id for one in taken_back if one.outcome != "partial"}
    for judgment_id, one in asked.items():
        name = f"judgments {one.session_id}"
        first, standing, balance = called[judgment_id]
        if standing is None:
            gone.setdefault(name, []).append(judgment_id)
            continue
        done = Done(one.kind, balance >= 0, judgment_id)
        is_first = standing > cycle.since and judgment_id not in before
        told.setdefault(name, []).append(Told(first, done, is_first))
    for listed in told.values():
        listed.sort(key=lambda one: one.place)
    return told, gone


def _calls(cycle: Cycle) -> dict[str, list[Told]]:
    """Session → what is told of its calls of tools; those are taken out of their queue."""
    told: dict[str, list[Told]] = {}
    rows = cycle.conn.execute(_SQL["take_calls"], {"limit": CALLS_MAX})
    for place, (session_id, tool, status, row_id, is_first) in enumerate(rows):
        cycle.calls.append(row_id)
        done = Done(tool, status not in FAILED, str(row_id))
        told.setdefault(f"calls {session_id}", []).append(Told(place, done, is_first))
    return told
