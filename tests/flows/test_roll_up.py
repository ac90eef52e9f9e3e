"""Roll-ups are exact: whatever order rows come in, are changed or go, an hour is what its rows are, or waits to be so."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mortal import Mortal, StoppedError

from cynic.db.connect import Database
from cynic.flows import roll_up
from cynic.flows.upkeep import Upkeep, note_store
from cynic.reads import usage
from traced import NOON, call, shopping, span, tool, trace

if TYPE_CHECKING:
    from conftest import MovableClock
    from cynic.flows.edge import Edge

Key = tuple[str, datetime, str | None, str | None, str | None]
Row = tuple[int, Decimal, Decimal | None, Decimal | None, Decimal | None]


def rolled(conn: psycopg.Connection) -> dict[Key, Row]:
    cursor = conn.execute(
        "SELECT metric_name, hour_bucket, operation, adapter, model, sample_count, value, p50, p95, p99 FROM telemetry_hourly"
    )
    return {row[:5]: row[5:] for row in cursor}


def recomputed(conn: psycopg.Connection) -> dict[Key, Row]:
    """The same from the rows, in Python."""
    measured: dict[Key, list[Decimal]] = defaultdict(list)

    def put(at: datetime, name: str, group: tuple[str | None, ...], value: object) -> None:
        if value is not None:
            hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            key: Any = (name, hour, *group)
            measured[key].append(Decimal(str(value)))

    names = ("tokens_input", "tokens_output", "tokens_cache_read", "tokens_cache_write",
             "tokens_reasoning", "cost_usd", "latency_ms")  # fmt: skip
    for at, operation, adapter, model, told, *values in conn.execute(
        f"SELECT created_at, operation, adapter, model, is_usage_told, {', '.join(names)} FROM llm_usage".encode()
    ):
        group = (operation, adapter, model)
        put(at, "llm.count", group, 1)
        for name, value in zip(names, values, strict=True):
            if told or name not in {"tokens_input", "tokens_output"}:
                put(at, f"llm.{name}", group, value)
    for source, query in {
        "tool": "SELECT used_at, tool_name, status, duration_ms FROM tool_usage",
        "span": "SELECT started_at, operation, status, duration_ms FROM spans",
        "trace": "SELECT started_at, operation, status, duration_ms FROM traces",
    }.items():
        for at, operation, status, ms in conn.execute(query.encode()):
            put(at, f"{source}.count", (operation, None, None), 1)
            put(at, f"{source}.errors", (operation, None, None), 1 if status == "error" else None)
            put(at, f"{source}.duration_ms", (operation, None, None), ms)
    return {key: _row(key[0], values) for key, values in measured.items()}


def _row(name: str, values: list[Decimal]) -> Row:
    ranked = sorted(values)
    if name.endswith((".count", ".errors")):
        return len(values), sum(values, Decimal(0)), None, None, None
    p50, p95, p99 = (ranked[ceil(Decimal(p) * len(ranked)) - 1] for p in ("0.5", "0.95", "0.99"))
    return len(values), sum(values, Decimal(0)), p50, p95, p99


def run(conn: psycopg.Connection, edge: Edge) -> roll_up.Run:
    return roll_up.run(conn, edge, with_running=True)


def waiting(conn: psycopg.Connection) -> Any:
    row = conn.execute("SELECT count(*) FROM ops_rollup_queue").fetchone()
    return row and row[0]


def test_an_hour_holds_what_its_rows_say(conn: psycopg.Connection, edge: Edge) -> None:
    shopping(conn)
    shopping(conn, "b" * 32, NOON + timedelta(minutes=59, seconds=59))
    call(conn, tokens_input=0, tokens_output=0, is_usage_told=False, model="silent")
    assert run(conn, edge).hours == 7  # llm and tool and span reach into the next hour
    assert waiting(conn) == 0
    assert rolled(conn) == recomputed(conn)
    key: Key = ("llm.count", NOON, None, "openai", "silent")
    assert rolled(conn)[key][:2] == (1, Decimal(1))
    assert ("llm.tokens_input", *key[1:]) not in rolled(conn), "what was not told is no zero"
    assert run(conn, edge).hours == 0


def test_a_late_span_corrects_its_hour(conn: psycopg.Connection, edge: Edge) -> None:
    shopping(conn)
    run(conn, edge)
    before = rolled(conn)
    late = NOON + timedelta(minutes=30)
    span(conn, "a" * 32, "late", "root", at=late, ms=90_000, operation="step", status="error")
    call(conn, at=late, tokens_input=7, tokens_output=1, latency_ms=90_000)
    run(conn, edge)
    assert rolled(conn) == recomputed(conn)
    assert rolled(conn) != before
    assert rolled(conn)["llm.tokens_input", NOON, None, "openai", "gpt-5"][:2] == (2, Decimal(1207))


def test_a_row_that_changes_leaves_the_hour_it_was_in(conn: psycopg.Connection, edge: Edge) -> None:
    call(conn, tokens_input=5)
    span_at = NOON + timedelta(hours=3)
    trace(conn, "t", at=span_at)
    run(conn, edge)
    conn.execute(
        "UPDATE llm_usage SET created_at = created_at + interval '5 hours', model = 'other'"
    )
    conn.execute(
        "UPDATE traces SET operation = 'named by its root', started_at = started_at - interval '1 hour'"
    )
    run(conn, edge)
    assert rolled(conn) == recomputed(conn)
    conn.execute("DELETE FROM llm_usage")
    conn.execute("DELETE FROM traces")
    run(conn, edge)
    assert rolled(conn) == {} == recomputed(conn)


def test_a_writer_that_names_no_source_means_all(conn: psycopg.Connection, edge: Edge) -> None:
    shopping(conn)
    run(conn, edge)
    conn.execute("UPDATE telemetry_hourly SET value = 0, sample_count = 99")
    conn.execute("INSERT INTO ops_rollup_queue (hour_bucket) VALUES (%s), (%s)", [NOON, NOON])
    assert run(conn, edge).hours == 4
    assert rolled(conn) == recomputed(conn)


def test_the_running_hour_waits_and_is_read_from_its_rows(
    conn: psycopg.Connection, edge: Edge, clock: MovableClock
) -> None:
    clock.moment = NOON + timedelta(minutes=10)
    call(conn, tokens_input=5)
    call(conn, at=NOON - timedelta(minutes=1), tokens_input=3)
    assert roll_up.run(conn, edge).hours == 1
    assert [key[1] for key in rolled(conn)] == [NOON - timedelta(hours=1)] * 3
    found = usage.tokens(conn, since=NOON.date(), until=NOON.date())
    assert (found.total.calls, found.total.tokens_input) == (2, 8)
    clock.moment = NOON + timedelta(hours=1)
    assert roll_up.run(conn, edge).hours == 1


def test_many_requests_for_an_hour_become_one(conn: psycopg.Connection, edge: Edge) -> None:
    for _ in range(50):
        call(conn)
    assert waiting(conn) == 50
    roll_up.run(
        conn, edge.__class__(clock=lambda: NOON, new_id=edge.new_id, digest_key=edge.digest_key)
    )
    assert waiting(conn) == 1, "the hour runs: it stays, once"


def test_names_without_end_share_a_row(conn: psycopg.Connection, edge: Edge) -> None:
    conn.execute(
        "INSERT INTO tool_usage (tool_name, status, used_at, duration_ms) "
        "SELECT 'tool ' || least(n, 300), 'ok', %s, n FROM generate_series(1, 310) AS n",
        [NOON],
    )
    run(conn, edge)
    counts = {key[2]: row[0] for key, row in rolled(conn).items() if key[0] == "tool.count"}
    assert len(counts) == 201
    assert counts["tool 300"] == 11
    assert counts["(others)"] == 100
    assert sum(counts.values()) == 310


def test_a_roller_that_dies_loses_nothing(
    fresh_database: str, conn: psycopg.Connection, edge: Edge
) -> None:
    shopping(conn)
    done = False
    for left in range(100):
        with Mortal.connect(fresh_database, autocommit=True) as mortal:
            mortal.left = left
            try:
                run(mortal, edge)
                done = True
            except StoppedError:
                continue
        break
    assert done
    assert rolled(conn) == recomputed(conn)


def test_two_rollers_and_a_writer_at_once(
    fresh_database: str, conn: psycopg.Connection, edge: Edge
) -> None:
    stop = threading.Event()
    seen: list[BaseException] = []

    def roll() -> None:
        try:
            with psycopg.connect(fresh_database, autocommit=True) as own:
                own.execute("SET ROLE cynic_app")
                while not stop.is_set():
                    run(own, edge)
        except BaseException as error:  # noqa: BLE001  # told by the test
            seen.append(error)

    threads = [threading.Thread(target=roll) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(300):
            call(
                conn, at=NOON + timedelta(minutes=number % 120), tokens_input=number, cost_usd="0.1"
            )
            if number % 10 == 0:  # at every moment, not only in the end
                found = usage.tokens(conn, since=NOON.date(), until=NOON.date())
                assert found.total.tokens_input == number * (number + 1) // 2
                assert found.total.cost_usd == Decimal("0.1") * (number + 1)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert seen == []
    run(conn, edge)
    assert rolled(conn) == recomputed(conn)


CALL = st.fixed_dictionaries(
    {
        "minute": st.integers(0, 200),
        "model": st.sampled_from(["a", "b"]),
        "operation": st.sampled_from([None, "chat"]),
        "tokens_input": st.integers(0, 2**31 - 1),
        "tokens_cache_read": st.none() | st.integers(0, 9),
        "cost_usd": st.none() | st.decimals(0, 10, places=9),
        "latency_ms": st.none() | st.integers(0, 50),
        "is_usage_told": st.booleans(),
    }
)
STEP = st.one_of(
    st.tuples(st.just("call"), CALL),
    st.tuples(st.just("roll"), st.none()),
    st.tuples(st.just("move"), st.integers(0, 200)),
    st.tuples(st.just("delete"), st.integers(0, 5)),
    st.tuples(st.just("tool"), st.integers(0, 200)),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEP, max_size=25))
def test_after_any_history_the_roll_up_is_the_rows(
    conn: psycopg.Connection, edge: Edge, steps: list[tuple[str, Any]]
) -> None:
    conn.execute("DELETE FROM llm_usage")
    conn.execute("DELETE FROM tool_usage")
    run(conn, edge)
    for kind, what in steps:
        if kind == "call":
            columns = dict(what)
            call(conn, at=NOON + timedelta(minutes=columns.pop("minute")), **columns)
        elif kind == "tool":
            tool(conn, at=NOON + timedelta(minutes=what), duration_ms=what)
        elif kind == "roll":
            run(conn, edge)
        elif kind == "move":
            conn.execute(
                "UPDATE llm_usage SET created_at = %s WHERE id = (SELECT min(id) FROM llm_usage)",
                [NOON + timedelta(minutes=what)],
            )
        else:
            conn.execute(
                "DELETE FROM llm_usage WHERE id IN (SELECT id FROM llm_usage ORDER BY id LIMIT %s)",
                [what],
            )
        told = conn.execute(
            "SELECT sum(tokens_input) FILTER (WHERE is_usage_told), count(*), sum(cost_usd) FROM llm_usage"
        ).fetchone()
        total = usage.tokens(conn, since=NOON.date(), until=NOON.date()).total
        assert (total.tokens_input, total.calls, total.cost_usd) == told
    run(conn, edge)
    assert rolled(conn) == recomputed(conn)


def test_a_snapshot_is_left_now_and_then(
    conn: psycopg.Connection, edge: Edge, clock: MovableClock
) -> None:
    shopping(conn)
    for _ in range(3):
        note_store(conn, edge, 12345)
    clock.move(minutes=11)
    note_store(conn, edge, None)
    second, first = usage.snapshots(conn, 10)
    assert (first["disk_free_bytes"], second["disk_free_bytes"]) == (12345, None)
    assert first["hours_waiting"] == 4
    assert first["oldest_trace_at"] is not None


@pytest.mark.slow
def test_the_upkeep_rolls_up_by_itself_and_survives_a_lost_connection(
    fresh_database: str, conn: psycopg.Connection
) -> None:
    upkeep = Upkeep(Database(conninfo=fresh_database, source="test"), poll_seconds=0.05)
    upkeep.start()
    try:
        for number in (1, 2):
            call(conn, tokens_input=number)
            _until(
                conn,
                "SELECT coalesce(max(sample_count), 0) FROM telemetry_hourly WHERE metric_name = 'llm.count'",
                number,
            )
            conn.execute("RESET ROLE")
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            conn.execute("SET ROLE cynic_app")
        assert upkeep.alive
    finally:
        upkeep.stop()
    assert not upkeep.alive
    tasks = conn.execute("SELECT task_type, task_name, status FROM background_tasks").fetchall()
    assert set(tasks) == {("meta", "roll-up", "completed")}


def _until(conn: psycopg.Connection, query: str, expected: object) -> None:
    waited = threading.Event()
    for _ in range(2000):
        row = conn.execute(query.encode()).fetchone()
        if row == (expected,):
            return
        waited.wait(0.02)
    raise AssertionError(query)
