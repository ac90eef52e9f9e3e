"""Governance: the dogs vote on dimensions that are proposed, and on those that were added.

A candidate with enough evidence is proposed, and each dog votes by its own record (`domains.learning.governance_votes`).
What is approved becomes a dimension that may be judged; what is rejected is looked at again when its anomalies have
doubled; what waits (for voters, for the cooldown, for tomorrow) is looked at again in the next run. What was added is
retired by the same majority: its row stays, its name is taken for ever, and it may not be judged any more.

A run is due once a day while there is anything to look at, and every 34 minutes while a ripe candidate waits.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple, cast

from cynic.db import sqlfile
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning import governance as rules
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.bounds import PHI
from cynic.domains.learning.governance_votes import (
    IDLE_DAYS,
    Ballot,
    on_candidate,
    on_idle,
    on_retiring,
)
from cynic.domains.learning.residual import SAMPLES_SURE
from cynic.flows.edge import to_json
from cynic.flows.learning.answers import PASSING, sides
from cynic.flows.learning.residual import Cluster

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import psycopg

    from cynic.domains.learning.residual import Candidate
    from cynic.flows.edge import Edge

EVERY: Final = timedelta(days=1)
EVERY_WHILE_WAITING: Final = timedelta(minutes=34)
ANSWERS_LOOKED_AT_MAX: Final = 5000
"""The newest answers, for what an added dimension explains."""
DAY_SECONDS: Final = 86_400.0
DECIDED: Final = frozenset({"approve", "reject", "retire"})
RIPE_SAMPLES: Final = max(rules.SAMPLES_MIN, math.ceil(SAMPLES_SURE * rules.CONFIDENCE_MIN / PHI))
"""From so many anomalies on a cluster may be proposed: 7, which is where its confidence suffices."""
SIDE_FROM: Final = 50.0
"""A dimension's score from here on passes the item, as a whole score does."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("governance.sql")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A candidate with what was decided of it before."""

    candidate: Candidate
    feedback_ids: Sequence[str]
    """Of the answers that showed its anomalies."""
    anomalies: int
    """In all, also those that its cluster has no more."""
    proposed_at: datetime
    last_action: str | None
    anomalies_then: int
    """When it was decided last."""

    @property
    def open(self) -> bool:
        """Whether it may be voted on: it was not decided, or its anomalies have doubled since."""
        return self.last_action not in DECIDED or self.anomalies >= 2 * self.anomalies_then


class Added(NamedTuple):
    """A dimension that was added and may be judged."""

    name: str
    candidate: str
    since: datetime


class Voted(NamedTuple):
    """An answered judgment: whether the item should have passed, and how each dog voted."""

    right: bool
    votes: Sequence[tuple[str, bool]]


def tend(conn: psycopg.Connection, edge: Edge) -> Counter[str]:
    """A run if one is due; how often each action was taken."""
    row = conn.execute(_SQL["due"], {"samples": RIPE_SAMPLES}).fetchone()
    if row is None:
        return Counter()
    last, waiting, anything = row
    every = EVERY_WHILE_WAITING if waiting else EVERY
    if not anything or (last is not None and edge.clock() - last < every):
        return Counter()
    return run(conn, edge)


def run(conn: psycopg.Connection, edge: Edge) -> Counter[str]:
    """Propose, decide and retire, in one transaction; how often each action was taken. One run at a time."""
    started = edge.clock()
    with conn.transaction():
        conn.execute(_SQL["one_run_at_a_time"])
        task = f"governance:{edge.new_id()}"
        usually = _usually(conn)
        actions = _Log(conn, task, edge.clock())
        added = [Added(*row) for row in conn.execute(_SQL["added"])]
        _decide(conn, actions, usually, {one.candidate for one in added})
        for one in added:
            _review(conn, actions, usually, one)
        conn.execute(
            _SQL["task"],
            {
                "id": task,
                "decisions": actions.taken.total(),
                "started": started,
                "now": edge.clock(),
            },
        )
    return actions.taken


class _Log:
    """The log of governance during one run."""

    def __init__(self, conn: psycopg.Connection, task: str, now: datetime) -> None:
        self._conn = conn
        self._task = task
        self.now = now
        self.taken: Counter[str] = Counter()

    def write(self, action: str, dimension: str, result: Mapping[str, object]) -> None:
        """Leave a row, in which the run is named."""
        self.taken[action] += 1
        document = to_json({**result, "task": self._task})
        row = {"action": action, "name": dimension, "result": document, "now": self.now}
        self._conn.execute(_SQL["log"], row)


def _usually(conn: psycopg.Connection) -> dict[str, Tally]:
    """How often each dog is right and wrong."""
    row = conn.execute(_SQL["usually"]).fetchone()
    known = cast("Mapping[str, Mapping[str, int]]", {} if row is None else row[0])
    return {dog: Tally(**known[dog]) if dog in known else Tally() for dog in DOGS}


def _decide(
    conn: psycopg.Connection, actions: _Log, usually: Mapping[str, Tally], added: set[str]
) -> None:
    """Vote on every ripe candidate, the one with the most evidence first."""
    found = {one.candidate.name: one for one in _proposed(conn)}
    ripe = [
        one
        for one in found.values()
        if one.open
        and one.candidate.name not in added
        and rules.proposal(one.candidate).action == "propose"
    ]
    promoted = [
        row[0].timestamp() for row in conn.execute(_SQL["promotions"], {"now": actions.now})
    ]
    waited = [(one.candidate, _seconds(actions.now - one.proposed_at)) for one in ripe]
    for candidate in rules.in_turn(waited):
        one = found[candidate.name]
        evidence = _evidence(one)
        if one.last_action != "propose":
            actions.write("propose", candidate.name, {**evidence, "reason": "enough evidence"})
        ballots = _ballots(_voted(conn, one.feedback_ids), usually)
        votes = {dog: ballot.vote for dog, ballot in ballots.items()}
        ruling = rules.decision(candidate.name, votes, actions.now.timestamp(), promoted)
        result = {**evidence, **_counted(ruling, ballots)}
        if ruling.action == "approve":
            name = _promote(conn, one, result, actions.now)
            promoted.append(actions.now.timestamp())
            actions.write("approve", name, {**result, "dimension": name})
        elif ruling.action == "reject":
            actions.write("reject", candidate.name, result)


def _proposed(conn: psycopg.Connection) -> list[Proposed]:
    found: list[Proposed] = []
    for at, weights, anomalies, last_action, then in conn.execute(_SQL["candidates"]):
        cluster = Cluster.read(weights)
        candidate = cluster.candidate()
        if candidate is not None:
            found.append(
                Proposed(
                    candidate=candidate,
                    feedback_ids=[one.feedback_id for one in cluster.sources],
                    anomalies=anomalies,
                    proposed_at=at,
                    last_action=last_action,
                    anomalies_then=then or 0,
                )
            )
    return found


def _evidence(one: Proposed) -> dict[str, object]:
    candidate = one.candidate
    return {
        "candidate": candidate.name,
        "axiom": candidate.axiom,
        "weak": candidate.weak,
        "underscored": candidate.underscored,
        "samples": candidate.samples,
        "anomalies": one.anomalies,
        "confidence": candidate.confidence,
        "score": candidate.score,
        "sources": candidate.sources,
    }


def _counted(ruling: rules.Ruling, ballots: Mapping[str, Ballot]) -> dict[str, object]:
    tally = {} if ruling.tally is None else ruling.tally.document()
    votes = {dog: ballot.document() for dog, ballot in sorted(ballots.items())}
    return {**tally, "reason": ruling.reason, "votes": votes}


def _voted(conn: psycopg.Connection, feedback_ids: Sequence[str]) -> list[Voted]:
    """The answered judgments behind a candidate that say which side was right."""
    rows = conn.execute(_SQL["voted"], {"ids": list(feedback_ids)}).fetchall()
    return [
        Voted((verdict in PASSING) == (outcome == "correct"), sides(votes or ()))
        for outcome, verdict, votes in rows
    ]


def _ballots(judged: Iterable[Voted], usually: Mapping[str, Tally]) -> dict[str, Ballot]:
    votes, wrong = Counter[str](), Counter[str]()
    for one in judged:
        for dog, side in one.votes:
            votes[dog] += 1
            wrong[dog] += side != one.right
    return {dog: on_candidate(wrong[dog], votes[dog], usually[dog]) for dog in DOGS}


def _promote(
    conn: psycopg.Connection, one: Proposed, result: Mapping[str, object], now: datetime
) -> str:
    taken = {row[0] for row in conn.execute(_SQL["names"])}
    name = rules.promoted_name(one.candidate, taken)
    row = {
        "name": name,
        "description": _described(one.candidate),
        "axiom": one.candidate.axiom,
        "metadata": to_json({**result, "status": "active", "threshold": 50}),
        "now": now,
    }
    conn.execute(_SQL["promote"], row)
    return name


def _described(candidate: Candidate) -> str:
    beside = f" where {', '.join(candidate.weak)} are weak" if candidate.weak else ""
    side = "better" if candidate.underscored else "worse"
    return f"what makes judgments turn out {side} than the other dimensions foretell{beside}"


def _review(
    conn: psycopg.Connection, actions: _Log, usually: Mapping[str, Tally], one: Added
) -> None:
    """Vote on retiring an added dimension."""
    parameters = {"name": one.name, "since": one.since, "limit": ANSWERS_LOOKED_AT_MAX}
    rows = conn.execute(_SQL["judged"], parameters).fetchall()
    last = max([one.since, *(cast("datetime", row[0]) for row in rows)])
    idle = _seconds(actions.now - last) >= IDLE_DAYS * DAY_SECONDS
    ballots = {dog: on_idle(usually[dog]) for dog in DOGS} if idle else _retiring(rows)
    ruling = rules.retirement(one.name, {dog: ballot.vote for dog, ballot in ballots.items()})
    if ruling.action != "retire":
        return
    row = conn.execute(_SQL["anomalies"], {"name": one.candidate}).fetchone()
    result = {
        "candidate": one.candidate,
        "dimension": one.name,
        "anomalies": 0 if row is None else row[0],
        "judgments": len(rows),
        "last_judged": last.isoformat(),
        "idle": idle,
        **_counted(ruling, ballots),
    }
    conn.execute(_SQL["retire"], {"name": one.name, "now": actions.now})
    actions.write("retire", one.name, result)


def _retiring(rows: Iterable[tuple[object, ...]]) -> dict[str, Ballot]:
    differ, right = Counter[str](), Counter[str]()
    for _, score, outcome, verdict, votes in rows:
        should = (verdict in PASSING) == (outcome == "correct")
        side = cast("float", score) >= SIDE_FROM
        for dog, vote in sides(cast("Sequence[tuple[str, float]]", votes or ())):
            if vote != side:
                differ[dog] += 1
                right[dog] += side == should
    return {dog: on_retiring(right[dog], differ[dog]) for dog in DOGS}


def _seconds(span: timedelta) -> float:
    return max(0.0, span.total_seconds())
