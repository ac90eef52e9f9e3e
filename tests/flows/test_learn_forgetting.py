"""The watch for forgetting with many kinds of task: what a cycle costs, what it adds up to, and how mature it is."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from mortal import live_on
from test_learn import learned, one
from test_learn_protect import tell

from cynic.domains.learning import forgetting as watching
from cynic.domains.learning.rates import wilson
from cynic.flows import learn
from cynic.flows.learning import cycle, ewc, forgetting
from cynic.flows.learning.state import q_learning
from cynic.reads.learning import protection
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, MovableClock, Say
    from cynic.domains.learning.forgetting import Counted, Watched
    from cynic.flows.edge import Edge
    from cynic.flows.learning.turn import Parts

    Row = tuple[str, str, float]

WINDOW = 20


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles of ten answers, and windows as small as they may be."""
    monkeypatch.setattr(cycle, "ANSWERS", 10)
    monkeypatch.setattr(forgetting, "WINDOW", WINDOW)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Parts | None]:
    """What the loop says its maturity is measured by, cycle by cycle."""
    said: list[Parts | None] = []
    turn = cycle.LOOPS["ewc"]

    def spy(one: cycle.Cycle) -> Any:
        found = turn(one)
        said.append(found.parts)
        return found

    monkeypatch.setitem(cycle.LOOPS, "ewc", spy)  # type: ignore[arg-type]
    return said


def shown(conn: psycopg.Connection) -> dict[str, Any]:
    loops: Any = status(conn)["loops"]
    return next(loop for loop in loops if loop["loop"] == "ewc")


def stream(seed: int, answers: int, kinds: int, chance: float) -> list[Row]:
    rng = random.Random(seed)
    return [
        (f"kind {rng.randrange(kinds)}", "Sage", rng.choice((0.5, float(rng.random() < chance))))
        for _ in range(answers)
    ]


def test_a_cycle_works_on_the_kinds_that_it_is_about_and_no_others(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell(judge, say, [(f"kind {number}", "Sage", 1.0) for number in range(60)])
    learn.run(conn, edge)
    clock.move(minutes=1)
    begun = clock()
    looked_at = 0

    def watch(baseline: Counted, present: Counted) -> Watched:
        nonlocal looked_at
        looked_at += 1
        return watching.watch(baseline, present)

    monkeypatch.setattr(forgetting, "watch", watch)
    tell(judge, say, [("kind 3", "Sage", 1.0), ("kind 7", "Sage", 0.0)])
    learn.run(conn, edge)
    rows, characters = conn.execute(
        "SELECT count(*), sum(length(weights::text)) FROM loop_persistence_state "
        "WHERE loop_name LIKE 'ewc%%' AND timestamp >= %s",
        [begun],
    ).fetchone() or (0, 0)
    assert rows == 3, "one for each kind, and the sums"
    assert characters < 300
    assert looked_at <= 4, "of each kind, before and after"
    assert (
        one(
            conn,
            "SELECT episode_count FROM loop_persistence_state WHERE loop_name = 'ewc-tasks' AND state_type = 'kind 3'",
        )
        == 2
    )


def test_the_sums_are_those_of_all_kinds_whatever_the_order_in_which_they_moved(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    rows = stream(1, 300, 4, 0.9) + stream(2, 300, 4, 0.2)
    told = tell(judge, say, rows)
    for place in range(0, len(told), 17):
        say(told[place], ("correct", "incorrect", "partial")[place % 3])
    compared = lost = 0
    while learn.learn(conn, edge).worked:
        kept = dict(
            conn.execute(
                "SELECT state_type, weights FROM loop_persistence_state WHERE loop_name = 'ewc-tasks'"
            ).fetchall()
        )
        wanted = watching.overview(
            {
                kind: watching.watch(
                    watching.Counted(correct=row["baseline"][0], total=row["baseline"][1]),
                    watching.Counted(correct=row["present"][0], total=row["present"][1]),
                )
                for kind, row in kept.items()
            }
        )
        sums = one(
            conn,
            "SELECT weights FROM loop_persistence_state WHERE loop_name = 'ewc' AND state_type = 'transfer'",
        )
        assert Fraction(sums["bwt"]) == wanted.total_bwt
        assert (sums["tasks"], sums["catastrophic"]) == (
            wanted.task_count,
            list(wanted.catastrophic_tasks),
        )
        noted = conn.execute(
            "SELECT task_type, count(*) FROM forgetting_judgments GROUP BY 1"
        ).fetchall()
        assert {kind: row["seen"][0] for kind, row in kept.items()} == dict(noted)
        compared, lost = max(compared, wanted.task_count), max(lost, len(sums["catastrophic"]))
    assert compared == 4
    assert lost
    metrics = one(
        conn,
        "SELECT average_bwt::float8, task_count, catastrophic_tasks FROM forgetting_metrics ORDER BY id DESC LIMIT 1",
    )
    assert metrics == (
        wanted.average_bwt,
        wanted.task_count,
        list(wanted.catastrophic_tasks),
    )


def as_it_was_kept(conn: psycopg.Connection) -> None:
    """All kinds in one row, as this was kept before each had its own."""
    conn.execute(
        "INSERT INTO loop_persistence_state (loop_name, state_type, weights, episode_count, timestamp) "
        "SELECT 'ewc', 'forgetting', jsonb_object_agg(k.state_type, k.weights), max(s.episode_count), max(s.timestamp) "
        "FROM loop_persistence_state AS k "
        "JOIN loop_persistence_state AS s ON s.loop_name = 'ewc' AND s.state_type = 'transfer' "
        "WHERE k.loop_name = 'ewc-tasks'"
    )
    conn.execute(
        "DELETE FROM loop_persistence_state "
        "WHERE loop_name = 'ewc-tasks' OR (loop_name = 'ewc' AND state_type = 'transfer')"
    )


def test_what_was_kept_in_one_row_is_shown_and_then_divided_whoever_dies_when(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, fresh_database: str
) -> None:
    tell(judge, say, stream(3, 300, 4, 0.9))
    learn.run(conn, edge)
    tell(judge, say, [("kind 0", "Sage", 0.0)] * 45)
    with conn.transaction(force_rollback=True):
        learn.run(conn, edge)
        wanted = learned(conn)
    before = shown(conn)["detail"]["forgetting"]
    as_it_was_kept(conn)
    assert shown(conn)["detail"]["forgetting"] == before
    assert len(before["tasks"]) == 4
    live_on(fresh_database, lambda mortal: learn.run(mortal, edge))
    found = learned(conn)
    # Of the kinds, how many answers are in them was not kept then.
    for loops in (found["loops"], wanted["loops"]):
        loops[:] = [row[:3] if row[0] == "ewc-tasks" else row for row in loops]
    assert found.pop("queue") == [(0,)]
    wanted.pop("queue")
    assert wanted["alerts"]
    assert found == wanted
    assert (
        one(
            conn,
            "SELECT count(*) FROM loop_persistence_state WHERE loop_name = 'ewc' AND state_type = 'forgetting'",
        )
        == 0
    )


@pytest.mark.parametrize(
    "kind", ["transfer", "forgetting", "consolidated", "default", "ß" * 64, "😀" * 64, '{"a": 1}']
)
def test_a_kind_of_any_name_is_watched(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, kind: str
) -> None:
    for outcome in ["correct"] * WINDOW + ["incorrect"] * WINDOW:
        say(judge(task_type=kind).judgment_id, outcome)
    learn.run(conn, edge)
    assert one(conn, "SELECT task_type FROM forgetting_baselines") == kind
    assert one(conn, "SELECT catastrophic_tasks FROM forgetting_alerts") == [kind]
    forgotten = shown(conn)["detail"]["forgetting"]
    assert forgotten["tasks"][kind]["bwt"] == -1
    assert (forgotten["average_bwt"], forgotten["catastrophic"]) == (-1, [kind])


def test_a_kind_that_recovers_is_lost_no_more(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    rows: list[Row] = [("code", "Sage", 1.0)] * 40 + [("review", "Sage", 1.0)] * 40
    tell(judge, say, rows)
    tell(judge, say, [("code", "Sage", 0.0)] * 20)
    learn.run(conn, edge)
    assert shown(conn)["detail"]["forgetting"]["catastrophic"] == ["code"]
    # Cycles without a word of it say what it was lost by.
    tell(judge, say, [("review", "Sage", 1.0)] * 10)
    learn.run(conn, edge)
    evidence = one(
        conn,
        "SELECT metadata -> 'catastrophic' FROM learning_events WHERE loop_type = 'ewc' ORDER BY id DESC LIMIT 1",
    )
    assert (evidence["code"]["baseline"], evidence["code"]["present"]) == (1, 0)
    tell(judge, say, [("code", "Sage", 1.0)] * 20)
    learn.run(conn, edge)
    assert shown(conn)["detail"]["forgetting"]["catastrophic"] == []
    assert shown(conn)["detail"]["forgetting"]["average_bwt"] == 0


def visits(conn: psycopg.Connection) -> int:
    rows = q_learning(conn).router.learner.table.visits.values()
    return max((count for row in rows for count in row.values()), default=0)


def test_the_data_are_counted_and_enough_stays_enough(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cynic.domains.learning.adaptive.PROBATION", 20)
    assert (shown(conn)["data"], shown(conn)["needed"]) == (0, 100)
    tell(judge, say, [("code", "Sage", 1.0)] * 99 + [("review", "Scout", 1.0)] * 40)
    while learn.learn(conn, edge).worked:
        pass
    assert one(conn, "SELECT stats -> 'unfolded' FROM qlearning_state") > 99, "not in the snapshot"
    assert (shown(conn)["data"], visits(conn)) == (99, 99)
    assert shown(conn)["state"] == "not enough data yet (99 of 100)"
    tell(judge, say, [("code", "Sage", 1.0)] * 41)
    assert learn.run(conn, edge).consolidations == 1
    assert (shown(conn)["data"], visits(conn)) == (140, 140), "over its life, not since"
    assert (shown(conn)["state"], shown(conn)["needed"]) == ("learning", 30)
    tell(judge, say, [("code", "Sage", 1.0)] * 3)
    learn.learn(conn, edge)
    assert (shown(conn)["data"], visits(conn)) == (143, 143), "some in the snapshot, some not"
    for _ in range(30):
        tell(judge, say, [("code", "Sage", 0.0)] * 10)
        learn.run(conn, edge)
        if q_learning(conn).router.resets:
            break
    assert visits(conn) < 30
    assert shown(conn)["data"] == visits(conn)
    assert shown(conn)["state"] == f"not enough data yet ({visits(conn)} of 100)", "nothing is held"


def test_what_a_daily_run_consolidated_is_enough(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    tell(judge, say, [("code", "Sage", 1.0)] * 30)
    learn.run(conn, edge)
    assert shown(conn)["state"] == "not enough data yet (30 of 100)"
    clock.move(days=2)
    assert learn.tend(conn, edge).consolidations == 1
    found = shown(conn)
    assert (found["data"], found["needed"], found["state"]) == (30, 30, "learning")


def test_what_is_shown_as_needed_is_what_a_consolidation_takes() -> None:
    assert (protection.NEEDED, protection.NEEDED_DAILY) == (ewc.UPDATES, ewc.UPDATES_MIN)


def test_the_loop_is_measured_once_all_its_parts_are(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    for number in range(1, 8):
        tell(judge, say, [("review", "Sage", 1.0)] * 10)
        learn.run(conn, edge)
        measured = conn.execute(
            "SELECT data_coverage::float8, convergence::float8, accuracy::float8, adaptability::float8, maturity::float8 "
            "FROM learning_maturity WHERE loop_name = 'ewc' ORDER BY id DESC LIMIT 1"
        ).fetchone()
        # The baseline foretells from the third cycle on; of forty answers there is a present, and thirty show a fall.
        if number < 5:
            assert measured is None, number
            assert shown(conn)["maturity"] is None
    foretold = wilson(50, 50)
    assert foretold is not None
    assert measured is not None
    assert measured[:4] == (1, 1, pytest.approx(foretold.low), 1)
    assert shown(conn)["maturity"] == pytest.approx(foretold.low**0.25)
    # What was lost is not where it was, and what its baseline says comes true no more.
    tell(judge, say, [("review", "Sage", 0.0)] * 20)
    learn.run(conn, edge)
    assert one(
        conn,
        "SELECT convergence, maturity FROM learning_maturity WHERE loop_name = 'ewc' ORDER BY id DESC LIMIT 1",
    ) == (0, 0)


def test_a_cycle_says_what_it_knows_of_its_own_kinds(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, told: list[Parts | None]
) -> None:
    tell(judge, say, [("wrong", "Sage", 0.0)] * 40 + [("right", "Sage", 1.0)] * 40)
    tell(judge, say, [("even", "Sage", float(number % 2)) for number in range(20)])
    learn.run(conn, edge)
    told.clear()
    rows: list[Row] = [
        ("wrong", "Sage", 0.0),
        ("new", "Sage", 1.0),
        ("wrong", "Sage", 1.0),
        ("even", "Sage", 1.0),
        ("wrong", "Sage", 0.5),
        ("open", "Sage", 0.5),
    ]
    tell(judge, say, rows)
    learn.run(conn, edge)
    (parts,) = told
    assert parts is not None
    assert parts.outcomes == {"even": 21, "new": 1, "open": 0, "wrong": 42}
    assert parts.cells == 4
    assert parts.converged == {"wrong": True}, "of the others the present is not known"
    assert parts.hits == [True, False], (
        "of a kind that is mostly wrong; one that is either, or partial, or unknown, foretells nothing"
    )


def test_before_anything_is_known_nothing_is_said(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, told: list[Parts | None]
) -> None:
    tell(judge, say, [("new", "Sage", 1.0)] * 10)
    learn.run(conn, edge)
    (parts,) = told
    assert parts is not None
    assert (parts.outcomes, parts.cells, parts.converged, parts.hits) == ({"new": 10}, 1, None, [])
