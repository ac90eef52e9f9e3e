"""Meta-cognition: how the work of each session goes, what keeps going wrong, and how much to explore then.

A session is seen as a sequence of judgments with their outcomes, and as one of calls of tools with theirs. Its state
(`domains.learning.metacognition`) is that after the last action; actions are counted, not timed, since a session that rests is
not stuck. A session that gets stuck or thrashes leaves a friction, which is resolved when it goes on. The exploration rate
moves with the state that most of the sessions are in. The newest 200 sessions are kept; of those before them only the
newest 200 that are hindered, without their actions, so that their friction stays one and is resolved when they go on.

Kinds of judgment that are significantly more often wrong than right leave a lesson; answers that surprise most leave
the steps that led to them. A judgment that is answered anew changes its action; an answer that was taken back drops its
steps. A session all of whose answers were taken back is in no state, and nothing hinders it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast

from cynic.base.phi import PHI_BOUND
from cynic.db import sqlfile
from cynic.domains.learning import metacognition, session_patterns
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.bounds import clamp
from cynic.domains.learning.metacognition import Action, Rates
from cynic.domains.learning.rates import wilson
from cynic.flows.edge import to_json
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.domains.learning.metacognition import State
    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "meta-cognition"
ACTIONS_MAX: Final = metacognition.FLOW_ACTIONS
SESSIONS_MAX: Final = 200
CALLS_MAX: Final = 1000
"""Of tools that one cycle looks at; the others wait for the next."""
HINDERED: Final = frozenset({"stuck", "thrashing"})
GOING: Final = frozenset({"flow", "executing", "exploring"})
WORST_FIRST: Final = (
    "stuck",
    "thrashing",
    "recovering",
    "executing",
    "exploring",
    "flow",
)
FAILED: Final = frozenset({"error", "denied"})
"""Of a call of a tool."""
LESSON_ANSWERS_MIN: Final = 10
EVEN: Final = 0.5
SURPRISES_MAX: Final = 20
SURPRISED_FROM: Final = 0.618
"""How far the told probability was from what came true."""
IDS_SHOWN_MAX: Final = 5

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("metacognition.sql"))
)


@dataclass(slots=True, kw_only=True)
class _Session:
    """The newest actions of a session, of one source."""

    actions: list[tuple[str, bool, str]] = field(default_factory=list["tuple[str, bool, str]"])
    """Name, whether it succeeded, and the id of the judgment or call."""
    state: State | None = None
    times: int = 0
    """Cycles in a row that found it in this state."""
    friction: int | None = None
    """The open one."""
    touched: int = 0
    """The place up to which cycles had looked when it last did something."""

    def did(self, name: str, key: str, *, succeeded: bool) -> None:
        """One more action; the same one again replaces what came of it."""
        for place, (_, _, known) in enumerate(self.actions):
            if known == key:
                self.actions[place] = (name, succeeded, key)
                return
        self.actions = [*self.actions, (name, succeeded, key)][-ACTIONS_MAX:]

    def sequence(self) -> list[Action]:
        """The actions, one a second: they are counted, not timed."""
        return [Action(name, ok, float(place)) for place, (name, ok, _) in enumerate(self.actions)]

    def document(self) -> dict[str, object]:
        """The session as JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def restored(cls, document: Mapping[str, Any]) -> _Session:
        """The session that was kept."""
        actions = [(name, ok, key) for name, ok, key in document["actions"]]
        kept: Any = {**document, "actions": actions}
        return cls(**kept)


def turn(cycle: Cycle) -> Turn:
    """Look at the sessions, then at what went wrong in general."""
    kept = cast("Mapping[str, Any]", cycle.kept(LOOP) or {"sessions": {}, "mark": 0, "rates": {}})
    documents = {**kept.get("hindered", {}), **kept["sessions"]}
    sessions = {name: _Session.restored(one) for name, one in documents.items()}
    touched = _judgments(cycle, sessions)
    mark = _calls(cycle, sessions, touched, kept["mark"])
    for name in sorted(touched):
        _look(cycle, name, sessions[name])
    _find_patterns(cycle, {name: sessions[name] for name in touched})
    rates, changed_at, delta = _tune(cycle, kept, [sessions[name].state for name in touched])
    state = {
        **_bounded(sessions),
        "mark": mark,
        "rates": rates,
        "changed_at": changed_at,
    }
    cycle.keep(LOOP, state, answers=len(cycle.answers))
    lessons = _learn_lessons(cycle)
    _keep_surprises(cycle)
    return Turn(
        threshold_deltas=[delta] if delta else [],
        patterns_updated=lessons,
        before={"exploration": kept["rates"].get("exploration")},
        after={"exploration": rates["exploration"]},
    )


def _bounded(sessions: Mapping[str, _Session]) -> dict[str, object]:
    """The newest sessions, and of the others the newest that have an open friction."""
    newest = sorted(sessions.items(), key=lambda one: (-one[1].touched, one[0]))
    hindered = [
        (name, replace(one, actions=[]))
        for name, one in newest[SESSIONS_MAX:]
        if one.friction is not None
    ]
    parts = {"sessions": newest[:SESSIONS_MAX], "hindered": hindered[:SESSIONS_MAX]}
    return {
        part: {name: one.document() for name, one in sorted(listed, key=lambda pair: pair[0])}
        for part, listed in parts.items()
    }


def _judgments(cycle: Cycle, sessions: dict[str, _Session]) -> set[str]:
    touched: set[str] = set()
    anew = {one.judgment_id for one in cycle.answers if one.outcome != "partial"}
    for one in cycle.taken_back:
        # What an answer leaves open now is no action any more.
        name = f"judgments {one.session_id}"
        session = sessions.get(name)
        if session is not None and one.judgment_id not in anew:
            left = [done for done in session.actions if done[2] != one.judgment_id]
            if len(left) < len(session.actions):
                session.actions = left
                touched.add(name)
    for one in cycle.answers:
        if one.session_id is not None and one.outcome != "partial":
            name = f"judgments {one.session_id}"
            session = sessions.setdefault(name, _Session())
            session.did(one.kind, one.judgment_id, succeeded=one.outcome == "correct")
            touched.add(name)
    return touched


def _calls(cycle: Cycle, sessions: dict[str, _Session], touched: set[str], mark: int) -> int:
    """Take the new calls of tools; the mark up to which they were taken."""
    parameters = {"mark": mark, "limit": CALLS_MAX}
    found = dict(cycle.conn.execute(_SQL["sessions_with_calls"], parameters).fetchall())
    ids = sorted(session for session in found if session is not None)
    if ids:
        rows = cycle.conn.execute(_SQL["calls"], {"sessions": ids, "limit": ACTIONS_MAX})
        for session_id, tool, status, _, row_id in rows:
            name = f"calls {session_id}"
            session = sessions.setdefault(name, _Session())
            session.did(tool, str(row_id), succeeded=status not in FAILED)
            touched.add(name)
    return max(found.values(), default=mark)


def _look(cycle: Cycle, name: str, session: _Session) -> None:
    """Find the state of a session, and leave or resolve its friction."""
    actions = session.sequence()
    now = actions[-1].at_seconds if actions else 0.0
    state = metacognition.state_of(actions, now, session.state)
    session.times = session.times + 1 if state == session.state else 1
    session.state, session.touched = state, cycle.until
    if state in HINDERED and session.friction is None:
        _open_friction(cycle, name, session, state)
    elif (state is None or state in GOING) and session.friction is not None:
        cycle.conn.execute(_SQL["resolve"], {"ids": [session.friction]})
        cycle.log(
            LOOP, "resolved", action=state or "taken back", session=name, friction=session.friction
        )
        session.friction = None


def _open_friction(cycle: Cycle, name: str, session: _Session, state: State) -> None:
    latest = session.actions[-metacognition.THRASHING_ACTIONS :]
    failed = [(what, key) for what, ok, key in latest if not ok]
    strategy = metacognition.strategy_for(state, session.times)
    ids = ", ".join(key for _, key in failed[-IDS_SHOWN_MAX:])
    description = (
        f"{name} is {state}: {len(failed)} of the last {len(latest)} failed"
        f" ({ids}); {strategy} ({cycle.cycle_id})"
    )
    severity = len(failed) / len(latest)
    parameters = {"type": state, "description": description, "severity": severity, "now": cycle.now}
    row = cycle.conn.execute(_SQL["friction"], parameters).fetchone()
    session.friction = None if row is None else cast("int", row[0])
    cycle.log(LOOP, state, action=strategy, session=name, failed=[key for _, key in failed])


def _find_patterns(cycle: Cycle, sessions: Mapping[str, _Session]) -> None:
    """The patterns of the sessions that did something, in place of those that were found before."""
    by_source: dict[str, list[tuple[str, _Session]]] = {}
    for name, session in sorted(sessions.items()):
        source, _, session_id = name.partition(" ")
        by_source.setdefault(source, []).append((session_id, session))
    for source, listed in by_source.items():
        ids = [session_id for session_id, _ in listed]
        cycle.conn.execute(_SQL["forget_patterns"], {"sessions": ids, "source": source})
        rows = [
            {
                "session_id": session_id,
                "type": found.kind,
                "data": {
                    **found.document(),
                    "source": source,
                    "cycleId": cycle.cycle_id,
                    "from": session.actions[found.first][2],
                    "to": session.actions[found.last][2],
                },
            }
            for session_id, session in listed
            for found in session_patterns.patterns(session.sequence())
        ]
        if rows:
            cycle.conn.execute(_SQL["patterns"], {"rows": to_json(rows), "now": cycle.now})


def _tune(
    cycle: Cycle, kept: Mapping[str, Any], states: Sequence[State | None]
) -> tuple[dict[str, float], float | None, float]:
    """The rates after this cycle, when they last changed, and by how much exploration did. Time is counted in answers."""
    row = cycle.conn.execute(_SQL["rates"]).fetchone()
    explored = clamp(float(row[0]) if row else 0.1, *metacognition.EXPLORATION)
    before = Rates(**{**kept["rates"], "exploration": explored})
    counts = Counter(state for state in states if state is not None)
    most = max(counts.values(), default=0)
    found = next((one for one in WORST_FIRST if counts[one] == most), None) if most else None
    state = cast("State | None", found)
    after, changed_at = metacognition.tuned(
        before, state, float(cycle.until), kept.get("changed_at")
    )
    document = {name: getattr(after, name) for name in after.__slots__}
    delta = after.exploration - before.exploration
    if after != before:
        cycle.conn.execute(_SQL["explore"], {"rate": after.exploration})
        sessions = {one: counts[one] for one in sorted(counts)}
        cycle.log(LOOP, "update", delta=delta, action=state, rates=document, sessions=sessions)
    return document, changed_at, delta


def _learn_lessons(cycle: Cycle) -> int:
    """Kinds of judgment that are wrong more often than right; how many are new."""
    answers = _by_side(cycle)
    if not answers:
        return 0
    kinds = sorted({kind for kind, _ in answers})
    lessons: list[dict[str, object]] = []
    outgrown: list[str] = []
    for kind, side, right, wrong in cycle.conn.execute(_SQL["kinds"], {"kinds": kinds}):
        if (kind, side) not in answers:
            continue  # Nothing was said of this side: what its lesson names stays.
        tally = Tally(right, wrong)
        interval = wilson(tally.right, tally.answers)
        lesson_id = f"judgment:{kind}:{side}"
        if interval is None or tally.answers < LESSON_ANSWERS_MIN or interval.high >= EVEN:
            outgrown.append(lesson_id)
            continue
        said = "passed" if side == "pass" else "did not pass"
        outcome, judgments = answers[kind, side]
        context = {"cycleId": cycle.cycle_id, "outcome": outcome, "judgments": judgments}
        lessons.append(
            {
                "lesson_id": lesson_id,
                "lesson": f"Judgments of {kind} that {said} the item were wrong {wrong} of {tally.answers} times.",
                "context": to_json(context),
                "impact": round(100 * wrong / tally.answers),
            }
        )
    if outgrown:
        cycle.conn.execute(_SQL["outgrown"], {"ids": outgrown})
    if not lessons:
        return 0
    rows = cycle.conn.execute(_SQL["lessons"], {"rows": to_json(lessons), "now": cycle.now})
    new = sorted(lesson for lesson, is_new in rows if is_new)
    if new:
        cycle.log(LOOP, "lesson", action=", ".join(new), lessons=new)
    return len(new)


def _by_side(cycle: Cycle) -> dict[tuple[str, str], tuple[str, list[str]]]:
    """Kind and side → `incorrect` and the newest judgments that were, or `any` and the newest where none was."""
    wrong: dict[tuple[str, str], list[str]] = {}
    of_all: dict[tuple[str, str], list[str]] = {}
    for one in cycle.answers:
        where = (one.kind, "pass" if one.passed else "fail")
        of_all.setdefault(where, []).append(one.judgment_id)
        if one.outcome == "incorrect":
            wrong.setdefault(where, []).append(one.judgment_id)
    return {
        where: ("incorrect" if where in wrong else "any", wrong.get(where, ids)[-IDS_SHOWN_MAX:])
        for where, ids in of_all.items()
    }


def _keep_surprises(cycle: Cycle) -> None:
    """The steps of the judgments whose outcome was farthest from what they told."""
    if cycle.taken_back:
        gone = [f"feedback:{one.feedback_id}" for one in cycle.taken_back]
        cycle.conn.execute(_SQL["drop_trajectories"], {"ids": gone})
    found = [(_surprise(one), one) for one in cycle.answers if one.outcome != "partial"]
    most = sorted(
        ((size, one) for size, one in found if size >= SURPRISED_FROM),
        key=lambda pair: (-pair[0], pair[1].place),
    )[:SURPRISES_MAX]
    if not most:
        return
    ids = sorted({one.judgment_id for _, one in most})
    judged = {row[0]: row[1:] for row in cycle.conn.execute(_SQL["judged"], {"ids": ids})}
    rows = [_trajectory(cycle, size, one, judged[one.judgment_id]) for size, one in most]
    cycle.conn.execute(_SQL["trajectories"], {"rows": to_json(rows), "now": cycle.now})


def _surprise(answer: Answered) -> float:
    told = clamp(answer.confidence / float(PHI_BOUND), 0.0, 1.0)
    return abs(told - (answer.outcome == "correct"))


def _trajectory(
    cycle: Cycle, size: float, answer: Answered, judged: Sequence[Any]
) -> dict[str, object]:
    basis, verdict, q, confidence, votes = judged
    return {
        "trajectory_id": f"feedback:{answer.feedback_id}",
        "reasoning": f"{verdict} at {float(confidence):.3f} of 0.618 turned out {answer.outcome}: off by {size:.3f}",
        "steps": [
            {"step": "votes", "votes": votes or []},
            {"step": "basis", **(basis or {})},
            {"step": "verdict", "verdict": verdict, "q_score": float(q)},
            {
                "step": "outcome",
                "outcome": answer.outcome,
                "feedbackId": str(answer.feedback_id),
                "judgmentId": answer.judgment_id,
                "cycleId": cycle.cycle_id,
            },
        ],
        "output": f"{answer.judgment_id}: {verdict}, {answer.outcome}",
    }
