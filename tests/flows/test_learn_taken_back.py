"""Changed minds in the loops of a cycle: what is taken back is what was counted, no more and no less."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from test_learn import one

from cynic.flows import learn
from cynic.flows.learning import cycle

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge

OUTCOMES = ("correct", "incorrect", "partial")
DOGS = ("Guardian", "Sage", "Scout", "Oracle")


def history(judge: Judge, say: Say, rng: random.Random) -> None:
    """Decisions of one dog and of several, in two contexts; people answer, and answer again."""
    told: list[str] = []
    for _ in range(30):
        dogs = rng.sample(DOGS, rng.choice((1, 1, 2, 4)))
        votes = [{"dog": dog, "score": rng.choice((0.1, 0.9))} for dog in dogs]
        context = rng.choice(("code", "review"))
        judged = judge(context_type=context, votes=votes, dimensions={"IMPACT": rng.randrange(101)})
        told.append(judged.judgment_id)
        say(judged.judgment_id, rng.choice(OUTCOMES), user=rng.choice(("ada", "bob")))
        if rng.random() < 0.5:
            say(rng.choice(told), rng.choice(OUTCOMES), user=rng.choice(("ada", "bob")))


def kept(conn: psycopg.Connection, loop: str) -> dict[str, Any]:
    rows = conn.execute(
        "SELECT state_type, weights FROM loop_persistence_state WHERE loop_name = %s", [loop]
    )
    return dict(rows.fetchall())


@pytest.mark.parametrize("seed", range(4))
def test_what_is_counted_is_what_counts(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 7)
    rng = random.Random(seed)
    for _ in range(3):
        history(judge, say, rng)
        learn.run(conn, edge)
    # Another count of the same: every vote on a judgment with an answer that counts.
    votes = conn.execute(
        "SELECT j.query_type, v.dog_name, f.outcome = 'partial',"
        " (v.vote_score > 0.5) = ((f.outcome = 'correct') = (j.verdict IN ('HOWL', 'WAG')))"
        " FROM feedback AS f JOIN judgments AS j USING (judgment_id) JOIN dog_votes AS v ON v.item_id = j.judgment_id"
        " WHERE f.superseded_at IS NULL"
    ).fetchall()
    wanted: dict[str, dict[str, dict[str, int]]] = {}
    for context, dog, partial, right in votes:
        seen = wanted.setdefault(context, {}).setdefault(dog, dict.fromkeys(OUTCOMES, 0))
        seen["partial" if partial else "correct" if right else "incorrect"] += 1
    contexts = kept(conn, "dpo")
    for context, state in contexts.items():
        assert {dog: n for dog, n in state["seen"].items() if any(n.values())} == wanted[context]
        wins: dict[str, dict[str, int]] = {}
        pairs = conn.execute(
            "SELECT chosen ->> 'dog', rejected ->> 'dog', round(20 * confidence / 0.618)::integer "
            "FROM preference_pairs WHERE context_type = %s",
            [context],
        ).fetchall()
        for chosen, rejected, units in pairs:
            for winner, loser, share in ((chosen, rejected, units), (rejected, chosen, 20 - units)):
                if share:
                    row = wins.setdefault(winner, {})
                    row[loser] = row.get(loser, 0) + share
        assert state["wins"] == wins
    stale = (
        "SELECT count(*) FROM preference_pairs AS p, unnest(p.feedback_ids) AS i (id) "
        "JOIN feedback AS f ON f.id = i.id WHERE NOT f.applied"
    )
    assert one(conn, stale) == 0, "a pair of an answer that no longer counts"
    totals = one(
        conn,
        "SELECT count(*) FILTER (WHERE f.outcome <> 'partial'), "
        "count(*) FILTER (WHERE f.outcome <> 'partial' AND (f.outcome = 'correct') = (j.verdict IN ('HOWL', 'WAG'))) "
        "FROM feedback AS f JOIN judgments AS j USING (judgment_id) WHERE f.superseded_at IS NULL",
    )
    sums = kept(conn, "sona")["default"]["sums"]
    assert (sums["answers"], sums["found"]) == totals
    assert sums["dimensions"]["IMPACT"][0] == totals[0]
    assert sums["dimensions"]["IMPACT"][3] == 2 * totals[1] - totals[0]
    assert (
        one(conn, "SELECT sum((sums ->> 'answers')::integer) FROM ops_user_dimensions") == totals[0]
    )


def test_a_pair_of_another_context_that_names_an_answer_goes_with_it(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge(context_type="code").judgment_id
    given = say(judged, "correct", user="ada")
    conn.execute(
        'SELECT create_preference_pair(\'{"dog": "Sage"}\', \'{"dog": "Scout"}\', p_context_type => \'elsewhere\', '
        "p_feedback_ids => ARRAY[%s::uuid])",
        [given.feedback_id],
    )
    learn.run(conn, edge)
    assert kept(conn, "dpo")["elsewhere"]["wins"] == {"Sage": {"Scout": 20}}
    say(judged, "incorrect", user="ada")
    assert learn.run(conn, edge).corrected == 1
    assert kept(conn, "dpo")["elsewhere"]["wins"] == {}
    assert one(conn, "SELECT count(*) FROM learning_events WHERE event_type = 'failed'") == 0


def test_what_a_loop_never_counted_is_not_its_to_take_back(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    votes = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.1}]
    say(judge(context_type="other", votes=votes).judgment_id, "correct", user="ada")
    learn.run(conn, edge)
    missed = judge(context_type="c", votes=votes).judgment_id
    # A setting that no fit can take: the turn fails, and what it would have counted is not counted.
    conn.execute("UPDATE dpo_optimizer_state SET beta = 0")
    say(missed, "correct", user="ada")
    learn.run(conn, edge)
    failed = (
        "SELECT count(*) FROM learning_events WHERE loop_type = 'dpo' AND event_type = 'failed'"
    )
    assert one(conn, failed) == 1
    assert set(kept(conn, "dpo")) == {"other"}
    conn.execute("UPDATE dpo_optimizer_state SET beta = 0.1")
    say(missed, "incorrect", user="ada")
    for _ in range(2):
        say(judge(context_type="c", votes=votes).judgment_id, "correct", user="ada")
    learn.run(conn, edge)
    assert one(conn, failed) == 1
    assert kept(conn, "dpo")["c"]["seen"] == {
        "Sage": {"correct": 2, "incorrect": 1, "partial": 0},
        "Scout": {"correct": 1, "incorrect": 2, "partial": 0},
    }
    say(missed, "correct", user="ada")
    learn.run(conn, edge)
    assert kept(conn, "dpo")["c"]["seen"]["Scout"] == {"correct": 0, "incorrect": 3, "partial": 0}


def test_an_answer_that_is_left_open_now_is_no_action_any_more(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = [judge(session_id="s").judgment_id for _ in range(3)]
    for judged in told:
        say(judged, "incorrect", user="ada")
    learn.run(conn, edge)
    for judged in told:
        say(judged, "partial", user="ada")
    learn.run(conn, edge)
    assert kept(conn, "meta-cognition")["judgments s"]["actions"] == []
    say(told[0], "correct", user="ada")
    learn.run(conn, edge)
    assert kept(conn, "meta-cognition")["judgments s"]["actions"] == [["code", True, told[0]]]


def test_biases_and_people_show_in_their_tables(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for number in range(80):
        score = 0.9 if number % 2 else 0.1
        judged = judge(votes=[{"dog": "Sage", "score": score}]).judgment_id
        # What passes is wrong 3 of 4 times, what does not is right.
        outcome = "incorrect" if number % 2 and number % 8 != 7 else "correct"
        say(judged, outcome, user="ada")
    learn.run(conn, edge)
    (bias,) = one(conn, "SELECT detected_biases FROM learning_state")
    assert (bias["side"], bias["right"], bias["answers"]) == ("pass", 10, 40)
    assert one(conn, "SELECT axiom_weights FROM learning_state") == dict.fromkeys(
        ("PHI", "VERIFY", "CULTURE", "BURN"), 1
    )
    found, rate = one(
        conn, "SELECT feedback_bias::float8, learning_rate::float8 FROM user_learning_profiles"
    )
    # 40 items passed; by the answers 10 of them should have, and none of the others.
    assert found == pytest.approx(0.618 * (10 - 40) / (80 + 1 / 0.236))
    assert rate == pytest.approx(1 / (80 + 1 / 0.236))
