"""Preferences through the product's own flow and tables: coding tasks judged by eight models, answered, learned.

Each task of the training part is a judgment on which the models vote, passing it when they solved it; the answer says that
it should have passed. What is measured is what the weights of `routing_weights` earn on the held-out tasks. Each is also
decided by one model alone, as when somebody routes, sent there at random: from far less, the weights must still be better
than the best single model.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks import ground, learning_routing
from benchmarks.measure import Absent, Value
from cynic.base import clock, ids
from cynic.base.errors import CynicError
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.preferences import Preference, fit, policy_value
from cynic.flows import feedback, learn, record, submission
from cynic.flows.edge import Edge, digest_key
from cynic.flows.learning.state import Keeper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

    from benchmarks.learning_routing import Task
    from cynic.flows.record import Recorded
    from cynic.flows.submission import Submission

SPLITS = 3
TRAINED_SHARE = 0.7
AT_ONCE = 500
EVEN = 0.5
Weights = dict[str, dict[str, float]]


def run() -> Iterator[Value | Absent]:
    """The value of the learned weights, of votes and of single decisions."""
    if not learning_routing.DATA.is_file():
        yield Absent(what="preferences through the flow", why="no data beside the repository")
        return
    tasks = learning_routing.read()
    found: dict[bool, list[float]] = {True: [], False: []}
    optima: list[float] = []
    bests: list[float] = []
    singles: list[float] = []
    started = time.perf_counter()
    with ground.server() as address:
        for seed in range(SPLITS):
            rng = random.Random(seed)
            shuffled = rng.sample(tasks, len(tasks))
            cut = round(TRAINED_SHARE * len(tasks))
            train, test = shuffled[:cut], shuffled[cut:]
            for all_vote, values in found.items():
                name = f"preferences_{seed}_{'all' if all_vote else 'one'}"
                weights = _learned(address, name, train, rng if not all_vote else None)
                values.append(_value(weights, test))
            optima.append(_value(_optimum(train, rng), test))
            bests.append(_hindsight(test))
            singles.append(_best_single(train, test))
    seconds = time.perf_counter() - started
    best, single = statistics.fmean(bests), statistics.fmean(singles)
    peer = (
        f"{statistics.fmean(optima):.4f}, the optimum of one pair a task by itself;"
        f" best of each context in hindsight {best:.4f}, best single model {single:.4f}"
    )
    for what, all_vote, bar in (
        ("preferences through the flow, all models vote", True, 0.508),
        ("preferences through the flow, one model decides", False, round(single, 4)),
    ):
        yield Value(
            what=what,
            ours=statistics.fmean(found[all_vote]),
            peer=peer,
            bar=bar,
            seeds=SPLITS,
            seconds=seconds,
        )


def _learned(
    address: str, name: str, train: Sequence[Task], routed: random.Random | None
) -> Weights:
    """The weights after judging and answering the tasks; with a generator each is decided by one model."""
    with ground.migrated(address, name).connect("cynic_app") as conn:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        keeper = Keeper()
        for begin in range(0, len(train), AT_ONCE):
            _tell(conn, edge, train[begin : begin + AT_ONCE], routed)
            while learn.learn(conn, edge, keeper=keeper).worked:
                pass
        learn.run(conn, edge, keeper=keeper)
        weights: Weights = {}
        rows = conn.execute("SELECT context_type, dog_name, weight::float8 FROM routing_weights")
        for context, dog, weight in rows:
            weights.setdefault(context, {})[dog] = weight
    return weights


def _optimum(train: Sequence[Task], rng: random.Random) -> Weights:
    """The weights of the pure function from one pair a task, where two models differ: without flow and tables."""
    pairs: dict[str, list[Preference]] = {}
    models = DOGS[: len(train[0].rewards)]
    for task in train:
        scores = dict(zip(models, task.rewards.values(), strict=True))
        apart = [(a, b) for a in models for b in models if scores[a] > scores[b]]
        if apart:
            chosen, rejected = rng.choice(apart)
            pair = Preference(context=task.context, chosen=chosen, rejected=rejected)
            pairs.setdefault(task.context, []).append(pair)
    fitted = {context: fit(known, dict.fromkeys(models, EVEN)) for context, known in pairs.items()}
    return {context: one.weights for context, one in fitted.items() if one is not None}


def _tell(
    conn: psycopg.Connection, edge: Edge, tasks: Sequence[Task], routed: random.Random | None
) -> None:
    judged = record.record(conn, [_submission(task, routed) for task in tasks], edge)
    with conn.transaction():
        for one in judged:
            if isinstance(one, CynicError):
                raise one
            answer = submission.read_feedback({"outcome": _outcome(one)})
            feedback.answer(conn, one.judgment_id, answer, edge)


def _submission(task: Task, routed: random.Random | None) -> Submission:
    dogs: dict[str, float] = dict(zip(DOGS, task.rewards.values(), strict=False))
    voting = list(dogs) if routed is None else [routed.choice(list(dogs))]
    return submission.read_judgment(
        {
            "item_type": "code",
            "item_content": "a coding task",
            "context_type": task.context,
            "votes": [{"dog": dog, "score": 0.9 if dogs[dog] > EVEN else 0.1} for dog in voting],
        }
    )


def _outcome(judged: Recorded) -> str:
    """The item should have passed."""
    return "correct" if judged.verdict in {"HOWL", "WAG"} else "incorrect"


def _value(weights: Mapping[str, Mapping[str, float]], test: Sequence[Task]) -> float:
    """What the weights earn, those of the models made to sum to 1: the other dogs stand for none."""
    models = DOGS[: len(test[0].rewards)]
    policies = {
        context: {dog: row[dog] / sum(row[one] for one in models) for dog in models}
        for context, row in weights.items()
    }
    return statistics.fmean(
        policy_value(policies[task.context], dict(zip(models, task.rewards.values(), strict=True)))
        for task in test
    )


def _hindsight(test: Sequence[Task]) -> float:
    contexts = {task.context for task in test}
    return sum(
        max(
            sum(task.rewards[model] for task in test if task.context == context)
            for model in test[0].rewards
        )
        for context in contexts
    ) / len(test)


def _best_single(train: Sequence[Task], test: Sequence[Task]) -> float:
    best = max(train[0].rewards, key=lambda model: sum(task.rewards[model] for task in train))
    return statistics.fmean(task.rewards[best] for task in test)
