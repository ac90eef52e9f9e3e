"""How mature the loops of a cycle are: said once they foretold something, and nothing is made up before."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from cynic.domains.core.dimensions import AXIOM_OF, Placed
from cynic.flows import learn, record, submission
from cynic.flows.learning import behavior, cycle, dpo, sona

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge
    from cynic.flows.learning.cycle import Cycle
    from cynic.flows.learning.turn import Parts, Turn

LOOPS = {"sona": sona.turn, "behavior": behavior.turn, "dpo": dpo.turn}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Parts | None]]:
    """What each of the three loops handed back for its maturity, cycle by cycle of twenty answers."""
    found: dict[str, list[Parts | None]] = {name: [] for name in LOOPS}

    def watched(name: str) -> Any:
        def turn(now: Cycle) -> Turn:
            done = LOOPS[name](now)
            found[name].append(done.parts)
            return done

        return turn

    monkeypatch.setattr(cycle, "ANSWERS", 20)
    monkeypatch.setattr(cycle, "LOOPS", {**cycle.LOOPS, **{name: watched(name) for name in LOOPS}})
    return found


def measured(conn: psycopg.Connection) -> dict[str, tuple[float, ...]]:
    """The newest row of each of the three loops: maturity, coverage, convergence, accuracy, adaptability."""
    rows = conn.execute(
        "SELECT DISTINCT ON (loop_name) loop_name, maturity::float8, data_coverage::float8, convergence::float8, "
        "accuracy::float8, adaptability::float8 FROM learning_maturity WHERE loop_name = ANY (%s) "
        "ORDER BY loop_name, id DESC",
        [list(LOOPS)],
    )
    return {row[0]: row[1:] for row in rows}


def answer(judge: Judge, say: Say, *, good: bool, **fields: Any) -> None:
    """Judge an item, and say what it was worth."""
    judged = judge(context_type="c", **fields)
    right = (judged.verdict in {"HOWL", "WAG"}) is good
    say(judged.judgment_id, "correct" if right else "incorrect")


def test_the_loops_of_a_cycle_are_measured_once_they_foretold_enough(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, parts: dict[str, list[Parts]]
) -> None:
    rng = random.Random(2)

    def some(count: int) -> None:
        for number in range(count):
            good = number % 2 == 0
            score = 0.9 if good is (rng.random() < 0.8) else 0.1
            scores = {
                name: min(100, max(0, rng.gauss(92 if good else 8, 12)))
                for name in ("IMPACT", "CANDOR")
            }
            vote = {"dog": rng.choice(("Sage", "Scout")), "score": score}
            answer(judge, say, good=good, votes=[vote], dimensions={**scores, "NOVELTY": 50})

    some(20)
    learn.run(conn, edge)
    assert measured(conn) == {}, "nothing foretold anything yet"
    assert [tuple(found[0].hits) for found in parts.values()] == [(), (), ()]
    some(80)
    learn.run(conn, edge)
    found = measured(conn)
    assert set(found) == set(LOOPS)
    for maturity, *four in found.values():
        assert maturity == pytest.approx((four[0] * four[1] * four[2] * four[3]) ** 0.25, abs=1e-9)
    # Three of the dimensions that can be judged were seen often enough, one of them said nothing.
    assert found["sona"][1] == pytest.approx(3 / len(AXIOM_OF))
    assert set(parts["sona"][-1].converged or ()) == {"IMPACT", "CANDOR"}
    assert found["sona"][3] > 0.8
    # What is approved, what is blocked, and how sure to sound.
    assert found["behavior"][1] == 1
    assert parts["behavior"][-1].cells == 3
    assert found["behavior"][3] > 0.8
    assert found["dpo"][1] == pytest.approx(2 / 11)
    assert 0.5 < found["dpo"][3] < 0.9


def test_the_score_is_foretold_by_the_weights_before_the_cycle(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    parts: dict[str, list[Parts]],
) -> None:
    for number in range(40):
        good = number % 2 == 0
        answer(judge, say, good=good, dimensions={"IMPACT": 90 if good else 10})
    learn.run(conn, edge)
    # 49.9 by the weights of the contract; on the other side once IMPACT weighs more, as it does now.
    tight = {"IMPACT": 60, "NOVELTY": 43.6}
    judged = judge(dimensions=tight)
    assert judged.verdict == "GROWL"
    say(judged.judgment_id, "incorrect")
    say(judge(votes=[{"dog": "Sage", "score": 0.9}]).judgment_id, "correct")
    say(judge(dimensions=tight).judgment_id, "partial")
    learn.run(conn, edge)
    assert parts["sona"][-1].hits == [True], "of one with dimensions, and of no partial one"


def test_dimensions_that_were_added_are_cells_and_foretell_while_they_may_be_judged(
    conn: psycopg.Connection, edge: Edge, say: Say, parts: dict[str, list[Parts]]
) -> None:
    add = (
        "INSERT INTO discovered_dimensions (dimension_id, name, description, category, weight, metadata) "
        "VALUES ('NEW', 'NEW', 'x', 'BURN', 3, '{\"status\": \"active\"}')"
    )
    conn.execute(add)
    added = {"NEW": Placed("BURN", Decimal(3))}
    retire = (
        "UPDATE discovered_dimensions SET metadata = '{\"status\": \"retired\"}' WHERE name = 'NEW'"
    )
    for retired in (False, False, True):
        if retired:
            conn.execute(retire)
        # Passes by the weight of what was added, though not by the other one of its axiom.
        document = {
            "item_type": "code",
            "item_content": "x",
            "dimensions": {"NEW": 60, "UTILITY": 40},
        }
        judged = record.record_one(conn, submission.read_judgment(document, lambda: added), edge)
        assert judged.verdict == "WAG"
        say(judged.judgment_id, "correct")
        learn.run(conn, edge)
        found = parts["sona"][-1]
        assert found.cells == (35 if retired else 36)
        assert ("NEW" in (found.outcomes or {})) is not retired
    assert [list(one.hits) for one in parts["sona"]] == [[], [True], [True]]


def test_warnings_foretell_nothing_and_acts_foretell_their_side(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, parts: dict[str, list[Parts]]
) -> None:
    say(judge().judgment_id, "correct")
    learn.run(conn, edge)
    for score, good in ((0.9, True), (0.1, True), (0.4, False), (0.6, True), (0.1, False)):
        answer(judge, say, good=good, votes=[{"dog": "Sage", "score": score}])
    learn.run(conn, edge)
    assert parts["behavior"][-1].hits == [True, False, True]
    outcomes = parts["behavior"][-1].outcomes
    assert outcomes == {"confidence_shift": 6, "approve_shift": 2, "block_shift": 2}


def test_a_dog_foretells_by_what_it_was_in_the_context(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, parts: dict[str, list[Parts]]
) -> None:
    def told(*outcomes: tuple[str, str]) -> list[str]:
        named: list[str] = []
        for dog, outcome in outcomes:
            judged = judge(context_type="c", votes=[{"dog": dog, "score": 0.9}]).judgment_id
            say(judged, outcome, user="ada")
            named.append(judged)
        learn.run(conn, edge)
        return named

    first = told(("Sage", "correct"), ("Scout", "incorrect"), ("Oracle", "partial"))
    assert parts["dpo"][-1].hits == [], "nothing was known"
    told(("Sage", "correct"), ("Sage", "incorrect"), ("Scout", "incorrect"), ("Scout", "partial"))
    # Right, not, wrong as expected; what is left open is none.
    assert parts["dpo"][-1].hits == [True, False, True]
    told(("Oracle", "correct"), ("Scholar", "correct"))
    assert parts["dpo"][-1].hits == [], (
        "of the one nothing is known but a partial answer, of the other nothing"
    )
    # A changed mind was foretold once, when it was made up.
    say(first[0], "incorrect", user="ada")
    learn.run(conn, edge)
    assert parts["dpo"][-1].hits == []


def test_voters_of_equal_weight_foretell_nothing(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, parts: dict[str, list[Parts]]
) -> None:
    both = [{"dog": "Sage", "score": 0.9}, {"dog": "Scout", "score": 0.1}]
    for _ in range(3):
        say(judge(context_type="c", votes=both).judgment_id, "correct")
    learn.run(conn, edge)
    assert parts["dpo"][-1].hits == [], "all weighed the same"
    say(judge(context_type="c", votes=both).judgment_id, "correct")
    learn.run(conn, edge)
    assert len(parts["dpo"][-1].hits) == 1


def test_one_judgment_over_and_over_makes_no_loop_mature(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, parts: dict[str, list[Parts]]
) -> None:
    judged = judge(context_type="c", dimensions={"IMPACT": 80}).judgment_id
    for number in range(70):
        say(judged, ("correct", "incorrect")[number % 2], user="ada")
        if number % 2 == 0:
            learn.run(conn, edge)
    assert measured(conn) == {}
    assert not any(found.hits for found in parts["sona"] if found is not None)
