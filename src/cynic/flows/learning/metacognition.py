"""Meta-cognition: how the work of each session goes, what keeps going wrong, and how much to explore then.

The state of a session (`domains.learning.metacognition`, `sessions`) is that after its last action; actions are counted, not
timed, since a session that rests is not stuck. A session that gets stuck or thrashes leaves a friction, which is resolved
when it goes on; one all of whose answers were taken back is in no state, and nothing hinders it. The exploration rate moves
with the state that most of the sessions are in that did something.

Kinds of judgment that are significantly more often wrong than right leave a lesson; answers that surprise most leave
the steps that led to them. An answer that was taken back drops its steps.

What it knows is measured by what a state foretells of the next action. A cell is a source and a state, and its outcomes
are the actions that were met in it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, cast, get_args

from cynic.base.phi import PHI_BOUND
from cynic.db import sqlfile
from cynic.domains.learning import metacognition, session_patterns
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.bounds import clamp
from cynic.domains.learning.metacognition import Rates, State
from cynic.domains.learning.rates import wilson
from cynic.flows.edge import to_json
from cynic.flows.learning import seen, sessions
from cynic.flows.learning.sessions import LOOP, sequence, source_of
from cynic.flows.learning.state import save_loops
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.flows.learning.cycle import Answered, Cycle
    from cynic.flows.learning.sessions import Looked, Met, Session

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
LESSON_ANSWERS_MIN: Final = 10
EVEN: Final = 0.5
SURPRISES_MAX: Final = 20
SURPRISED_FROM: Final = 0.618
"""How far the told probability was from what came true."""
IDS_SHOWN_MAX: Final = 5

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("metacognition.sql"))
)


def turn(cycle: Cycle) -> Turn:
    """Look at the sessions, then at what went wrong in general."""
    kept = cast("Mapping[str, Any]", cycle.kept(LOOP) or {"rates": {}, "seen": []})
    spans = cast("seen.Spans", kept.get("seen", [[0, cycle.since]]))
    looked = sessions.look(cycle, seen.taken_back(spans, cycle))
    _go_on(cycle, looked.sessions)
    _find_patterns(cycle, looked.sessions)
    rates, changed_at, delta = _tune(cycle, kept, looked.sessions.values())
    met = _counted(kept.get("met", {}), looked.met)
    weights = {
        "rates": rates,
        "changed_at": changed_at,
        "met": met,
        "seen": seen.with_this(spans, cycle),
    }
    rows = [one.row(name) for name, one in looked.sessions.items()]
    own = {"loop": LOOP, "state": "default", "answers": len(cycle.answers), "weights": weights}
    save_loops(cycle.conn, [own, *rows], cycle.now)
    if rows:
        sessions.bound(cycle)
    lessons = _learn_lessons(cycle)
    _keep_surprises(cycle)
    return Turn(
        threshold_deltas=[delta] if delta else [],
        patterns_updated=lessons,
        before={"exploration": kept["rates"].get("exploration")},
        after={"exploration": rates["exploration"]},
        parts=_parts(met, looked),
    )


def _counted(
    before: Mapping[str, Mapping[str, int]], met: Mapping[str, Iterable[Met]]
) -> dict[str, dict[str, int]]:
    """Source → state → actions that were met in it so far."""
    counts = {source: Counter(states) for source, states in before.items()}
    for source, actions in met.items():
        counts.setdefault(source, Counter()).update(
            one.state for one in actions if one.state is not None
        )
    return {source: dict(sorted(states.items())) for source, states in sorted(counts.items())}


def _parts(met: Mapping[str, Mapping[str, int]], looked: Looked) -> Parts | None:
    """A cell is a source that was seen and one of the six states; None before any session was seen."""
    if not met:
        return None
    outcomes = {
        f"{source} {name}": count
        for source, states in met.items()
        for name, count in states.items()
    }
    stayed = {
        name: one.state == one.before
        for name, one in looked.sessions.items()
        if one.before is not None
    }
    hits = [one.hit for _, actions in sorted(looked.met.items()) for one in actions]
    return Parts(
        outcomes=outcomes,
        cells=len(met) * len(get_args(State)),
        converged=stayed or None,
        hits=[hit for hit in hits if hit is not None],
    )


def _go_on(cycle: Cycle, touched: Mapping[str, Session]) -> None:
    """Leave the frictions of sessions that are hindered now, and resolve those of sessions that go on."""
    hindered: list[dict[str, object]] = []
    resolved: list[int] = []
    for name, session in touched.items():
        session.times = session.times + 1 if session.state == session.before else 1
        if session.state in HINDERED and session.friction is None:
            hindered.append(_friction(cycle, name, session, session.state))
        elif (session.state is None or session.state in GOING) and session.friction is not None:
            resolved.append(session.friction)
            cycle.log(
                LOOP,
                "resolved",
                action=session.state or "taken back",
                session=name,
                friction=session.friction,
            )
            session.friction = None
    if resolved:
        cycle.conn.execute(_SQL["resolve"], {"ids": resolved})
    if hindered:
        parameters = {"rows": to_json(hindered), "now": cycle.now}
        # Ids are drawn in the order of the rows.
        ids = sorted(row[0] for row in cycle.conn.execute(_SQL["frictions"], parameters))
        for row, friction in zip(hindered, ids, strict=True):
            touched[cast("str", row["session"])].friction = friction


def _friction(cycle: Cycle, name: str, session: Session, state: State) -> dict[str, object]:
    latest = session.actions[-metacognition.THRASHING_ACTIONS :]
    failed = [done.key for done in latest if not done.succeeded]
    strategy = metacognition.strategy_for(state, session.times)
    cycle.log(LOOP, state, action=strategy, session=name, failed=failed)
    return {
        "session": name,
        "type": state,
        "description": f"{name} is {state}: {len(failed)} of the last {len(latest)} failed"
        f" ({', '.join(failed[-IDS_SHOWN_MAX:])}); {strategy} ({cycle.cycle_id})",
        "severity": len(failed) / len(latest),
    }


def _find_patterns(cycle: Cycle, touched: Mapping[str, Session]) -> None:
    """The patterns of the sessions that did something, in place of those that were found before."""
    by_source: dict[str, list[tuple[str, Session]]] = {}
    for name, session in touched.items():
        source = source_of(name)
        by_source.setdefault(source, []).append((name.removeprefix(f"{source} "), session))
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
                    "from": session.actions[found.first].key,
                    "to": session.actions[found.last].key,
                },
            }
            for session_id, session in listed
            for found in session_patterns.patterns(sequence(session.actions))
        ]
        if rows:
            cycle.conn.execute(_SQL["patterns"], {"rows": to_json(rows), "now": cycle.now})


def _tune(
    cycle: Cycle, kept: Mapping[str, Any], touched: Iterable[Session]
) -> tuple[dict[str, float], float | None, float]:
    """The rates after this cycle, when they last changed, and by how much exploration did. Time is counted in answers."""
    row = cycle.conn.execute(_SQL["rates"]).fetchone()
    explored = clamp(float(row[0]) if row else 0.1, *metacognition.EXPLORATION)
    before = Rates(**{**kept["rates"], "exploration": explored})
    counts = Counter(one.state for one in touched if one.state is not None)
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
