"""Governance: who may vote, by which evidence; what is approved may be judged, and what explains nothing is retired."""

from __future__ import annotations

import random
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from test_learn_residual import NAMES, alike, one, rows, stream

import cynic as package
from cynic.base.checks import InvalidFieldError
from cynic.domains.core import score
from cynic.domains.core.dimensions import NONE_ADDED, Placed
from cynic.domains.learning.answers import Tally
from cynic.domains.learning.governance_votes import on_candidate, on_idle, on_retiring
from cynic.flows import learn, record, submission
from cynic.flows.edge import Edge
from cynic.flows.learned import LearnedSource
from cynic.flows.learning import cycle, governance
from cynic.reads import judgments

if TYPE_CHECKING:
    from conftest import Judge, MovableClock, Say

DOGS_VOTING = ("Sage", "Scout", "Oracle", "Janitor")
LOG: LiteralString = (
    "SELECT action_type, dimension_name, vote_result FROM dimension_governance_log ORDER BY id"
)


def votes(*failing: str) -> list[dict[str, object]]:
    return [{"dog": dog, "score": 0.2 if dog in failing else 0.9} for dog in DOGS_VOTING]


@pytest.fixture(autouse=True)
def short_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle, "ANSWERS", 40)


def ordinary(judge: Judge, say: Say, count: int = 40) -> None:
    """Judgments that their dimensions explain, and that all dogs got right."""
    rng = random.Random(3)
    for _ in range(count):
        dimensions = {name: round(rng.uniform(65, 95), 1) for name in NAMES}
        judged = judge(dimensions=dimensions, votes=votes()).judgment_id
        say(judged, "correct", actual_score=round(alike(dimensions, rng), 1))


def odd(judge: Judge, say: Say, count: int, *seeing: str, weak: str | None = None) -> None:
    """Judgments that turned out bad although they look good; only the dogs `seeing` it saw it."""
    for _ in range(count):
        dimensions = {**dict.fromkeys(NAMES, 85), **({weak: 20} if weak else {})}
        judged = judge(dimensions=dimensions, votes=votes(*seeing)).judgment_id
        say(judged, "incorrect", actual_score=1)


def test_the_dogs_that_were_wrong_add_the_dimension_and_it_counts(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    ordinary(judge, say)
    odd(judge, say, 7, "Janitor")
    learn.run(conn, edge)
    log = rows(conn, LOG)
    assert [row[0] for row in log] == ["propose", "approve"]
    candidate = log[0][1]
    name, result = log[1][1:]
    assert name == "DISCOVERED_1"
    assert (result["candidate"], result["approvals"], result["voters"]) == (candidate, 3, 4)
    ballots = {dog: ballot["vote"] for dog, ballot in result["votes"].items()}
    assert ballots == {
        **dict.fromkeys(ballots),
        **dict.fromkeys(("Sage", "Scout", "Oracle"), True),
        "Janitor": False,
    }
    assert len(ballots) == 11
    assert len(result["sources"]) == 7
    task = one(
        conn,
        "SELECT task_id, task_type, status, success_count FROM background_tasks WHERE task_name = 'governance'",
    )
    assert task == (result["task"], "learning", "completed", 2)
    stored = one(
        conn,
        "SELECT category, weight, metadata FROM discovered_dimensions WHERE name = 'DISCOVERED_1'",
    )
    assert stored[:2] == ("VERIFY", 1)
    assert stored[2]["status"] == "active"
    assert stored[2]["sources"] == result["sources"]

    now = [0.0]
    source = LearnedSource(lambda: now[0])
    recording = Edge(
        clock=edge.clock, new_id=edge.new_id, digest_key=edge.digest_key, learned=source
    )
    added = source.current(conn).dimensions
    assert added == {"DISCOVERED_1": Placed("VERIFY", Decimal(1))}
    document = {
        "item_type": "code",
        "item_content": "x",
        "dimensions": {"ACCURACY": 90, "DISCOVERED_1": 10},
    }
    with pytest.raises(InvalidFieldError, match="no such dimension"):
        submission.read_judgment(document)
    given = submission.read_judgment(document, lambda: added)
    judged = record.record_one(conn, given, recording)
    phi = (1 + Decimal(5).sqrt()) / 2
    assert judged.q_score == ((90 * phi + 10) / (phi + 1)).quantize(Decimal("0.01"))
    assert judged.axiom_scores["VERIFY"] == pytest.approx(float(judged.q_score), abs=0.01)
    shown = judgments.one(conn, judged.judgment_id)
    assert shown["added_dimensions"] == {"DISCOVERED_1": {"axiom": "VERIFY", "weight": 1}}
    # The same candidate is not voted on again, and the next run is due after a day.
    assert not governance.tend(conn, edge)
    clock.move(days=1)
    assert governance.tend(conn, edge).total() == 0
    assert one(conn, "SELECT count(*) FROM background_tasks WHERE task_name = 'governance'") == 2


def test_what_the_dogs_did_not_need_is_rejected_until_there_is_twice_as_much(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    ordinary(judge, say)
    odd(judge, say, 7, "Sage", "Scout", "Oracle")
    learn.run(conn, edge)
    assert [row[0] for row in rows(conn, LOG)] == ["propose", "reject"]
    assert rows(conn, LOG)[1][2]["approval"] == 0.25
    clock.move(days=1)
    odd(judge, say, 6, "Sage", "Scout")
    learn.run(conn, edge)
    assert len(rows(conn, LOG)) == 2
    clock.move(days=1)
    odd(judge, say, 1)
    learn.run(conn, edge)
    assert rows(conn, LOG)[2][0] == "propose"


def test_too_few_voters_or_judgments_make_it_wait(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    stream(judge, say, random.Random(3), 40, alike)
    for _ in range(7):
        learn.run(conn, edge)
        assert rows(conn, LOG) == []
        judged = judge(dimensions=dict.fromkeys(NAMES, 85)).judgment_id
        say(judged, "incorrect", actual_score=1)
    clock.move(minutes=34)
    learn.run(conn, edge)
    assert [row[0] for row in rows(conn, LOG)] == ["propose"]
    assert not governance.tend(conn, edge)
    clock.move(minutes=34)
    assert governance.tend(conn, edge).total() == 0, "proposed already, and nobody votes"
    assert one(conn, "SELECT count(*) FROM background_tasks WHERE task_name = 'governance'") == 3
    assert one(conn, "SELECT count(*) FROM discovered_dimensions") == 36


def test_promotions_wait_for_the_cooldown_and_for_the_day(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    ordinary(judge, say)
    for weak in (None, *NAMES[:4]):
        odd(judge, say, 7, weak=weak)
    learn.run(conn, edge)
    assert [row[0] for row in rows(conn, LOG)].count("approve") == 1
    for approved in (2, 3, 3, 3):
        clock.move(minutes=35)
        governance.tend(conn, edge)
        assert [row[0] for row in rows(conn, LOG)].count("approve") == approved
    clock.move(days=1)
    governance.tend(conn, edge)
    clock.move(minutes=35)
    governance.tend(conn, edge)
    log = rows(conn, LOG)
    assert [row[0] for row in log].count("approve") == 5
    assert [row[0] for row in log].count("propose") == 5
    names = {row[1] for row in log if row[0] == "approve"}
    assert names == {"DISCOVERED_1", *(f"{weak}_EXTENDED" for weak in NAMES[:4])}


def add_dimension(conn: psycopg.Connection, clock: MovableClock) -> None:
    conn.execute(
        "INSERT INTO discovered_dimensions (dimension_id, name, category, metadata, discovered_at) VALUES "
        "('DISCOVERED_1', 'DISCOVERED_1', 'VERIFY', '{\"candidate\": \"UNNAMED_X\", \"status\": \"active\"}', %s)",
        [clock()],
    )


@pytest.mark.parametrize("useful", [True, False])
def test_a_dimension_that_says_nothing_that_the_dogs_do_not_know_is_retired(
    conn: psycopg.Connection,
    edge: Edge,
    say: Say,
    clock: MovableClock,
    useful: bool,
) -> None:
    add_dimension(conn, clock)
    placed = {"DISCOVERED_1": Placed("VERIFY", Decimal(1))}
    for number in range(24):
        bad = number % 2 == 0
        dimension = 10 if bad is useful else 90
        given = submission.read_judgment(
            {
                "item_type": "code",
                "item_content": f"{number}",
                "dimensions": {"ACCURACY": 80, "DISCOVERED_1": dimension},
                # When the dimension is of use, the dogs miss what it says; else they know better.
                "votes": votes(*(() if useful or not bad else DOGS_VOTING)),
            },
            lambda: placed,
        )
        judged = record.record_one(conn, given, edge)
        right = (judged.verdict in {"HOWL", "WAG"}) is not bad
        say(judged.judgment_id, "correct" if right else "incorrect")
    learn.run(conn, edge)
    clock.move(days=1)
    governance.tend(conn, edge)
    status = one(
        conn, "SELECT metadata ->> 'status' FROM discovered_dimensions WHERE name = 'DISCOVERED_1'"
    )
    assert status == ("active" if useful else "retired")
    if useful:
        assert rows(conn, LOG) == []
        return
    action, name, result = rows(conn, LOG)[0]
    assert (action, name, result["idle"], result["judgments"]) == (
        "retire",
        "DISCOVERED_1",
        False,
        24,
    )
    assert LearnedSource().current(conn).dimensions == NONE_ADDED
    clock.move(days=1)
    assert governance.tend(conn, edge).total() == 0


def test_a_dimension_that_nobody_judges_is_retired_after_thirty_days(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    add_dimension(conn, clock)
    ordinary(judge, say, 3)
    learn.run(conn, edge)
    clock.move(days=29)
    assert governance.tend(conn, edge).total() == 0
    clock.move(days=1, seconds=1)
    assert governance.tend(conn, edge) == {"retire": 1}
    assert rows(conn, LOG)[0][2]["idle"] is True


def test_what_was_added_may_be_judged_through_every_surface(
    conn: psycopg.Connection, clock: MovableClock, fresh_database: str
) -> None:
    document = {
        "item_type": "code",
        "item_content": "x",
        "dimensions": {"ACCURACY": 90, "DISCOVERED_1": 40},
    }
    with package.connect(fresh_database) as memory, pytest.raises(InvalidFieldError):
        memory.judge(**document)
    add_dimension(conn, clock)
    with package.connect(fresh_database) as memory:
        judged = memory.judge(**document, judgment_id="j")
        again = memory.judge(**document, judgment_id="j")
        assert (judged.new, again.new) == (True, False)
        assert judged.q_score == again.q_score < 90
        (many,) = memory.judge_many([document])
        assert isinstance(many, record.Recorded)
        (bad,) = memory.judge_many([{**document, "dimensions": {"DISCOVERED_2": 1}}])
        assert isinstance(bad, InvalidFieldError)
        assert "DISCOVERED_1" in (bad.hint or ""), "what may be judged is named"
        shown = memory.judgment("j")["added_dimensions"]
        assert shown == {"DISCOVERED_1": {"axiom": "VERIFY", "weight": 1}}


def test_two_runs_at_once_decide_once(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ordinary(judge, say)
    odd(judge, say, 7)
    with monkeypatch.context() as patched:
        patched.setattr(governance, "tend", lambda *_: None)
        learn.run(conn, edge)
    errors: list[BaseException] = []

    def vote() -> None:
        try:
            with psycopg.connect(fresh_database, autocommit=True) as mine:
                mine.execute("SET ROLE cynic_app")
                governance.run(mine, edge)
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=vote) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [row[0] for row in rows(conn, LOG)] == ["propose", "approve"]


def test_an_answer_taken_back_is_no_evidence(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    ordinary(judge, say)
    judged: list[str] = []
    for _ in range(7):
        found = judge(dimensions=dict.fromkeys(NAMES, 85), votes=votes()).judgment_id
        say(found, "incorrect", actual_score=1)
        judged.append(found)
    say(judged[0], "correct", actual_score=84)
    learn.run(conn, edge)
    assert rows(conn, LOG) == [], "six are left, and seven are needed"


@pytest.mark.parametrize(
    ("wrong", "cast", "right", "answers", "vote"),
    [
        (0, 0, 100, 100, None),  # it never voted there
        (1, 1, 10, 11, None),  # one vote could not show anything
        (6, 6, 94, 100, True),
        (0, 6, 100, 100, False),
        (3, 6, 50, 100, False),  # it is wrong half of the time anyway
        (4, 4, 0, 4, None),  # nothing else is known of it
    ],
)
def test_a_dog_votes_by_what_its_votes_can_show(
    wrong: int, cast: int, right: int, answers: int, vote: bool | None
) -> None:
    usually = Tally(right, answers - right)
    assert on_candidate(wrong, cast, usually).vote is vote


def test_a_dog_retires_what_tells_it_nothing() -> None:
    assert on_retiring(0, 9).vote is None
    assert [on_retiring(right, 10).vote for right in (0, 5, 6, 10)] == [True, True, False, False]
    assert on_idle(Tally()).vote is None
    assert on_idle(Tally(right=1)).vote is True


def test_an_added_dimension_weighs_as_one_of_its_axiom() -> None:
    added: Any = {"NEW": Placed("BURN", Decimal(2))}
    judged = {"UTILITY": Decimal(50), "NEW": Decimal(80)}
    phi = (1 + Decimal(5).sqrt()) / 2
    means = score.axiom_means(judged, added)
    assert means == {"BURN": (50 * phi + 160) / (phi + 2)}
    with pytest.raises(KeyError):
        score.axiom_means(judged)
