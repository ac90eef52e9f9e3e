"""Learning through the product's own flow and tables: Q updates against COPY of their journal, equality, a long pass."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, NamedTuple, cast

from benchmarks import ground, learning_routing
from benchmarks.measure import Absent, Throughput, Value
from cynic.base import clock, ids
from cynic.db import sqlfile
from cynic.db.copying import copy_rows
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.adaptive import AdaptiveRouter
from cynic.domains.learning.answers import state_key
from cynic.domains.learning.qlearning import Step
from cynic.flows import feedback, learn, record, submission
from cynic.flows.edge import Edge, digest_key
from cynic.flows.learning import cycle, ewc
from cynic.flows.learning.state import Keeper, q_learning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

    from benchmarks.learning_routing import Task
    from cynic.db.connect import Database

ROUNDS = 3
BATCH = 1000
SIGNALS = 100_000
PEOPLE = 5
TOLD_AT_ONCE = 500
CODE = "code"
OUTCOMES = {1.0: "correct", 0.5: "partial", 0.0: "incorrect"}
NEVER = 10**9

COPIED = {"journal": "journaled", "events": "logged", "episodes": "tried"}
"""The statement that copies rows → the one that reads them where learning wrote them."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("queued.sql")))


class Told(NamedTuple):
    """One decision of the stream, as the router by itself made it."""

    context: str
    dog: str
    reward: float


def run() -> Iterator[Value | Absent | Throughput]:
    """Updates a second, the stream that must be equal, and one pass over a hundred thousand signals."""
    with ground.server() as address:
        for votes, at_once, ratio_min in (
            (11, "updates", 0.3),
            (11, "answers", 0.3),
            (1, "answers", None),
        ):
            limit = BATCH if at_once == "answers" else BATCH // votes
            yield Throughput(
                what=f"Q updates, {votes} votes, 1000 {at_once} at once vs COPY",
                rounds=_rates(address, votes, limit),
                ratio_min=ratio_min,
            )
        yield from _equal(address)
        # Three votes are what a consensus takes, eleven the whole pack.
        yield from _long_pass(address, 3, (60.0, None, 300.0, 1.5))
        yield from _long_pass(address, len(DOGS), (None, None, 300.0, 1.5))


def fill(conn: psycopg.Connection, name: str, judgments: int, votes: int, people: int) -> None:
    """Queue the answers of so many people to so many judgments."""
    with conn.transaction():
        conn.execute(_SQL["people"], {"people": people})
        conn.execute(_SQL["judgments"], {"name": name, "first": 1, "last": judgments})
        conn.execute(_SQL["votes"], {"name": name, "dogs": list(DOGS[:votes])})
        conn.execute(_SQL["answers"], {"name": name})
    conn.execute("ANALYZE")


def _rates(address: str, votes: int, limit: int) -> list[tuple[float, float]]:
    """Of each round the updates a second, and what COPY of the rows that it wrote would have made of them.

    The rows are those of the journal, the events and the episodes, in as many transactions. Cycles are measured with the
    long pass; here none runs.
    """
    ours = ground.migrated(address, f"ours_{votes}_{limit}")
    limits = ground.migrated(address, f"limit_{votes}_{limit}")
    found: list[tuple[float, float]] = []
    written = dict.fromkeys(COPIED, 0)
    with ours.connect(None) as conn, limits.connect(None) as other:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        keeper = Keeper()
        usual = cycle.ANSWERS
        cycle.ANSWERS = NEVER  # pyright: ignore[reportConstantRedefinition]
        for number in range(ROUNDS):
            fill(conn, f"round-{number}-", BATCH, votes, 2)
            for one in (conn, other):
                one.execute("CHECKPOINT")
            started = time.perf_counter()
            updates = transactions = 0
            while (done := learn.learn(conn, edge, limit=limit, keeper=keeper)).worked:
                updates += done.updates
                transactions += 1
            rate = updates / (time.perf_counter() - started)
            rows = {name: conn.execute(_SQL[read]).fetchall() for name, read in COPIED.items()}
            new = {name: rows[name][written[name] :] for name in COPIED}
            written = {name: len(rows[name]) for name in COPIED}
            found.append((rate, updates / _copied(other, new, transactions)))
        cycle.ANSWERS = usual  # pyright: ignore[reportConstantRedefinition]
    return found


def _copied(
    conn: psycopg.Connection, rows: Mapping[str, Sequence[Sequence[object]]], transactions: int
) -> float:
    """Seconds of COPY of these rows, spread over so many transactions."""
    started = time.perf_counter()
    for number in range(transactions):
        with conn.transaction():
            for name, all_rows in rows.items():
                size = -(-len(all_rows) // transactions)
                copy_rows(conn, _SQL[name], all_rows[number * size : (number + 1) * size])
    return time.perf_counter() - started


def _equal(address: str) -> Iterator[Value | Absent]:
    """The stream of coding tasks, then the same with the models' order reversed; rewards to the nearest half."""
    if not learning_routing.DATA.is_file():
        yield Absent(what="the stream through the flow", why="no data beside the repository")
        return
    tasks = learning_routing.read()
    usual = ewc.UPDATES
    for what, updates in (("without locks", NEVER), ("with locks", usual)):
        ewc.UPDATES = updates  # pyright: ignore[reportConstantRedefinition]  # puts consolidation off
        started = time.perf_counter()
        router, told, means = _streamed(tasks)
        differing = _told_and_learned(ground.migrated(address, f"stream_{updates}"), router, told)
        yield Value(
            what=f"the stream through the flow, {what}: values that differ",
            ours=differing,
            peer=f"the router by itself: {means[0]:.4f}, after the change {means[1]:.4f},"
            f" {router.resets} resets, {len(router.learner.consolidation.locked)} locks",
            bar=0,
            at_most=True,
            seeds=1,
            seconds=time.perf_counter() - started,
        )
    ewc.UPDATES = usual  # pyright: ignore[reportConstantRedefinition]


def _streamed(tasks: Sequence[Task]) -> tuple[AdaptiveRouter, list[Told], tuple[float, float]]:
    """The router by itself, consolidated at the places where the flow does it."""
    rng = random.Random(0)
    models = tuple(tasks[0].rewards)
    dogs = DOGS[: len(models)]
    router = AdaptiveRouter.new(DOGS)
    told: list[Told] = []
    means: list[float] = []
    for order in (models, models[::-1]):
        stands_for: dict[str, str] = dict(zip(dogs, order, strict=True))
        for task in rng.sample(tasks, len(tasks)):
            state = state_key(task.context, None, CODE)
            dog = router.choose(state, dogs, rng).dog
            reward = round(2 * task.rewards[stands_for[dog]]) / 2
            router.learn(Step(state=state, dog=dog, reward=reward))
            told.append(Told(task.context, dog, reward))
            if len(told) % cycle.ANSWERS == 0 and router.suspicion is None:
                router.consolidate(_ready(router))
        means.append(sum(one.reward for one in told[-len(tasks) :]) / len(tasks))
    return router, told, (means[0], means[1])


def _ready(router: AdaptiveRouter) -> list[str]:
    return [
        state
        for state, row in router.learner.gradients.items()
        if max(cell.update_count for cell in row.values()) >= ewc.UPDATES
    ]


def _told_and_learned(database: Database, router: AdaptiveRouter, told: Sequence[Told]) -> int:
    """How many values the flow has otherwise than the router."""
    with database.connect("cynic_app") as conn:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        keeper = Keeper()
        for begin in range(0, len(told), TOLD_AT_ONCE):
            _tell(conn, edge, told[begin : begin + TOLD_AT_ONCE])
            while learn.learn(conn, edge, keeper=keeper).worked:
                pass
        found = q_learning(conn).router
    pairs = (
        (found.learner.table.values, router.learner.table.values),
        (found.learner.table.visits, router.learner.table.visits),
        (found.learner.consolidation.anchor, router.learner.consolidation.anchor),
        (found.learner.consolidation.fisher, router.learner.consolidation.fisher),
    )
    differing = sum(
        ours.get(state, {}).get(dog) != theirs.get(state, {}).get(dog)
        for ours, theirs in pairs
        for state in ours.keys() | theirs.keys()
        for dog in DOGS
    )
    return differing + (found.watched() != router.watched())


def _tell(conn: psycopg.Connection, edge: Edge, told: Sequence[Told]) -> None:
    """Record judgments of one vote each, and answer them so that the vote is worth the reward."""
    with conn.transaction():
        for one in told:
            given = submission.read_judgment(
                {
                    "item_type": CODE,
                    "item_content": "a coding task",
                    "context_type": one.context,
                    "votes": [{"dog": one.dog, "score": 0.9}],
                }
            )
            judged = record.record_one(conn, given, edge)
            answer = submission.read_feedback({"outcome": OUTCOMES[one.reward]})
            feedback.answer(conn, judged.judgment_id, answer, edge)


def _long_pass(address: str, votes: int, bars: tuple[float | None, ...]) -> Iterator[Value]:
    """A hundred thousand answers of five people to judgments with 36 dimensions, in one pass with all its cycles."""
    database = ground.migrated(address, f"long_pass_{votes}")
    with database.connect(None) as conn:
        fill(conn, "long-", SIGNALS // PEOPLE, votes, PEOPLE)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.learning_pass", database.conninfo],
        check=True,
        capture_output=True,
        text=True,
    )
    found = cast("dict[str, float]", json.loads(done.stdout))
    names = (
        ("seconds", "seconds"),
        ("of these in Python", "cpu_seconds"),
        ("MB at most", "megabytes"),
        ("last tenth / first", "ratio"),
    )
    for (what, name), bar in zip(names, bars, strict=True):
        yield Value(
            what=f"one pass over {SIGNALS} signals, {votes} votes: {what}",
            ours=found[name],
            peer="none",
            bar=bar,
            at_most=True,
            seeds=1,
            seconds=found["seconds"],
        )
