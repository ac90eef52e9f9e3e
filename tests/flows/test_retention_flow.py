"""Retention by itself: what is old since it was received goes, sums stay exact, writers are never held up."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg import errors
from test_roll_up import recomputed, rolled

from cynic.base import clock as real_clock
from cynic.flows import retention, roll_up
from cynic.reads import usage
from traced import NOON, call, shopping, span, tool, trace

if TYPE_CHECKING:
    from conftest import MovableClock
    from cynic.flows.edge import Edge


@pytest.fixture(autouse=True)
def _now(clock: MovableClock) -> None:
    """Retention asks the server for the time: tasks of another one would be old at once."""
    clock.moment = real_clock.now()


OLD = "now() - interval '40 days'"


def one(conn: psycopg.Connection, query: LiteralString) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def age(conn: psycopg.Connection) -> None:
    """Everything here was received forty days ago."""
    for table in ("traces", "llm_usage", "tool_usage"):
        conn.execute(f"UPDATE {table} SET received_at = {OLD}".encode())


def done(conn: psycopg.Connection, edge: Edge, **more: Any) -> dict[str, int]:
    found = retention.run(conn, edge, **more)
    assert found is not None
    assert found.failed == ()
    return {rule: rows for rule, rows in found.cleaned.items() if rows}


def total(conn: psycopg.Connection) -> usage.Tokens:
    return usage.tokens(conn, since=NOON.date(), until=NOON.date()).total


def test_what_was_imported_today_stays_however_old_it_is(
    conn: psycopg.Connection, edge: Edge
) -> None:
    shopping(conn)  # of long ago
    for table in ("traces", "llm_usage", "tool_usage"):
        conn.execute(f"UPDATE {table} SET received_at = now()".encode())
    assert done(conn, edge) == {}
    age(conn)
    assert done(conn, edge) == {"traces": 1, "llm_usage": 2, "tool_usage": 1}
    assert one(conn, "SELECT count(*) FROM spans") == 0


def test_what_comes_from_the_future_goes_by_its_reception(
    conn: psycopg.Connection, edge: Edge
) -> None:
    call(conn, at=NOON + timedelta(days=36500), received_at=NOON)
    assert done(conn, edge) == {"llm_usage": 1}


def test_sums_outlive_their_rows_and_a_late_row_still_corrects_them(
    conn: psycopg.Connection, edge: Edge
) -> None:
    shopping(conn)
    roll_up.run(conn, edge, with_running=True)
    before, tokens = rolled(conn), total(conn)
    age(conn)
    roll_up.run(conn, edge, with_running=True)
    assert done(conn, edge, batch_rows=1) == {"traces": 1, "llm_usage": 2, "tool_usage": 1}
    assert rolled(conn) == before, "count, sum and percentiles"
    assert total(conn) == tokens
    call(conn, at=NOON + timedelta(seconds=2), tokens_input=7, tokens_output=0, latency_ms=1)
    assert total(conn).tokens_input == 1507
    roll_up.run(conn, edge, with_running=True)
    assert total(conn).tokens_input == 1507
    assert total(conn).calls == 3
    row = rolled(conn)["llm.latency_ms", NOON, None, "openai", "gpt-5"]
    assert row == (2, Decimal(1901), None, None, None), (
        "of rows that are gone no percentile is known"
    )
    assert rolled(conn)["tool.duration_ms", NOON, "search", None, None][2:] == (700, 700, 700)
    # And it goes too, and the next one comes.
    age(conn)
    done(conn, edge)
    call(conn, tokens_input=1, tokens_output=0)
    roll_up.run(conn, edge, with_running=True)
    assert (total(conn).tokens_input, total(conn).calls) == (1508, 4)


def test_rows_that_go_before_they_were_summed_are_summed(
    conn: psycopg.Connection, edge: Edge
) -> None:
    """As a scheduler in the database does it, which calls the rules alone."""
    shopping(conn)
    expected, tokens = recomputed(conn), total(conn)
    age(conn)
    for rule in (b"cleanup_llm_usage", b"cleanup_tool_usage", b"cleanup_traces"):
        while conn.execute(b"SELECT " + rule + b"(p_batch => 1)").fetchone() != (0,):
            pass
    assert total(conn) == tokens
    roll_up.run(conn, edge, with_running=True)
    assert total(conn) == tokens
    assert {k: v[:2] for k, v in rolled(conn).items()} == {k: v[:2] for k, v in expected.items()}


def test_operations_that_share_a_row_share_it_when_they_go(
    conn: psycopg.Connection, edge: Edge
) -> None:
    conn.execute(
        "INSERT INTO tool_usage (tool_name, status, used_at, received_at, duration_ms) "
        f"SELECT 'tool ' || n, 'ok', %s, {OLD}, n FROM generate_series(1, 300) AS n".encode(),
        [NOON],
    )
    roll_up.run(conn, edge, with_running=True)
    before = rolled(conn)
    assert done(conn, edge, batch_rows=70) == {"tool_usage": 300}
    assert rolled(conn) == before
    tool(conn, duration_ms=5)
    roll_up.run(conn, edge, with_running=True)
    assert sum(row[0] for key, row in rolled(conn).items() if key[0] == "tool.count") == 301


def test_a_trace_that_still_receives_is_kept_whole(conn: psycopg.Connection, edge: Edge) -> None:
    trace(conn, "long", received_at=None, at=NOON)
    span(conn, "long", "first")
    conn.execute("UPDATE traces SET received_at = now() - interval '6 days'")
    assert done(conn, edge) == {}
    assert one(conn, "SELECT count(*) FROM spans") == 1


def test_batches_are_bounded_by_spans(conn: psycopg.Connection) -> None:
    for number, spans in enumerate([4, 3, 3, 25, 1]):
        trace(conn, f"t{number}", at=NOON + timedelta(minutes=number))
        for place in range(spans):
            span(conn, f"t{number}", f"s{place}")
    taken = [one(conn, "SELECT cleanup_traces(p_batch => 10)") for _ in range(4)]
    assert taken == [3, 1, 1, 0], "ten spans, one larger trace, the rest"


def test_a_run_leaves_a_row_and_is_due_again_in_an_hour(
    conn: psycopg.Connection, edge: Edge, clock: MovableClock
) -> None:
    assert retention.is_due(conn, clock())
    call(conn)
    done(conn, edge)
    task = "SELECT task_type, status, success_count, error_count FROM background_tasks WHERE task_name = 'retention'"
    assert conn.execute(task).fetchall() == [("cleanup", "completed", 1, 0)]
    clock.move(minutes=59)
    assert not retention.is_due(conn, clock())
    clock.move(minutes=2)
    assert retention.is_due(conn, clock())


def test_one_process_at_a_time(fresh_database: str, conn: psycopg.Connection, edge: Edge) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as other:
        other.execute(
            "SELECT pg_advisory_lock(hashtextextended('cynic retention of ' || current_schema(), 0))"
        )
        assert retention.run(conn, edge) is None
        other.execute("SELECT pg_advisory_unlock_all()")
    assert retention.run(conn, edge) is not None
    assert retention.run(conn, edge) is not None, "the lock was given back"


def test_a_rule_that_fails_keeps_no_other_from_running(
    conn: psycopg.Connection, edge: Edge
) -> None:
    conn.execute("RESET ROLE")
    conn.execute(
        "CREATE FUNCTION cleanup_broken(p_batch integer) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0::bigint'"
    )
    conn.execute("SET ROLE cynic_app")
    call(conn)
    found = retention.run(conn, edge)
    assert found is not None
    assert found.failed == ("broken",)
    assert found.cleaned["llm_usage"] == 1
    assert one(
        conn, "SELECT status, error_count FROM background_tasks WHERE task_name = 'retention'"
    ) == ("failed", 1)


def test_a_trace_that_is_being_written_is_left_alone(
    fresh_database: str, conn: psycopg.Connection, edge: Edge
) -> None:
    for name in ("held", "free"):
        trace(conn, name)
        span(conn, name, "s")
    age(conn)
    with psycopg.connect(fresh_database) as writer:
        writer.execute(
            "INSERT INTO spans (trace_id, span_id, operation) VALUES ('held', 'late', 'x')"
        )
        writer.execute("UPDATE traces SET received_at = now() WHERE trace_id = 'held'")
        assert done(conn, edge)["traces"] == 1
        writer.commit()
    assert done(conn, edge) == {}
    assert one(conn, "SELECT string_agg(span_id, ' ' ORDER BY span_id) FROM spans") == "late s"


def test_a_writer_of_a_span_goes_first(
    fresh_database: str, conn: psycopg.Connection, edge: Edge
) -> None:
    """It holds a span and then wants its trace, which retention holds: retention gives way, and nobody is in a deadlock."""
    trace(conn, "t")
    span(conn, "t", "s")
    age(conn)
    with psycopg.connect(fresh_database) as writer:
        writer.execute("UPDATE spans SET operation = 'again' WHERE span_id = 's'")
        assert done(conn, edge) == {}
        writer.execute("UPDATE traces SET received_at = now() WHERE trace_id = 't'")
        writer.commit()
    assert done(conn, edge) == {}
    assert one(conn, "SELECT operation FROM spans") == "again"
    assert one(conn, "SELECT current_setting('lock_timeout')") == "0"


def test_retention_under_ingest_loses_nothing_new_and_keeps_sums(
    fresh_database: str, conn: psycopg.Connection, edge: Edge
) -> None:
    """Four writers go on writing, partly into traces that are about to go, while retention runs again and again."""
    for number in range(200):
        trace(conn, f"old-{number}")
        span(conn, f"old-{number}", "s")
        call(conn, trace_id=f"old-{number}", tokens_input=1, tokens_output=0)
    age(conn)
    failed: list[BaseException] = []
    writers = [
        threading.Thread(target=_write, args=(fresh_database, number, failed))
        for number in range(4)
    ]
    for writer in writers:
        writer.start()
    removed = 0
    while any(writer.is_alive() for writer in writers):
        removed += done(conn, edge, batch_rows=5).get("traces", 0)
    for writer in writers:
        writer.join()
    assert failed == []
    removed += done(conn, edge).get("traces", 0)
    assert removed > 0
    kept = conn.execute("SELECT trace_id, span_id FROM spans WHERE span_id LIKE 'new-%'").fetchall()
    assert len(kept) == 4 * 50 * 2, "no acknowledged new span is gone"
    assert total(conn).tokens_input == 200 + 4 * 50
    roll_up.run(conn, edge, with_running=True)
    assert total(conn).tokens_input == 200 + 4 * 50
    spans = sum(row[0] for key, row in rolled(conn).items() if key[0] == "span.count")
    assert spans == 200 + 4 * 50 * 2


def _write(address: str, number: int, failed: list[BaseException]) -> None:
    """As the receiver does: the trace first, then its spans, then the calls, in one transaction; again when it was crossed."""
    try:
        with psycopg.connect(address, autocommit=True) as own:
            own.execute("SET ROLE cynic_app")
            for step in range(50):
                for trace_id in (f"new-{number}-{step}", f"old-{(number * 50 + step) % 200}"):
                    _store(own, trace_id, f"new-{number}-{step}")
    except BaseException as error:  # noqa: BLE001  # told by the test
        failed.append(error)


def _store(own: psycopg.Connection, trace_id: str, span_id: str) -> None:
    while True:
        try:
            with own.transaction():
                own.execute(
                    "INSERT INTO traces AS t (trace_id, operation, started_at, received_at, span_count) VALUES (%s, 'x', %s, now(), 1) "
                    "ON CONFLICT (trace_id) DO UPDATE SET received_at = now(), span_count = t.span_count + 1",
                    [trace_id, NOON],
                )
                own.execute(
                    "INSERT INTO spans (trace_id, span_id, operation, started_at) VALUES (%s, %s, 'x', %s)",
                    [trace_id, span_id, NOON],
                )
                if trace_id.startswith("new"):
                    own.execute(
                        "INSERT INTO llm_usage (adapter, model, tokens_input, created_at, received_at) VALUES ('a', 'm', 1, %s, now())",
                        [NOON],
                    )
        except errors.ForeignKeyViolation:
            continue
        return
