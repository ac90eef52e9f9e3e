"""Preferences, weights of dimensions and behaviour: what answers make of them, and what they change."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from test_learn import one

from cynic.domains.core.score import NO_WEIGHTS
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.preference_table import Preferences
from cynic.domains.learning.preferences import fit_wins
from cynic.flows import learn, record, submission
from cynic.flows.evaluate import evaluate
from cynic.flows.learned import LearnedSource
from cynic.flows.learning import cycle, dpo
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge


def loops(conn: psycopg.Connection) -> dict[str, Any]:
    shown: Any = status(conn)
    return {loop["loop"]: loop for loop in shown["loops"]}


def weights(conn: psycopg.Connection, context: str) -> dict[str, float]:
    rows = conn.execute(
        "SELECT dog_name, weight::float8 FROM routing_weights WHERE context_type = %s", [context]
    )
    return dict(rows.fetchall())


def test_dogs_that_were_right_are_preferred_to_those_that_were_wrong(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    votes = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.1}]
    for _ in range(30):
        judged = judge(context_type="new context", votes=[*votes, {"dog": "Oracle", "score": 0.9}])
        say(judged.judgment_id, "correct", user="ada")
    learn.run(conn, edge)
    found = weights(conn, "new context")
    assert len(found) == 11
    assert sum(found.values()) == pytest.approx(1)
    assert max(found, key=found.__getitem__) in {"Sage", "Oracle"}
    assert min(found, key=found.__getitem__) == "Scout"
    pairs = conn.execute(
        "SELECT chosen ->> 'dog', rejected ->> 'dog', cardinality(feedback_ids), confidence, batch_id LIKE 'lrn_%' "
        "FROM preference_pairs"
    ).fetchall()
    assert len(pairs) == 30, "each vote is in one pair"
    assert {row[1:] for row in pairs} == {("Scout", 1, Decimal("0.618"), True)}
    assert {row[0] for row in pairs} == {"Sage", "Oracle"}, "not always the same two meet"
    assert one(conn, "SELECT count(*) FROM routing_weights WHERE confidence > 0.618") == 0
    shown = loops(conn)["dpo"]
    assert shown["data"] == 30
    assert shown["detail"]["contexts"]["new context"]["Scout"]["answers"] == 30
    assert shown["last_change"]["event"] == "update"


def test_a_decision_of_one_dog_meets_the_next_of_another(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told: list[str] = []
    for dog, outcome in (
        ("Sage", "incorrect"),
        ("Sage", "correct"),
        ("Scout", "incorrect"),
        ("Scout", "correct"),
        ("Sage", "correct"),
    ):
        judged = judge(context_type="c", votes=[{"dog": dog, "score": 0.9}]).judgment_id
        say(judged, outcome, user="ada")
        told.append(judged)
    learn.run(conn, edge)
    pair = "SELECT chosen ->> 'judgmentId', rejected ->> 'judgmentId', cardinality(feedback_ids) FROM preference_pairs"
    # The last of Sage's meets Scout's first; the next two say the same, and make none.
    assert conn.execute(pair).fetchall() == [(told[1], told[2], 2)]
    assert weights(conn, "c")["Sage"] > weights(conn, "c")["Scout"]
    say(told[2], "correct", user="ada")
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM preference_pairs") == 0
    assert list(weights(conn, "c").values()) == pytest.approx([1 / 11] * 11)


def test_a_dog_that_is_seldom_sent_is_compared_fairly(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    rng = random.Random(1)
    for number in range(400):
        # Sage is right 4 of 5 times and sent 9 of 10 times; Scout is right every other time.
        dog, skill = ("Scout", 0.5) if number % 10 == 5 else ("Sage", 0.8)
        judged = judge(context_type="c", votes=[{"dog": dog, "score": 0.9}])
        say(judged.judgment_id, "correct" if rng.random() < skill else "incorrect")
    learn.run(conn, edge)
    found = weights(conn, "c")
    assert found["Sage"] > 2 * found["Scout"], found


def test_a_liar_alone_and_partial_answers_make_no_pair(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for outcome in ("incorrect", "partial", "incorrect"):
        say(judge(votes=[{"dog": "Scout", "score": 0.9}]).judgment_id, outcome)
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM preference_pairs") == 0
    assert one(conn, "SELECT epoch FROM dpo_optimizer_state") == 0
    assert loops(conn)["dpo"]["state"] == "not enough data yet (0 of 1)"


def test_pairs_that_others_wrote_count_once_and_nonsense_counts_for_nothing(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for chosen, rejected in (("Sage", "Scout"), ("Sage", "Sage"), ("Cerberus", "Scout")):
        conn.execute(
            "INSERT INTO preference_pairs (chosen, rejected, context_type) "
            "VALUES (jsonb_build_object('dog', %s::text), jsonb_build_object('dog', %s::text), 'c')",
            [chosen, rejected],
        )
    say(judge(context_type="c").judgment_id, "correct")
    learn.run(conn, edge)
    # Each was looked at, so that what nothing can be learned from does not wait for ever.
    assert one(conn, "SELECT count(*) FROM preference_pairs WHERE NOT processed") == 0
    assert one(conn, "SELECT count(*) FROM preference_pairs WHERE batch_id LIKE 'lrn_%'") == 1
    assert one(conn, "SELECT total_pairs_processed FROM dpo_optimizer_state") == 1
    found = weights(conn, "c")
    assert found["Sage"] > found["Scout"]
    assert loops(conn)["dpo"]["data"] == 1


def test_the_pull_to_the_present_weights_leads_to_the_optimum_of_all_pairs(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 25)
    skills = {"Sage": 0.72, "Scout": 0.68, "Oracle": 0.62, "Analyst": 0.2}
    rng = random.Random(4)
    for _ in range(400):
        votes = [
            {"dog": dog, "score": 0.9 if rng.random() < skill else 0.1}
            for dog, skill in skills.items()
        ]
        judged = judge(context_type="c", votes=votes)
        # The item should have passed.
        say(judged.judgment_id, "correct" if judged.verdict in {"HOWL", "WAG"} else "incorrect")
    learn.run(conn, edge)
    kept = one(
        conn,
        "SELECT weights FROM loop_persistence_state WHERE loop_name = 'dpo' AND state_type = 'c'",
    )
    table = Preferences.restored(kept).table()
    best = fit_wins(table, dict.fromkeys(DOGS, 0.5))
    assert best is not None
    assert weights(conn, "c") == pytest.approx(best.weights, abs=0.06)


@pytest.mark.parametrize(
    ("change", "dogs"), [((-0.2, -0.3, -0.1), ("Sage", "Scout")), ((-0.1, -0.3, 0.1), ("Sage",))]
)
def test_weights_that_would_earn_less_do_not_go_live(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
    change: tuple[float, float, float],
    dogs: tuple[str, ...],
) -> None:
    """Significantly less where dogs vote together, at all where they are sent alone."""
    monkeypatch.setattr(dpo, "change", lambda *_: dpo.Change(*change))
    if len(dogs) == 1:
        judged = judge(context_type="c", votes=[{"dog": "Scout", "score": 0.1}])
        say(judged.judgment_id, "incorrect")
        judged = judge(context_type="c", votes=[{"dog": "Sage", "score": 0.9}])
        say(judged.judgment_id, "correct")
        learn.run(conn, edge)
        assert one(conn, "SELECT count(*) FROM preference_pairs") == 1
        assert list(weights(conn, "c").values()) == pytest.approx([1 / 11] * 11)
        return
    votes = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.1}]
    say(judge(context_type="c", votes=votes).judgment_id, "correct")
    learn.run(conn, edge)
    assert list(weights(conn, "c").values()) == pytest.approx([1 / 11] * 11)
    assert one(
        conn, "SELECT event_type, action_taken FROM learning_events WHERE loop_type = 'dpo'"
    ) == ("held", "worse than the present weights")


def judged_by_dimensions(rng: random.Random) -> tuple[dict[str, float], bool]:
    """COHERENCE foretells whether the item is good; NOVELTY is noise that swings wider."""
    good = rng.random() < 0.5
    telling = rng.gauss(62 if good else 42, 12)
    noise = rng.gauss(50, 26)
    return {
        "COHERENCE": min(100, max(0, round(telling, 1))),
        "NOVELTY": min(100, max(0, round(noise, 1))),
        "HARMONY": min(100, max(0, round(rng.gauss(50, 26), 1))),
    }, good


def test_the_score_agrees_better_with_outcomes_once_dimensions_are_weighed(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 20)
    rng = random.Random(618)
    for _ in range(400):
        dimensions, good = judged_by_dimensions(rng)
        judged = judge(dimensions=dimensions)
        right = (judged.verdict in {"HOWL", "WAG"}) is good
        say(judged.judgment_id, "correct" if right else "incorrect", user="ada")
    learn.run(conn, edge)
    learned = one(conn, "SELECT dimension_weights FROM learning_state")
    assert learned["COHERENCE"] > 1.2
    shown = loops(conn)["sona"]
    assert (shown["state"], shown["data"]) == ("learning", 400)
    assert shown["detail"]["weights"] == learned
    preferred = one(conn, "SELECT preferred_dimensions FROM user_learning_profiles")
    assert [found["dimension"] for found in preferred] == ["COHERENCE"]
    using = LearnedSource()
    hits = {"plain": 0, "weighed": 0}
    known = using.current(conn).dimension_weights
    for _ in range(2000):
        dimensions, good = judged_by_dimensions(rng)
        given = submission.read_judgment(
            {"item_type": "code", "item_content": "x", "dimensions": dimensions}
        )
        for name, weights_used in (("plain", NO_WEIGHTS), ("weighed", known)):
            verdict = evaluate(given, dimension_weights=weights_used).verdict
            hits[name] += (verdict in {"HOWL", "WAG"}) is good
    assert hits["weighed"] > hits["plain"] + 10, hits
    dimensions, _ = judged_by_dimensions(rng)
    given = submission.read_judgment(
        {"item_type": "code", "item_content": "x", "dimensions": dimensions}
    )
    record.record_one(conn, given, replace(edge, learned=using))
    basis = one(conn, "SELECT basis FROM judgments ORDER BY created_at DESC LIMIT 1")
    assert basis["dimension_weights"]["COHERENCE"] == learned["COHERENCE"]


def test_a_changed_mind_leaves_the_sums_as_if_it_had_been_so_from_the_start(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    sums = "SELECT weights -> 'sums' FROM loop_persistence_state WHERE loop_name = 'sona'"
    first = judge(dimensions={"COHERENCE": 70, "IMPACT": 20}).judgment_id
    second = judge(dimensions={"COHERENCE": 30, "IMPACT": 20}).judgment_id
    say(first, "correct", user="ada")
    say(second, "correct", user="ada")
    learn.run(conn, edge)
    wanted = one(conn, sums), one(conn, "SELECT sums FROM ops_user_dimensions")
    say(first, "incorrect", user="ada")
    learn.run(conn, edge)
    assert one(conn, sums) != wanted[0]
    say(first, "correct", user="ada")
    learn.run(conn, edge)
    assert (one(conn, sums), one(conn, "SELECT sums FROM ops_user_dimensions")) == wanted
    conn.execute("SELECT erase_user((SELECT id FROM users))")
    assert one(conn, "SELECT count(*) FROM ops_user_dimensions") == 0, "it goes with the person"


@pytest.mark.parametrize(
    ("outcome", "shift"), [("incorrect", -0.1), ("correct", 0.0), ("partial", 0.0)]
)
def test_confidence_that_nobody_gave_moves_towards_how_often_it_is_right(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, outcome: str, shift: float
) -> None:
    for _ in range(4):
        say(judge().judgment_id, outcome)
    learn.run(conn, edge)
    shown = loops(conn)["behavior"]
    # One vote of one: stated as certain, it cannot be said more surely.
    assert shown["detail"]["confidence_shift"] == pytest.approx(shift)
    using = replace(edge, learned=LearnedSource())
    given = submission.read_judgment(
        {"item_type": "other", "item_content": "x", "votes": [{"dog": "Sage", "score": 0.9}]}
    )
    stored = record.record_one(conn, given, using)
    assert stored.confidence == Decimal("0.618") * (1 + Decimal(str(shift)))
    sure = submission.read_judgment(
        {
            "item_type": "other",
            "item_content": "x",
            "probability": 0.9,
            "votes": [{"dog": "Sage", "score": 0.9}],
        }
    )
    assert record.record_one(conn, sure, using).confidence == Decimal("0.5562"), "given is given"
