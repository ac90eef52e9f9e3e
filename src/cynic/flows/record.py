"""Recording judgments.

One path for one judgment and for thousands. In the ordinary case a judgment is one statement: its user and its
session are there and its id is new. Only where that is not so does a transaction make what is missing, and find
out which of the left-out judgments were repeated, and which contradict what is stored.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.base.errors import ConflictError, CynicError
from cynic.base.verdict import verdict_of
from cynic.db import sqlfile
from cynic.flows import people
from cynic.flows.edge import to_json
from cynic.flows.evaluate import SHIFTED_RULES, evaluate
from cynic.flows.learned import NOTHING
from cynic.flows.people import CrowdedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    import psycopg

    from cynic.domains.dogs.pack import Vote
    from cynic.flows.edge import Edge
    from cynic.flows.evaluate import Evaluation
    from cynic.flows.learned import Learned
    from cynic.flows.submission import Submission

ATTEMPTS_MAX = 5

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("record.sql")))


class JudgmentDiffersError(ConflictError):
    """The id was used before, for another judgment."""

    code = "judgment-differs"


class ForeignSessionError(ConflictError):
    """The session belongs to another user."""

    code = "foreign-session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A judgment that is stored, and how it answers."""

    judgment_id: str
    q_score: Decimal
    verdict: str
    confidence: Decimal
    axiom_scores: Mapping[str, float | None]
    consensus: Mapping[str, object] | None
    created_at: datetime
    new: bool
    """Whether this call stored it; False for a repetition, which gets the first answer."""

    def document(self) -> dict[str, object]:
        """The answer as JSON values."""
        return {
            "judgment_id": self.judgment_id,
            "q_score": float(self.q_score),
            "verdict": self.verdict,
            "confidence": float(self.confidence),
            "axiom_scores": dict(self.axiom_scores),
            "consensus": self.consensus,
        }


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A judgment on its way in."""

    row: Mapping[str, object]
    votes: Sequence[Mapping[str, object]]
    evaluation: Evaluation
    digest: str

    @property
    def judgment_id(self) -> str:
        return cast("str", self.row["judgment_id"])


def record(
    conn: psycopg.Connection, submissions: Sequence[Submission], edge: Edge
) -> list[Recorded | CynicError]:
    """Record judgments; one result for each, in order: what is stored, or why it is not.

    `conn` is in autocommit mode. What is returned as `Recorded` has been committed.
    """
    now = edge.clock()
    learned = NOTHING if edge.learned is None else edge.learned.current(conn)
    results: dict[int, Recorded | CynicError] = {}
    candidates = {index: _candidate(one, edge, learned) for index, one in enumerate(submissions)}
    waiting = dict(candidates)
    while waiting:
        # Of several with one id the first goes in; the others repeat it, contradict it, or come after its failure.
        first: dict[str, int] = {}
        for index, candidate in waiting.items():
            first.setdefault(candidate.judgment_id, index)
        todo = {index: waiting.pop(index) for index in first.values()}
        _take(results, todo, _store(conn, todo.values(), now), now)
        if todo:
            _settle(conn, todo, results, now)
        for index, candidate in list(waiting.items()):
            before = first[candidate.judgment_id]
            result = results[before]
            if isinstance(result, Recorded):
                del waiting[index]
                results[index] = _within(candidate, candidates[before], result)
    return [results[index] for index in range(len(submissions))]


def identified(given: Submission, key: str | None, caller: str, edge: Edge) -> Submission:
    """Give a submission without an id the one that an idempotency key stands for: the same key, the same id."""
    if key is None or given.judgment_id is not None:
        return given
    return replace(given, judgment_id=f"jdg_{edge.digest(json.dumps([caller, key]))[:32]}")


def record_one(conn: psycopg.Connection, submission: Submission, edge: Edge) -> Recorded:
    """Record one judgment, or raise why it cannot be."""
    (result,) = record(conn, [submission], edge)
    if isinstance(result, CynicError):
        raise result
    return result


def _store(conn: psycopg.Connection, candidates: Iterable[_Candidate], now: datetime) -> set[str]:
    """Try to store; return the ids that were."""
    chosen = list(candidates)
    parameters = {
        "judgments": to_json([candidate.row for candidate in chosen]),
        "votes": to_json([vote for candidate in chosen for vote in candidate.votes]),
        "now": now,
    }
    return {row[0] for row in conn.execute(_SQL["record"], parameters)}


def _take(
    results: dict[int, Recorded | CynicError],
    todo: dict[int, _Candidate],
    stored: set[str],
    now: datetime,
) -> None:
    for index in [i for i, candidate in todo.items() if candidate.judgment_id in stored]:
        results[index] = _fresh(todo.pop(index), now)


def _settle(
    conn: psycopg.Connection,
    todo: dict[int, _Candidate],
    results: dict[int, Recorded | CynicError],
    now: datetime,
) -> None:
    """Answer repetitions, make missing users and sessions, and store what is left."""
    for _ in range(ATTEMPTS_MAX):
        settled: dict[int, Recorded | CynicError] = {}
        left = dict(todo)
        with conn.transaction():
            _answer_repetitions(conn, left, settled)
            if left:
                _make_missing(conn, left, settled, now)
            if left:
                _take(settled, left, _store(conn, left.values(), now), now)
        results.update(settled)
        todo.clear()
        todo.update(left)
        if not todo:
            return
    for index, candidate in todo.items():
        results[index] = CrowdedError(
            f"others keep changing what {candidate.judgment_id} refers to"
        )


def _answer_repetitions(
    conn: psycopg.Connection,
    todo: dict[int, _Candidate],
    results: dict[int, Recorded | CynicError],
) -> None:
    ids = [candidate.judgment_id for candidate in todo.values()]
    known = {row[0]: row for row in conn.execute(_SQL["recorded"], {"ids": ids})}
    for index in [i for i, candidate in todo.items() if candidate.judgment_id in known]:
        candidate = todo.pop(index)
        judgment_id, q, verdict, confidence, axioms, basis, digest, at = known[
            candidate.judgment_id
        ]
        if digest is None or digest.hex() != candidate.digest:
            results[index] = _differs(judgment_id)
            continue
        results[index] = Recorded(
            judgment_id=judgment_id,
            q_score=q,
            verdict=verdict,
            confidence=confidence,
            axiom_scores=axioms,
            consensus=basis.get("consensus"),
            created_at=at,
            new=False,
        )


def _make_missing(
    conn: psycopg.Connection,
    todo: dict[int, _Candidate],
    results: dict[int, Recorded | CynicError],
    now: datetime,
) -> None:
    _refuse_foreign(conn, todo, results)
    rows = [candidate.row for candidate in todo.values()]
    names = [cast("str", row["username"]) for row in rows if row["username"] is not None]
    if names:
        people.make(conn, names)
    conn.execute(_SQL["make_sessions"], {"judgments": _named(rows), "now": now})


def _refuse_foreign(
    conn: psycopg.Connection,
    todo: dict[int, _Candidate],
    results: dict[int, Recorded | CynicError],
) -> None:
    """Take out those in a session of somebody else, before anything is made for them.

    A session that nobody owns yet goes to the first of them who names a user.
    """
    rows = [candidate.row for candidate in todo.values()]
    owned = dict(conn.execute(_SQL["owners"], {"judgments": _named(rows)}).fetchall())
    for index, candidate in list(todo.items()):
        session, user = candidate.row["session_id"], candidate.row["username"]
        if session is None or user is None:
            continue
        if owned.setdefault(session, user) != user:
            del todo[index]
            results[index] = ForeignSessionError(f"session {session} belongs to another user")


def _named(rows: Sequence[Mapping[str, object]]) -> str:
    """Sessions and users in the order of the submissions, as JSON."""
    return to_json(
        [
            {"place": place, "session_id": row["session_id"], "username": row["username"]}
            for place, row in enumerate(rows)
        ]
    )


def _within(
    candidate: _Candidate, first: _Candidate, result: Recorded
) -> Recorded | JudgmentDiffersError:
    """The answer to a judgment whose id stands earlier in the same batch."""
    if candidate.digest != first.digest:
        return _differs(candidate.judgment_id)
    return replace(result, new=False)


def _differs(judgment_id: str) -> JudgmentDiffersError:
    return JudgmentDiffersError(
        f"{judgment_id} is another judgment already", details={"judgment_id": judgment_id}
    )


def _candidate(submission: Submission, edge: Edge, learned: Learned) -> _Candidate:
    evaluation = evaluate(
        submission,
        weights=learned.weights,
        calibrated=learned.of(submission.context_type, submission.item_type),
        dimension_weights=learned.dimension_weights,
        confidence_shift=learned.confidence_shift,
    )
    new_id = edge.new_id()
    judgment_id = submission.judgment_id or f"jdg_{new_id.hex}"
    digest = edge.digest(submission.canonical())
    agreed = None if evaluation.consensus is None else evaluation.consensus.document()
    row: dict[str, object] = {
        "id": str(new_id),
        "judgment_id": judgment_id,
        "username": submission.user,
        "session_id": submission.session_id,
        "item_type": submission.item_type,
        "item_content": submission.item_content,
        "item_hash": f"hmac-sha256:{edge.digest(submission.item_content)}",
        "q_score": str(evaluation.q_score),
        "confidence": str(evaluation.confidence),
        "verdict": evaluation.verdict,
        "axiom_scores": evaluation.axiom_scores,
        "dimension_scores": evaluation.dimension_scores,
        "context_type": submission.context_type,
        "task_type": submission.task_type,
        "basis": {
            "score_rule": evaluation.score_rule,
            "confidence_rule": evaluation.confidence_rule,
            **({} if agreed is None else {"consensus": agreed}),
            # Without it nobody could derive Q again once such a dimension is retired.
            **({"added_dimensions": _added(submission)} if submission.added else {}),
            **_learned_basis(submission, evaluation, learned),
        },
        "request_digest": digest,
        "consensus_signal": None if agreed is None else _signal(cast("str", agreed["reason"])),
        "dogs": sorted(vote.dog for vote in submission.votes),
    }
    consensus_verdict = None if agreed is None else agreed["verdict"]
    votes = [
        _vote_row(judgment_id, vote, consensus_verdict, learned.weights)
        for vote in submission.votes
    ]
    return _Candidate(row, votes, evaluation, digest)


def _learned_basis(
    submission: Submission, evaluation: Evaluation, learned: Learned
) -> dict[str, object]:
    """What was learned that these numbers rest on, so that they can be derived again."""
    weights = {
        name: learned.dimension_weights[name]
        for name in submission.dimensions
        if name in learned.dimension_weights
    }
    shifted = learned.confidence_shift and evaluation.confidence_rule in SHIFTED_RULES
    return {
        **({"dimension_weights": weights} if weights else {}),
        **({"confidence_shift": learned.confidence_shift} if shifted else {}),
    }


def _added(submission: Submission) -> dict[str, object]:
    return {
        name: {"axiom": placed.axiom, "weight": placed.weight}
        for name, placed in submission.added.items()
    }


def _vote_row(
    judgment_id: str, vote: Vote, consensus_verdict: object, weights: Mapping[str, Decimal]
) -> dict[str, object]:
    word = verdict_of(100 * vote.score)
    metadata: dict[str, object] = {
        "verdict": word,
        "consensus_verdict": consensus_verdict,
        "confidence_rule": vote.confidence_rule,
    }
    if weights:
        metadata["weight"] = weights.get(vote.dog, 1)
    if vote.veto:
        metadata["veto"] = True
    if vote.error is not None:
        metadata["failed"] = True
    signal = "DOG_VOTE_ABSTAIN" if vote.abstains else "DOG_VOTE_CAST"
    return {
        "judgment": judgment_id,
        "dog": vote.dog,
        "score": str(vote.score),
        "confidence": str(vote.confidence),
        "word": word,
        # What a failed dog said stands where erasing a person reaches it.
        "reasoning": vote.reasoning if vote.error is None else vote.error,
        "metadata": metadata,
        "signal": signal if vote.error is None else "DOG_ERROR",
    }


def _signal(reason: str) -> str:
    return "CONSENSUS_REACHED" if reason in {"approved", "rejected"} else "CONSENSUS_FAILED"


def _fresh(candidate: _Candidate, now: datetime) -> Recorded:
    evaluation = candidate.evaluation
    agreed = evaluation.consensus
    return Recorded(
        judgment_id=candidate.judgment_id,
        q_score=evaluation.q_score,
        verdict=evaluation.verdict,
        confidence=evaluation.confidence,
        axiom_scores={
            name: None if value is None else float(value)
            for name, value in evaluation.axiom_scores.items()
        },
        consensus=None if agreed is None else agreed.document(),
        created_at=now,
        new=True,
    )
