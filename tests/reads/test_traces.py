"""Reading traces and usage: every number on rows made by hand, pages without gaps, and nothing known where nothing was told."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.reads import traces, usage
from cynic.reads.place import BadQueryError, numbered_cost, numbered_cursor, numbered_time
from cynic.reads.traces import Filters, NoSuchSpanError, NoSuchTraceError
from traced import NOON, call, shopping, span, trace

if TYPE_CHECKING:
    from collections.abc import Iterator

A = "a" * 32


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        opened.execute("SET ROLE cynic_app")
        yield opened


def names(conn: psycopg.Connection, order: traces.Order = "newest", **filters: Any) -> list[str]:
    return [line.trace_id for line in traces.page(conn, Filters(**filters), order=order).lines]


def test_a_line_says_what_is_known_and_what_is_not(conn: psycopg.Connection) -> None:
    shopping(conn)
    trace(conn, "bare", at=NOON - timedelta(days=1), ms=None, status="unset")
    line, bare = traces.page(conn).lines
    assert (line.operation, line.service_name, line.session_id) == (
        "plan the shopping",
        "shop",
        "basket",
    )
    assert (line.span_count, line.error_count, line.model_calls) == (5, 1, 2)
    assert (line.tokens_input, line.tokens_output) == (1500, 130)
    assert (line.cost_usd, line.unpriced_calls) == (Decimal("0.0031"), 1)
    assert line.document()["cost_usd"] == "0.0031"
    assert (bare.tokens_input, bare.cost_usd, bare.duration_ms, bare.root_span_id) == (None,) * 4
    assert (bare.model_calls, bare.unpriced_calls) == (0, 0)


def test_filters_hold_together(conn: psycopg.Connection) -> None:
    shopping(conn)
    trace(conn, "other", at=NOON + timedelta(hours=1), session_id="basket", service_name="till")
    trace(conn, "third", at=NOON + timedelta(hours=2))
    assert names(conn) == ["third", "other", A]
    assert names(conn, failed=True) == [A]
    assert names(conn, session_id="basket") == ["other", A]
    assert names(conn, session_id="basket", failed=True) == [A]
    assert names(conn, session_id="basket", service="till") == ["other"]
    assert names(conn, operation="agent run") == ["third", "other"]
    assert names(conn, since=NOON + timedelta(hours=1)) == ["third", "other"]
    assert names(conn, until=NOON + timedelta(hours=1)) == [A]
    naive = (NOON + timedelta(hours=2)).replace(tzinfo=None)
    assert names(conn, since=naive) == ["third"], "without an offset it is UTC"
    assert names(conn, session_id="no such") == []


def test_by_cost_the_dearest_come_first_and_the_unpriced_not_at_all(
    conn: psycopg.Connection,
) -> None:
    for number, usd in enumerate(["0.5", None, "12", "0.5", "0"]):
        trace(conn, f"t{number}", cost_usd=usd, session_id="s" if number else None)
    assert names(conn, "cost") == ["t2", "t3", "t0", "t4"]
    assert names(conn, "cost", session_id="s") == ["t2", "t3", "t4"]
    assert names(conn, "cost", failed=True) == []


@pytest.mark.parametrize("order", ["newest", "cost"])
@pytest.mark.parametrize("filters", [{}, {"session_id": "s"}, {"failed": True}])
def test_pages_have_no_gap_and_no_repetition(
    conn: psycopg.Connection, order: traces.Order, filters: dict[str, Any]
) -> None:
    for number in range(23):  # many of one moment, many of one price
        trace(
            conn, f"t{number:02}", at=NOON + timedelta(seconds=number // 6), session_id="s",
            cost_usd=Decimal(number // 7) / 3, error_count=1,
        )  # fmt: skip
    seen: list[str] = []
    cursor = None
    while True:
        page = traces.page(conn, Filters(**filters), order=order, limit=4, cursor=cursor)
        seen += [line.trace_id for line in page.lines]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [f"t{number:02}" for number in reversed(range(23))]


def test_a_damaged_cursor_and_a_page_too_large_are_named(conn: psycopg.Connection) -> None:
    by_time = numbered_cursor(NOON, 5)
    by_cost = numbered_cursor(Decimal("0.1"), 5)
    for order, cursor in (("cost", by_time), ("newest", by_cost), ("cost", "x"), ("newest", "")):
        with pytest.raises(BadQueryError, match="damaged"):
            traces.page(conn, order=order, cursor=cursor)
    for limit in (0, 501):
        with pytest.raises(BadQueryError, match="1 to 500"):
            traces.page(conn, limit=limit)


@given(st.text() | st.sampled_from([numbered_cursor(Decimal(1), 10**30), "WyJOYU4iLCAiMSJd"]))
def test_no_text_makes_a_cursor_fall_over(text: str) -> None:
    for read in (numbered_time, numbered_cost):
        try:
            _, row_id = read(text)
            assert 0 <= row_id < 2**63
        except BadQueryError:
            pass


def test_the_tree_of_a_trace(conn: psycopg.Connection) -> None:
    shopping(conn)
    found = traces.one(conn, A)
    assert [(s.span_id, s.depth, s.standing) for s in found.spans] == [
        ("root", 0, "root"),
        ("ask", 1, "child"),
        ("use", 1, "child"),
        ("again", 1, "child"),
        ("lost", 0, "orphan"),
    ]
    root, ask, use, again, lost = found.spans
    assert (root.claimed_input, root.calls) == (1500, ()), "a roll-up is a claim"
    assert (ask.claimed_input, ask.calls[0].tokens_input, ask.calls[0].tokens_cache_read) == (
        None,
        1200,
        1000,
    )
    assert (use.tool, use.tool_status, use.status, use.error) == (
        "search",
        "error",
        "error",
        "no such shelf",
    )
    assert (again.calls[0].model, again.calls[0].cost_usd) == ("claude-5", None)
    assert (lost.ended_at, lost.duration_ms) == (None, None)
    document: Any = found.document()
    assert document["spans"][1]["calls"][0]["cost_usd"] == "0.0031"
    assert (
        sum(c["tokens_input"] or 0 for s in document["spans"] for c in s["calls"])
        == document["tokens_input"]
    )


def test_a_call_that_told_nothing_shows_no_zero(conn: psycopg.Connection) -> None:
    trace(conn, "t")
    span(conn, "t", "s")
    call(conn, trace_id="t", span_id="s", is_usage_told=False)
    (one,) = traces.one(conn, "t").spans[0].calls
    assert (one.tokens_input, one.tokens_output) == (None, None)


def test_cycles_and_long_errors_are_shown(conn: psycopg.Connection) -> None:
    trace(conn, "t")
    span(conn, "t", "a", "b", status="error", attributes=f'{{"error.type": "{"x" * 5000}"}}')
    span(conn, "t", "b", "a")
    first, second = traces.one(conn, "t").spans
    assert (first.standing, second.standing, len(first.error or "")) == ("cycle", "child", 2000)


def test_what_is_not_there_is_named(conn: psycopg.Connection) -> None:
    shopping(conn)
    with pytest.raises(NoSuchTraceError):
        traces.one(conn, "no")
    with pytest.raises(NoSuchSpanError):
        traces.span(conn, A, "no")
    assert traces.span(conn, A, "use")["envelope"] == {"status": {"message": "no such shelf"}}


def test_tokens_by_day_and_model(conn: psycopg.Connection) -> None:
    shopping(conn)
    call(conn, at=NOON - timedelta(hours=12, microseconds=1), tokens_input=9, tokens_output=1)
    call(conn, at=NOON + timedelta(hours=12), tokens_input=8, tokens_output=1)
    call(conn, model="silent", is_usage_told=False)
    day = NOON.date()
    found = usage.tokens(conn, since=day, until=day)
    assert [(one.adapter, one.model, one.calls, one.tokens_input) for one in found.lines] == [
        ("anthropic", "claude-5", 1, 300),
        ("openai", "gpt-5", 1, 1200),
        ("openai", "silent", 1, None),
    ]
    assert (found.total.cost_usd, found.total.unpriced_calls) == (Decimal("0.0031"), 2)
    assert (found.total.calls, found.total.untold_calls, found.total.tokens_reasoning) == (
        3,
        1,
        None,
    )
    wider = usage.tokens(conn, since=day - timedelta(days=1), until=day + timedelta(days=1))
    assert wider.lines[0].day == day + timedelta(days=1)
    assert wider.total.tokens_input == 1500 + 17


def test_no_call_is_no_usage(conn: psycopg.Connection) -> None:
    found = usage.tokens(conn, since=date(2026, 1, 1), until=date(2026, 1, 1))
    assert found.lines == []
    assert (found.total.calls, found.total.tokens_input, found.total.cost_usd) == (0, None, None)


def test_spans_of_days_and_hours_have_bounds(conn: psycopg.Connection) -> None:
    day = date(2026, 1, 1)
    usage.tokens(conn, since=day - timedelta(days=3659), until=day)
    for since in (day - timedelta(days=3660), day + timedelta(days=1)):
        with pytest.raises(BadQueryError):
            usage.tokens(conn, since=since, until=day)
    for since in (NOON, NOON + timedelta(hours=1), NOON - timedelta(days=367)):
        with pytest.raises(BadQueryError):
            usage.hourly(conn, "llm.count", since=since, until=NOON)
    with pytest.raises(BadQueryError, match=r"llm\.latency_ms"):
        usage.hourly(conn, "no", since=NOON, until=NOON + timedelta(hours=1))


def test_a_page_reads_an_index_and_not_the_table(conn: psycopg.Connection) -> None:
    """At a size where it matters; what the planner says, not how long it took."""
    conn.execute("RESET ROLE")
    conn.execute(
        "INSERT INTO traces (trace_id, operation, started_at, session_id, error_count, cost_usd) "
        "SELECT md5(n::text), 'x', %s + n * interval '1 second', 's' || n %% 50, (n %% 100 = 0)::integer, n FROM generate_series(1, 20000) AS n",
        [NOON],
    )
    conn.execute("ANALYZE traces")
    for order, filters, index in (
        ("newest", {}, "idx_traces_started"),
        ("newest", {"failed": True}, "idx_traces_failed"),
        ("newest", {"session_id": "s7"}, "idx_traces_session"),
        ("cost", {}, "idx_traces_cost"),
    ):
        conn.execute("SELECT pg_stat_force_next_flush()")
        before = _scans(conn)
        traces.page(conn, Filters(**filters), order=order)  # pyright: ignore[reportArgumentType]
        conn.execute("SELECT pg_stat_force_next_flush()")
        after = _scans(conn)
        # The planner itself looks at the ends of an index by time.
        used = {name for name in after if after[name] > before.get(name, 0)}
        assert index in used <= {index, "idx_traces_started"}


def _scans(conn: psycopg.Connection) -> dict[str, int]:
    found: dict[str, int] = dict(
        conn.execute(
            "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relname = 'traces'"
        ).fetchall()
    )
    row = conn.execute(
        "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'traces'"
    ).fetchone()
    return {**found, "(the table)": row[0] if row else 0}
