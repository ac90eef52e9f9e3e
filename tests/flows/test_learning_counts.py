"""What the loops say they have seen: answers that stand, each once, whatever was said and taken back on the way."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from test_learn import one
from test_learn_adapted import loops
from test_learn_taken_back import history, kept

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.preference_table import Preferences
from cynic.flows import learn
from cynic.flows.learning import cycle, dpo

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge

PAIR = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.1}]
DECIDED = (
    "FROM feedback AS f JOIN judgments AS j USING (judgment_id) "
    "WHERE f.superseded_at IS NULL AND f.outcome <> 'partial'"
)


def test_forty_flips_of_one_answer_are_one_answer(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge(votes=PAIR, dimensions={"IMPACT": 80}).judgment_id
    for number in range(40):
        say(judged, ("correct", "incorrect")[number % 2], user="bob")
        # A cycle after each, so that each is taken back from what a former one counted.
        learn.run(conn, edge)
    found = loops(conn)
    per_answer = ("thompson", "dog-votes", "calibration")
    assert {name: found[name]["data"] for name in per_answer} == dict.fromkeys(per_answer, 1)
    assert found["calibration"]["detail"]["answers"] == 1
    adapted = ("dpo", "sona", "behavior", "emergence")
    assert {name: found[name]["data"] for name in adapted} == dict.fromkeys(adapted, 1)
    assert found["emergence"]["detail"]["answers"] == 1
    shown = [found[name]["state"] for name in (*per_answer, "sona", "behavior", "emergence")]
    assert all(state.startswith("not enough data yet (1 of ") for state in shown), shown
    say(judged, "partial", user="bob")
    learn.run(conn, edge)
    found = loops(conn)
    # An answer that leaves it open is one to Thompson's arms, and decides nothing for the others.
    assert found["thompson"]["data"] == 1
    others = ("dog-votes", "calibration", *adapted)
    assert {name: found[name]["data"] for name in others} == dict.fromkeys(others, 0)


def test_an_answer_is_one_to_the_arms_however_many_dogs_voted(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for context, answers in (("a", 2), ("b", 3)):
        for _ in range(answers):
            say(judge(context_type=context, votes=PAIR).judgment_id, "correct")
    learn.run(conn, edge)
    found = loops(conn)
    assert found["thompson"]["data"] == 3, "of the arm that knows most"
    assert list(found["thompson"]["detail"]["contexts"]) == ["b", "a"]
    assert found["thompson"]["detail"]["contexts"]["b"]["dogs"]["Scout"]["answers"] == 3
    assert (found["emergence"]["data"], found["emergence"]["detail"]["answers"]) == (3, 5)
    assert (found["calibration"]["data"], found["calibration"]["detail"]["answers"]) == (3, 5)


def test_contexts_are_shown_by_what_is_known_of_them_not_by_how_often_minds_changed(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    flipped = judge(context_type="flipped").judgment_id
    for number in range(6):
        say(flipped, ("correct", "incorrect")[number % 2], user="bob")
    for _ in range(2):
        say(judge(context_type="known").judgment_id, "correct")
    learn.run(conn, edge)
    found = loops(conn)
    assert list(found["thompson"]["detail"]["contexts"]) == ["known", "flipped"]
    assert list(found["calibration"]["detail"]["kinds"]) == ["known", "flipped"]


def standing(conn: psycopg.Connection) -> dict[str, int]:
    """Another count of what each loop should have seen."""
    governed = "j.basis ->> 'confidence_rule' IN ('votes', 'distance')"
    row = conn.execute(
        f"SELECT count(*), count(*) FILTER (WHERE {governed}), count(*) FILTER (WHERE j.q_score >= 70), "
        f"count(*) FILTER (WHERE j.q_score < 30) {DECIDED}".encode()
    ).fetchone()
    assert row is not None
    names = ("answers", "confidence_shift", "approve_shift", "block_shift")
    return dict(zip(names, row, strict=True))


def sides(conn: psycopg.Connection) -> dict[str, list[int]]:
    """How often judgments were right on either side, from the answers."""
    rows = conn.execute(
        "SELECT CASE WHEN j.verdict IN ('HOWL', 'WAG') THEN 'pass' ELSE 'fail' END, "
        f"count(*) FILTER (WHERE f.outcome = 'correct'), count(*) FILTER (WHERE f.outcome = 'incorrect') {DECIDED} GROUP BY 1".encode()
    )
    return {side: [right, wrong] for side, right, wrong in rows}


def check(conn: psycopg.Connection) -> None:
    """What is kept is what the answers that stand say, and what is shown is what is kept."""
    behavior = kept(conn, "behavior")["default"]
    wanted = standing(conn)
    assert behavior["answers"] == wanted.pop("answers")
    assert behavior["outcomes"] == wanted
    counted = kept(conn, "sona")["default"]["sides"]
    assert {side: counted[side] for side in ("pass", "fail") if any(counted[side])} == sides(conn)
    pairs = sum(Preferences.restored(one).pairs for one in kept(conn, "dpo").values())
    assert kept(conn, "dpo-optimizer")["default"]["pairs"] == pairs
    assert one(conn, "SELECT count(*) FROM preference_pairs WHERE processed") == pairs
    found = loops(conn)
    assert found["dpo"]["data"] == pairs
    assert found["behavior"]["data"] == behavior["answers"]


@pytest.mark.parametrize("seed", range(3))
def test_what_is_kept_is_what_stands_also_where_an_older_version_kept_less(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 7)
    rng = random.Random(seed)
    for older in (False, True, False):
        if older:
            # As a version left it that counted none of these.
            conn.execute(
                "UPDATE loop_persistence_state SET weights = weights - ARRAY['seen', 'answers', 'outcomes'] "
                "WHERE loop_name = 'behavior'"
            )
            conn.execute(
                "UPDATE loop_persistence_state SET weights = weights - 'sides' WHERE loop_name = 'sona'"
            )
            conn.execute(
                "UPDATE loop_persistence_state SET weights = weights - 'pairs' WHERE loop_name = 'dpo-optimizer'"
            )
            found = loops(conn)
            assert found["behavior"]["data"] == standing(conn)["answers"]
            processed = one(conn, "SELECT count(*) FROM preference_pairs WHERE processed")
            assert found["dpo"]["data"] == processed
        history(judge, say, rng)
        learn.run(conn, edge)
        check(conn)


def test_sides_are_counted_by_the_cycle_and_not_by_kinds(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = [judge(context_type=f"kind {number}").judgment_id for number in range(4)]
    for judged in told:
        say(judged, "correct", user="ada")
    learn.run(conn, edge)
    # What a cycle does not read may be gone.
    conn.execute("UPDATE loop_persistence_state SET weights = '{}' WHERE loop_name = 'calibration'")
    say(told[0], "incorrect", user="ada")
    learn.run(conn, edge)
    assert kept(conn, "sona")["default"]["sides"] == {"until": 5, "pass": [3, 1], "fail": [0, 0]}


def test_sides_are_counted_anew_after_a_turn_that_failed(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = judge().judgment_id, judge().judgment_id
    say(first, "correct", user="ada")
    learn.run(conn, edge)
    monkeypatch.setattr(cycle, "LOOPS", {**cycle.LOOPS, "sona": _fails})
    say(second, "incorrect", user="ada")
    learn.run(conn, edge)
    monkeypatch.undo()
    say(second, "correct", user="ada")
    learn.run(conn, edge)
    check(conn)


def _fails(_: object) -> None:
    raise InvalidDataError("not this time")


def total(conn: psycopg.Connection) -> int:
    return one(conn, "SELECT total_pairs_processed FROM dpo_optimizer_state")


def test_pairs_that_were_taken_back_stand_no_more_and_were_processed(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = [judge(context_type="c", votes=PAIR).judgment_id for _ in range(5)]
    for turn, outcome in enumerate(("correct", "incorrect", "correct", "partial")):
        for judged in told:
            say(judged, outcome, user="u")
        learn.run(conn, edge)
        standing_now = 0 if outcome == "partial" else 5
        assert loops(conn)["dpo"]["data"] == standing_now
        assert total(conn) == min(15, 5 * (turn + 1))
    shown = loops(conn)["dpo"]
    assert shown["state"] == "not enough data yet (0 of 1)"
    assert shown["detail"]["pairs_processed"] == 15


def test_pairs_count_though_no_fit_is_due(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stands for a hundred times as many pairs.
    monkeypatch.setattr(dpo, "REFIT_AT", 0.9)
    for _ in range(3):
        for _ in range(4):
            say(judge(context_type="c", votes=PAIR).judgment_id, "correct")
        conn.execute(
            'SELECT create_preference_pair(\'{"dog": "Sage"}\', \'{"dog": "Scout"}\', p_context_type => \'c\')'
        )
        learn.run(conn, edge)
    assert one(conn, "SELECT epoch FROM dpo_optimizer_state") == 2
    assert (total(conn), loops(conn)["dpo"]["data"]) == (15, 15)


def test_nothing_tells_until_something_does(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    assert loops(conn)["sona"]["detail"]["strongest"] is None
    assert loops(conn)["sona"]["detail"]["finding"] is None
    rng = random.Random(5)
    for _ in range(40):
        judged = judge(dimensions={"IMPACT": rng.randrange(101), "NOVELTY": 50})
        say(judged.judgment_id, rng.choice(("correct", "incorrect")))
    learn.run(conn, edge)
    detail = loops(conn)["sona"]["detail"]
    assert detail["finding"] == "no dimension tells yet"
    assert (detail["strongest"]["dimension"], detail["strongest"]["answers"]) == ("IMPACT", 40)
    assert detail["strongest"]["significant"] is False
    assert detail["weights"] == {}
    for number in range(400):
        good = number % 2 == 0
        judged = judge(
            dimensions={
                "IMPACT": rng.randrange(101),
                "CANDOR": min(100, rng.gauss(50, 14) // 1 + 6 * good),
            }
        )
        right = (judged.verdict in {"HOWL", "WAG"}) is good
        say(judged.judgment_id, "correct" if right else "incorrect")
    learn.run(conn, edge)
    detail = loops(conn)["sona"]["detail"]
    strongest = detail["strongest"]
    assert (strongest["dimension"], strongest["answers"], strongest["significant"]) == (
        *("CANDOR", 400, True),
    )
    # A weak correlation, as those of one bit are, moves its weight all the same.
    assert 0.1 < strongest["correlation"] < 0.3
    assert detail["finding"].startswith("CANDOR tells most: r = 0.")
    assert set(detail["weights"]) == {"CANDOR"}
