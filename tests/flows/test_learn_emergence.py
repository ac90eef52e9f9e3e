"""Emergence: what comes again and again is found, counted once, merged, locked when chance does not explain it, and fades."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Any

from test_learn_residual import one, rows

from cynic.flows import learn
from cynic.flows.learning import consolidation, cycle, emergence
from cynic.flows.learning.cycle import Answered
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    import psycopg
    import pytest

    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

PATTERNS = "SELECT name, confidence::float8, frequency, source_judgments, tags FROM patterns ORDER BY confidence DESC, name"


def answer(judge: Judge, say: Say, task: str, *, should_pass: bool = True, **fields: Any) -> str:
    judged = judge(context_type="review", task_type=task, **fields)
    passed = judged.verdict in {"HOWL", "WAG"}
    say(judged.judgment_id, "correct" if passed is should_pass else "incorrect")
    return judged.judgment_id


def names(conn: psycopg.Connection) -> set[str]:
    return {row[0] for row in rows(conn, "SELECT name FROM patterns")}


def shared(conn: psycopg.Connection) -> list[Any]:
    found = one(conn, "SELECT patterns, weights, pattern_count FROM shared_memory_patterns")
    patterns, weights, count = found
    assert count == len(patterns) == len(weights)
    assert weights == {pattern["id"]: pattern["confidence"] for pattern in patterns}
    return patterns


def test_what_recurs_is_found_with_its_judgments(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    merges = [answer(judge, say, "merge") for _ in range(4)]
    for _ in range(4):
        answer(judge, say, "deploy", should_pass=False)
    answer(judge, say, "rare")
    learn.run(conn, edge)
    assert "task:merge" in names(conn)
    assert not any("deploy" in name for name in names(conn)), "those do not pass"
    assert not any("rare" in name for name in names(conn)), "once is no pattern"
    name, confidence, frequency, sources, tags = rows(conn, PATTERNS)[0]
    assert (name, frequency, tags) == ("task:merge", 4, ["task:merge"])
    assert sources == merges
    assert 0.236 <= confidence < 0.618
    evolved = one(
        conn,
        "SELECT pattern_type, occurrence_count, merged_at, trend_direction, strength::float8 FROM pattern_evolution "
        "WHERE pattern_key LIKE '%merge%'",
    )
    assert evolved[:4] == ("review", 4, None, "up")
    assert 0 < evolved[4] <= 100
    assert shared(conn)[0]["tags"] == ["task:merge"]
    event = one(
        conn,
        "SELECT metadata -> 'judgments' FROM learning_events WHERE event_type = 'emerged' AND metadata -> 'tags' = '[\"task:merge\"]'",
    )
    assert event == merges
    shown: Any = {loop["loop"]: loop for loop in status(conn)["loops"]}  # pyright: ignore[reportGeneralTypeIssues]
    assert shown["emergence"]["state"] == "learning"
    assert shown["emergence"]["detail"]["surest"][0]["tags"] == ["task:merge"]


def test_an_answer_is_counted_once_however_cycles_fall(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for _ in range(6):
        answer(judge, say, "merge")
        learn.run(conn, edge)
    learn.run(conn, edge)
    assert one(conn, "SELECT frequency FROM patterns WHERE name = 'item:code'") == 6


def test_partial_answers_say_nothing_and_a_changed_mind_is_counted_no_more(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for _ in range(4):
        say(judge(task_type="merge").judgment_id, "partial")
    learn.run(conn, edge)
    assert rows(conn, PATTERNS) == []
    judged = [answer(judge, say, "merge") for _ in range(12)]
    learn.run(conn, edge)
    before = one(conn, "SELECT confidence FROM patterns WHERE name = 'item:code'")
    for name in judged[:2]:
        say(name, "incorrect")
    say(judged[2], "partial")
    learn.run(conn, edge)
    confidence, frequency = one(
        conn, "SELECT confidence, frequency FROM patterns WHERE name = 'item:code'"
    )
    assert frequency == 11
    assert confidence < before
    counted = one(
        conn,
        "SELECT weights FROM loop_persistence_state WHERE loop_name = 'emergence' AND state_type = 'review'",
    )
    assert (counted["judgments"], counted["passes"]) == (11, 9)


def test_patterns_with_the_same_judgments_are_one(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    # At first tasks and types of item come apart, later they always come together.
    for number in range(12):
        answer(judge, say, ("merge", "other")[number % 2], item_type=("code", "text")[number // 6])
    learn.run(conn, edge)
    assert {"task:merge", "item:code"} <= names(conn)
    for _ in range(40):
        answer(judge, say, "merge", item_type="code")
    learn.run(conn, edge)
    parents, merged = one(
        conn,
        "SELECT (SELECT array_agg(e.pattern_key) FROM pattern_evolution AS e WHERE e.id = ANY (k.parent_ids)), "
        "(SELECT array_agg(e.pattern_key) FROM pattern_evolution AS e WHERE e.merged_at IS NOT NULL) "
        "FROM pattern_evolution AS k WHERE cardinality(k.parent_ids) > 0",
    )
    assert sorted(parents) == sorted(merged)
    live = {tuple(pattern["tags"]) for pattern in shared(conn)}
    assert len(live & {("task:merge",), ("item:code",), ("verdict:HOWL",)}) == 1
    assert one(conn, "SELECT sum(patterns_merged) FROM learning_cycles") == len(merged)


def test_a_pattern_fades_by_the_time_of_the_answers_and_its_row_says_so(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    for _ in range(4):
        answer(judge, say, "merge")
    learn.run(conn, edge)
    clock.move(days=200)
    for _ in range(3):
        say(judge(context_type="other").judgment_id, "incorrect")
    learn.run(conn, edge)
    assert float(one(conn, "SELECT confidence FROM patterns WHERE name = 'item:code'")) < 0.236
    assert shared(conn) == []
    assert one(conn, "SELECT count(*) FROM learning_events WHERE event_type = 'faded'") >= 1
    for _ in range(4):
        answer(judge, say, "merge")
    learn.run(conn, edge)
    assert float(one(conn, "SELECT confidence FROM patterns WHERE name = 'item:code'")) >= 0.236
    assert one(conn, "SELECT count(*) FROM patterns WHERE name = 'item:code'") == 1


def test_what_chance_does_not_explain_is_locked_and_keeps_what_it_says(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consolidation, "EVERY_ANSWERS", 50)
    rng = random.Random(2)
    dimensions = ("ACCURACY", "UTILITY", "COHERENCE", "CANDOR")

    def a_batch(sure: bool) -> None:
        for _ in range(60):
            task = rng.choice(["merge", "deploy", "review", "write"])
            judged = {name: rng.choice([20, 60, 90]) for name in dimensions}
            should = sure if task == "merge" else rng.random() < 0.5
            answer(judge, say, task, should_pass=should, dimensions=judged)
        learn.run(conn, edge)

    for _ in range(4):
        a_batch(sure=True)
    locked = rows(
        conn,
        "SELECT name, fisher_importance::float8, locked_at FROM patterns WHERE consolidation_locked",
    )
    assert locked
    assert all("merge" in name for name, *_ in locked)
    assert all(importance >= 0.95 for _, importance, _ in locked)
    entries, average = one(
        conn,
        "SELECT fisher_entries, avg_fisher FROM ewc_consolidation_history ORDER BY id DESC LIMIT 1",
    )
    assert entries >= 13
    assert 0 < average < 1
    said = "SELECT pattern_id, confidence, source_judgments FROM patterns WHERE consolidation_locked ORDER BY 1"
    before = rows(conn, said)
    a_batch(sure=False)
    assert rows(conn, said) == before
    clock.move(days=31)
    for _ in range(3):
        a_batch(sure=False)
    assert len(rows(conn, said)) < len(before), "freed after thirty days"
    assert one(conn, "SELECT count(*) FROM learning_events WHERE event_type = 'unlocked'") >= 1


def test_a_category_has_at_most_twenty_one_patterns(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    tasks = [f"t{number}" for number in range(30)]
    for task, _ in itertools.product(tasks, range(4)):
        answer(judge, say, task)
    learn.run(conn, edge)
    kept = one(
        conn,
        "SELECT jsonb_array_length(weights -> 'patterns') FROM loop_persistence_state WHERE loop_name = 'emergence'",
    )
    assert kept == 21 == len(shared(conn))


def test_at_most_twenty_tags_whatever_was_judged() -> None:
    some: Any = {
        "place": 1,
        "feedback_id": None,
        "judgment_id": "j",
        "outcome": "correct",
        "actual_score": None,
        "q": 90.0,
        "passed": True,
        "verdict": "HOWL",
        "context": "c",
        "task": "t",
        "item": "i",
        "session_id": None,
        "user_id": None,
        "dimensions": {f"D{n}": float(n % 3) * 45 for n in range(36)},
        "votes": [(f"dog{n}", False) for n in range(11)],
        "judged_at": None,
        "answered_at": None,
        "confidence": 0.5,
    }
    assert len(emergence.tags_of(Answered(**some))) == 20


def test_dogs_that_see_otherwise_are_a_tag(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 5)
    for _ in range(20):
        votes = [{"dog": "Sage", "score": 0.1}, {"dog": "Scout", "score": 0.3}]
        answer(
            judge, say, "merge", should_pass=True, votes=[*votes, {"dog": "Oracle", "score": 0.7}]
        )
        answer(judge, say, "deploy", should_pass=False, votes=votes)
    learn.run(conn, edge)
    found = " ".join(names(conn))
    assert "dissent:Oracle" in found or "task:merge" in found
    assert "deploy" not in found
