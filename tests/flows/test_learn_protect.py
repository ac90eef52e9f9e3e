"""What protects learning: the flow is the router of the domain; drift, locks, consolidation, and the watch for forgetting."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mortal import live_on
from psycopg import sql
from test_learn import learned, one

from cynic.base import clock as real_clock
from cynic.db.migrate import Migrator
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.adaptive import PROBATION, AdaptiveRouter
from cynic.domains.learning.answers import state_key
from cynic.domains.learning.qlearning import Step
from cynic.flows import learn
from cynic.flows.learning import cycle, ewc, forgetting
from cynic.flows.learning.state import Keeper, q_learning
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

    from conftest import Judge, MovableClock, Say
    from cynic.flows.edge import Edge

OUTCOMES = {1.0: "correct", 0.5: "partial", 0.0: "incorrect"}
LIFE_SECONDS = 60

Row = tuple[str, str, float]
"""Context, dog, reward."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles and consolidations after few answers."""
    monkeypatch.setattr(cycle, "ANSWERS", 5)
    monkeypatch.setattr(ewc, "UPDATES", 12)


def tell(judge: Judge, say: Say, rows: Iterable[Row]) -> list[str]:
    """Judgments of one vote each, answered so that the vote is worth the reward."""
    told: list[str] = []
    for context, dog, reward in rows:
        judged = judge(context_type=context, votes=[{"dog": dog, "score": 0.9}])
        say(judged.judgment_id, OUTCOMES[reward])
        told.append(judged.judgment_id)
    return told


def stream(seed: int, answers: int, chance: float = 0.9) -> list[Row]:
    rng = random.Random(seed)
    return [
        (
            rng.choice(("code", "review")),
            rng.choice(("Sage", "Scout", "Oracle")),
            float(rng.random() < chance),
        )
        for _ in range(answers)
    ]


def pure(rows: Sequence[Row]) -> tuple[AdaptiveRouter, list[tuple[float, float, bool]]]:
    """The router by itself, consolidated where the flow does it; and each of its updates."""
    router = AdaptiveRouter.new(DOGS)
    journal: list[tuple[float, float, bool]] = []
    for place, (context, dog, reward) in enumerate(rows, 1):
        found, drift = router.learn(Step(state_key(context, None, "code"), dog, reward))
        journal.append((found.td_error, found.after, drift))
        gradients = router.learner.gradients
        ready = [
            state
            for state, row in gradients.items()
            if max(cell.update_count for cell in row.values()) >= ewc.UPDATES
        ]
        if place % cycle.ANSWERS == 0 and ready and router.suspicion is None:
            router.consolidate(ready)
    return router, journal


def known(router: AdaptiveRouter) -> dict[str, Any]:
    held = router.learner.consolidation
    return {
        **router.state(),
        "anchor": held.anchor,
        "fisher": held.fisher,
        "locked": held.locked,
        "counts": {
            (state, dog): cell.update_count
            for state, row in router.learner.gradients.items()
            for dog, cell in row.items()
        },
    }


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_the_flow_is_the_router_to_the_last_bit(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, limit: int
) -> None:
    rows = stream(1, 90) + stream(2, 60, 0.1)
    tell(judge, say, rows)
    keeper = None if limit == 7 else Keeper()
    while learn.learn(conn, edge, limit=limit, keeper=keeper).worked:
        pass
    router, journal = pure(rows)
    assert router.learner.consolidation.locked
    assert router.suspicion is not None
    assert known(q_learning(conn).router) == known(router)
    found = conn.execute("SELECT td_error, current_q, is_drift FROM td_error_tracker ORDER BY id")
    assert found.fetchall() == journal


def test_a_drift_clears_the_table_and_the_journal_stays_exact(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ewc, "UPDATES", 1000)
    rows = stream(1, 80, 1.0) + stream(2, 40, 0.0)
    told = tell(judge, say, rows)
    learn.run(conn, edge)
    router, journal = pure(rows)
    assert router.resets >= 1
    assert [row[2] for row in journal].count(True) == router.resets
    found = conn.execute("SELECT td_error, current_q, is_drift FROM td_error_tracker ORDER BY id")
    assert found.fetchall() == journal
    live = one(conn, "SELECT get_live_q_table()")
    assert live["table"] == router.learner.table.values
    assert live["visits"] == router.learner.table.visits
    assert live["stats"]["updates"] == sum(sum(r.values()) for r in live["visits"].values())
    assert one(conn, "SELECT q_table -> 'table' FROM qlearning_state") == live["table"]
    assert (
        one(conn, "SELECT sum(update_count)::int FROM qlearning_fisher_gradients")
        == (live["stats"]["updates"])
    )
    events = "SELECT count(*) FROM learning_events WHERE event_type = 'drift' AND loop_type = 'q-learning'"
    assert one(conn, events) == router.resets
    # What was learned before is in no value any more: correcting it, and correcting that, changes none.
    for outcome in ("incorrect", "partial"):
        say(told[0], outcome)
        assert learn.run(conn, edge).corrected == 1
        again = one(conn, "SELECT get_live_q_table()")
        assert (again["table"], again["visits"]) == (live["table"], live["visits"])
    # What was learned since is exchanged.
    say(told[-1], "correct")
    learn.run(conn, edge)
    context, dog, _ = rows[-1]
    state = state_key(context, None, "code")
    moved = (
        one(conn, "SELECT get_live_q_table() -> 'table'")[state][dog] - live["table"][state][dog]
    )
    assert moved == pytest.approx(1 / (live["visits"][state][dog] + 2))


def test_the_detector_sees_one_number_of_each_answer(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    votes = [
        {"dog": dog, "score": score}
        for dog, score in (("Sage", 0.9), ("Scout", 0.8), ("Oracle", 0.1), ("CYNIC", 0.5))
    ]
    say(judge(votes=votes).judgment_id, "correct")
    say(judge(dimensions={"COHERENCE": 70}).judgment_id, "correct")
    learn.run(conn, edge)
    detector = q_learning(conn).router.detector
    assert (detector.width, detector.total) == (1, pytest.approx(2 / 3))


def test_a_correction_in_a_held_cell_moves_it_little_and_goes_back(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    told = tell(judge, say, [("code", "Sage", 1.0)] * 15)
    learn.run(conn, edge)
    state = state_key("code", None, "code")
    assert q_learning(conn).router.learner.consolidation.locked == {(state, "Sage")}
    say(told[3], "incorrect")
    learn.run(conn, edge)
    held = one(conn, "SELECT get_live_q_table() -> 'table'")[state]["Sage"]
    assert held == pytest.approx(1 - 1 / (15 + 2 + 20))
    say(told[3], "correct")
    learn.run(conn, edge)
    assert one(conn, "SELECT get_live_q_table() -> 'table'")[state]["Sage"] == pytest.approx(1.0)


@pytest.mark.parametrize("limit", [7, 1000])
def test_dying_anywhere_between_drifts_and_consolidations_changes_nothing(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    fresh_database: str,
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
) -> None:
    monkeypatch.setattr("cynic.domains.learning.adaptive.PROBATION", 20)
    monkeypatch.setattr(forgetting, "WINDOW", 20)
    told = tell(judge, say, stream(1, 60, 1.0) + stream(2, 60, 0.0))
    for place in (3, 50, 110):
        say(told[place], "partial")
    with conn.transaction(force_rollback=True):
        learn.run(conn, edge, limit=1000)
        wanted = learned(conn)
    assert wanted["stats"][0][0]["router"]["resets"] >= 1
    assert wanted["consolidations"]
    assert wanted["alerts"]
    live_on(fresh_database, lambda mortal: learn.run(mortal, edge, limit=limit))
    found = learned(conn)
    assert found.pop("queue") == [(0,)]
    wanted.pop("queue")
    assert found == wanted


def test_a_consolidation_leaves_its_rows_and_is_used_at_once(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    rows: list[Row] = [("code", "Sage", 1.0), ("code", "Scout", 0.0)] * 15
    tell(judge, say, rows)
    keeper = Keeper()
    done = learn.run(conn, edge, keeper=keeper)
    assert done.consolidations == 1
    assert done.changes["ewc"] == 1
    state = state_key("code", None, "code")
    count, anchor, fisher = one(
        conn,
        "SELECT consolidation_count, consolidated_q_table, fisher_matrix FROM qlearning_state",
    )
    assert count == 1
    assert set(anchor[state]) == {"Sage", "Scout"}
    assert fisher == {state: {"Sage": 1, "Scout": pytest.approx(12 / 13)}}
    assert one(
        conn,
        "SELECT task_id, fisher_entries, q_states, pre_consolidation_accuracy, post_consolidation_accuracy::float "
        "FROM qlearning_ewc_history",
    ) == ("code", 2, 1, None, pytest.approx(0.52, abs=0.03))
    assert one(
        conn, "SELECT task_id, episodes_count, avg_reward, consolidated FROM qlearning_tasks"
    ) == ("code", 30, 0.5, True)
    assert one(conn, "SELECT count(*) FROM background_tasks WHERE task_name = 'consolidate'") == 1
    ids, until = one(
        conn,
        "SELECT metadata -> 'consolidationIds', metadata ->> 'until' FROM learning_events WHERE loop_type = 'ewc' "
        "AND event_type = 'consolidation'",
    )
    assert ids == [one(conn, "SELECT consolidation_id FROM qlearning_ewc_history")]
    assert int(until) == 25
    shown: Any = status(conn)
    loops = {loop["loop"]: loop for loop in shown["loops"]}
    assert loops["ewc"]["state"] == "learning"
    assert loops["ewc"]["detail"]["locked"] == {state: ["Sage", "Scout"]}
    assert loops["ewc"]["detail"]["tasks"]["code"]["episodes"] == 30
    assert loops["q-learning"]["detail"]["locked_cells"] == 2
    # The keeper that learned before the consolidation learns under it.
    before = one(conn, "SELECT get_live_q_table() -> 'table'")[state]["Sage"]
    tell(judge, say, [("code", "Sage", 0.0)])
    learn.run(conn, edge, keeper=keeper)
    fell = before - one(conn, "SELECT get_live_q_table() -> 'table'")[state]["Sage"]
    assert 0 < fell < 1 / (16 + 2) / 2


def test_once_a_day_states_with_fewer_updates_are_consolidated_too(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ewc, "UPDATES_MIN", 3)

    def count() -> int:
        return one(conn, "SELECT consolidation_count FROM qlearning_state")

    tell(judge, say, [("code", "Sage", 1.0)] * 4 + [("review", "Sage", 1.0)] * 2)
    learn.run(conn, edge)
    assert count() == 0
    clock.move(hours=23)
    learn.tend(conn, edge)
    assert count() == 0
    clock.move(hours=1)
    learn.tend(conn, edge)
    assert one(conn, "SELECT consolidated_q_table FROM qlearning_state") == {
        state_key("code", None, "code"): {"Sage": 1}
    }
    clock.move(days=2)
    assert learn.tend(conn, edge).consolidations == 0, "nothing was learned since"


def test_while_a_fall_is_suspected_nothing_is_consolidated(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, clock: MovableClock
) -> None:
    tell(judge, say, [("code", "Sage", 1.0)] * 60)
    learn.run(conn, edge)
    anchored = one(conn, "SELECT consolidated_q_table, consolidation_count FROM qlearning_state")
    tell(judge, say, [("code", "Sage", 0.0)] * 60)
    learn.run(conn, edge)
    assert q_learning(conn).router.suspicion is not None
    clock.move(days=2)
    learn.run(conn, edge)
    now = one(conn, "SELECT consolidated_q_table, consolidation_count FROM qlearning_state")
    assert now[1] - anchored[1] <= 1, "of the answers before the fall was seen"
    assert now[0][state_key("code", None, "code")]["Sage"] > 0.95
    detail = {loop["loop"]: loop for loop in status(conn)["loops"]}["q-learning"]["detail"]  # type: ignore[attr-defined]
    assert detail["suspicion"]["rewards"] < PROBATION


def test_what_is_right_less_often_than_before_is_noticed_once(
    conn: psycopg.Connection,
    edge: Edge,
    judge: Judge,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forgetting, "WINDOW", 20)
    tell(judge, say, [("review", "Sage", 1.0)] * 45)
    tell(judge, say, [("code", "Sage", 1.0)] * 10 + [("code", "Sage", 0.5)] * 5)
    learn.run(conn, edge)
    assert one(
        conn, "SELECT task_type, baseline_accuracy, sample_count FROM forgetting_baselines"
    ) == (*("review", 1, 20),), "partial answers are none, and ten are too few"
    assert one(
        conn, "SELECT average_bwt, task_count FROM forgetting_metrics ORDER BY id DESC LIMIT 1"
    ) == (0, 1)
    assert one(conn, "SELECT count(*) FROM forgetting_alerts") == 0
    told = tell(judge, say, [("review", "Sage", 0.0)] * 30)
    learn.run(conn, edge)
    assert one(
        conn,
        "SELECT catastrophic_tasks, catastrophic_count, average_bwt < -0.1 FROM forgetting_alerts",
    ) == (["review"], 1, True), "one alarm, not one for each cycle"
    evidence = one(
        conn,
        "SELECT metadata -> 'catastrophic' -> 'review' FROM learning_events WHERE event_type = 'alert' ORDER BY id LIMIT 1",
    )
    assert evidence["baselineInterval"][0] > evidence["presentInterval"][1]
    detail = {loop["loop"]: loop for loop in status(conn)["loops"]}["ewc"]["detail"]  # type: ignore[attr-defined]
    assert detail["forgetting"]["tasks"]["review"]["bwt"] == -1
    assert detail["forgetting"]["open_alerts"] == 1
    for judgment_id in told:
        say(judgment_id, "correct")
    learn.run(conn, edge)
    assert one(conn, "SELECT average_bwt FROM forgetting_metrics ORDER BY id DESC LIMIT 1") == 0
    assert one(conn, "SELECT count(*), min(accuracy) FROM forgetting_judgments") == (85, 1)
    say(told[0], "partial")
    learn.run(conn, edge)
    assert one(conn, "SELECT count(*) FROM forgetting_judgments") == 84


def test_people_who_disagree_leave_a_judgment_undecided(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say
) -> None:
    judged = judge(context_type="code").judgment_id
    for person, outcome, rows in (
        ("ada", "correct", [1]),
        ("bob", "incorrect", []),
        ("eve", "correct", [pytest.approx(2 / 3)]),
    ):
        say(judged, outcome, user=person)
        learn.run(conn, edge)
        found = conn.execute("SELECT accuracy::double precision FROM forgetting_judgments")
        assert [row[0] for row in found] == rows


SERVICE = """
import sys
from cynic.db.connect import Database
from cynic.flows.learning import cycle, ewc
from cynic.flows.worker import Worker
cycle.ANSWERS, ewc.UPDATES = 5, 12
worker = Worker(Database(conninfo=sys.argv[1], source="test"))
worker.start()
print("up", flush=True)
sys.stdin.read()
"""


def test_a_service_that_is_killed_again_and_again_learns_what_one_that_lives_learns(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, fresh_database: str
) -> None:
    edge = replace(edge, clock=real_clock.now)
    rows = stream(5, 120) + stream(6, 60, 0.2)
    deaths = 0
    for begin in range(0, len(rows), 12):
        service = subprocess.Popen(
            [sys.executable, "-c", SERVICE, fresh_database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with service:
            assert service.stdout is not None
            assert service.stdout.readline() == b"up\n"
            told = tell(judge, say, rows[begin : begin + 12])
            say(told[0], "partial")
            # It dies somewhere in what it is at.
            places = one(conn, "SELECT count(*) FROM feedback WHERE learned_as IS NOT NULL")
            deadline = random.Random(begin).randrange(12)
            while one(conn, "SELECT count(*) FROM feedback WHERE learned_as IS NOT NULL") < (
                places + deadline
            ) and one(conn, "SELECT count(*) FROM ops_learning_queue"):
                pass
            service.send_signal(signal.SIGKILL)
            assert service.wait(LIFE_SECONDS) == -signal.SIGKILL
            deaths += 1
    assert deaths == 15
    learn.run(conn, edge)
    found = learned(conn)
    assert found["queue"] == [(0,)]
    # The same answers, learned by one that lives.
    conn.execute("RESET ROLE")
    conn.execute("DELETE FROM learning_events")
    conn.execute("DELETE FROM learning_cycles")
    for history in ("learning_maturity", "judgment_metrics", "distribution_snapshots"):
        conn.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(history)))
    migrator = Migrator(conn)
    migrator.down("051")
    migrator.up()
    migrator.grant()
    conn.execute("SET ROLE cynic_app")
    learn.run(conn, edge)
    wanted = learned(conn)
    for name, rows_of in wanted.items():
        assert found[name] == rows_of, name
