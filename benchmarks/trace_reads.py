"""What is asked of traces, at a million spans against ten thousand: the newest, one trace, tokens by model and day.

Traces have ten spans, of which three are model calls and three tool calls, over seven days up to now, with the newest hour
still running. Spans are as large as real ones. Tokens are also asked for with every call in the running hour and a thousand
writes that nobody has folded yet: that is the most that a busy service leaves between two rounds.
"""

from __future__ import annotations

import statistics
from itertools import cycle
from typing import TYPE_CHECKING, Final

import psycopg

from benchmarks import ground
from benchmarks.measure import Result, paired, seconds
from cynic.base import clock, ids
from cynic.flows import roll_up
from cynic.flows.edge import Edge, digest_key
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cynic.db.connect import Database

FEW, MANY = 1_000, 100_000
SPANS_PER_TRACE: Final = 10
BATCH_TRACES: Final = 5_000
PAGE_ROWS: Final = 50
UNFOLDED: Final = 1_000
ROUNDS: Final = 60
CALLS: Final = 3
SECONDS_MAX: Final = 0.05
WEEK_SECONDS: Final = 7 * 86_400

# Foreign keys and the marks of hours rest while the tables are filled: the hours are queued at once below.
REST = "SET session_replication_role = replica; SET synchronous_commit = off"
TRACES = """
INSERT INTO traces (trace_id, operation, started_at, ended_at, duration_ms, status, session_id, service_name, root_span_id,
                    span_count, error_count, tokens_input, tokens_output, cost_usd, received_at)
SELECT md5('trace-' || n), 'agent ' || n %% 20, at, at + interval '9 s', 9000, 'ok', 'session-' || n / 20, 'service-' || n %% 5,
       left(md5('span-' || n * 10), 16), 10, (n %% 50 = 0)::integer, 3600, 360, CASE WHEN n %% 3 = 0 THEN 0.001 * (n %% 997) END, at
FROM generate_series(%(first)s::bigint, %(last)s) AS n,
     LATERAL (SELECT %(now)s::timestamptz - (%(rows)s - n) * %(span)s::double precision / %(rows)s * interval '1 second' AS at) AS made
"""
SPANS = """
INSERT INTO spans (span_id, trace_id, parent_span_id, operation, kind, status, started_at, ended_at, duration_ms, attributes, envelope)
SELECT left(md5('span-' || n * 10 + s), 16), md5('trace-' || n), CASE WHEN s > 0 THEN left(md5('span-' || n * 10), 16) END,
       CASE WHEN s = 0 THEN 'agent ' || n %% 20 WHEN s %% 3 = 1 THEN 'chat gpt-5' WHEN s %% 3 = 2 THEN 'execute_tool search' ELSE 'plan' END,
       CASE WHEN s = 0 THEN 'agent' WHEN s %% 3 = 1 THEN 'model' WHEN s %% 3 = 2 THEN 'tool' ELSE 'chain' END,
       CASE WHEN s = 5 AND n %% 50 = 0 THEN 'error' ELSE 'ok' END,
       at + s * interval '900 ms', at + s * interval '900 ms' + interval '800 ms', 800 + (n %% 100)::integer,
       jsonb_build_object('gen_ai.operation.name', 'chat', 'gen_ai.request.model', 'gpt-5', 'gen_ai.input.messages',
                          (SELECT string_agg(md5(n::text || s || k), ' ') FROM generate_series(1, 36) AS k)),
       jsonb_build_object('kind', 3, 'scope', 'opentelemetry.instrumentation.openai', 'start', n * 1000, 'status', '{"code": 1}'::jsonb)
FROM generate_series(%(first)s::bigint, %(last)s) AS n,
     LATERAL (SELECT %(now)s::timestamptz - (%(rows)s - n) * %(span)s::double precision / %(rows)s * interval '1 second' AS at) AS made,
     generate_series(0, 9) AS s
"""
CALLS_OF_MODELS = """
INSERT INTO llm_usage (adapter, model, tokens_input, tokens_output, tokens_cache_read, cost_usd, latency_ms, created_at, session_id,
                       response_id, call_key, trace_id, span_id, operation, received_at)
SELECT (ARRAY['openai', 'anthropic', 'google'])[1 + m %% 3], 'model-' || m %% 12, 1000 + m %% 400, 100 + m %% 40, 500,
       CASE WHEN n %% 3 = 0 THEN 0.0001 * (m %% 997) END, 800, at + s * interval '900 ms', 'session-' || n / 20,
       'resp-' || m, 'openai resp-' || m, md5('trace-' || n), left(md5('span-' || n * 10 + s), 16), 'chat', at
FROM generate_series(%(first)s::bigint, %(last)s) AS n,
     LATERAL (SELECT %(now)s::timestamptz - (%(rows)s - n) * %(span)s::double precision / %(rows)s * interval '1 second' AS at) AS made,
     unnest(ARRAY[1, 4, 7]) AS s, LATERAL (SELECT n * 10 + s AS m) AS number
"""
CALLS_OF_TOOLS = """
INSERT INTO tool_usage (tool_name, status, duration_ms, used_at, session_id, call_id, trace_id, span_id, received_at)
SELECT 'tool ' || m %% 30, 'ok', 800, at + s * interval '900 ms', 'session-' || n / 20, 'call-' || m, md5('trace-' || n),
       left(md5('span-' || n * 10 + s), 16), at
FROM generate_series(%(first)s::bigint, %(last)s) AS n,
     LATERAL (SELECT %(now)s::timestamptz - (%(rows)s - n) * %(span)s::double precision / %(rows)s * interval '1 second' AS at) AS made,
     unnest(ARRAY[2, 5, 8]) AS s, LATERAL (SELECT n * 10 + s AS m) AS number
"""
DAYS = """
INSERT INTO ops_llm_days (day_bucket, adapter, model, calls, told_calls, tokens_input, tokens_output, cache_read_calls, tokens_cache_read,
                          cache_write_calls, tokens_cache_write, reasoning_calls, tokens_reasoning, priced_calls, cost_usd)
SELECT date_trunc('day', u.created_at, 'UTC'), u.adapter, u.model, 1, 1, u.tokens_input, u.tokens_output, 1, u.tokens_cache_read,
       0, 0, 0, 0, (u.cost_usd IS NOT NULL)::integer, coalesce(u.cost_usd, 0)
FROM llm_usage AS u
"""
ONE_CALL = """
INSERT INTO llm_usage (adapter, model, tokens_input, tokens_output, created_at) VALUES ('openai', %(model)s, 1000, 100, %(now)s)
"""
HOURS = """
INSERT INTO ops_rollup_queue (hour_bucket)
SELECT DISTINCT date_trunc('hour', s.at, 'UTC')
FROM (SELECT t.started_at AS at FROM traces AS t UNION ALL SELECT u.created_at FROM llm_usage AS u) AS s
"""
SUMS = """
SELECT count(*), sum(tokens_input), sum(tokens_output), sum(cost_usd) FROM llm_usage
WHERE created_at >= date_trunc('day', %(now)s::timestamptz, 'UTC') - interval '29 days'
"""


def run() -> Iterator[Result]:
    """Each question in turn to both databases, about another trace each time."""
    with ground.server() as address:
        few = _filled(address, "few", FEW, WEEK_SECONDS)
        many = _filled(address, "many", MANY, WEEK_SECONDS)
        busy = _filled(address, "busy", MANY, 1, whole=False)
        with (
            Memory(few, pool_size=1) as of_few,
            Memory(many, pool_size=1) as of_many,
            Memory(busy, pool_size=1) as of_busy,
        ):
            _same_tokens(of_few, of_many, of_busy)
            yield _measured("50 newest traces", _newest(of_many), _newest(of_few))
            yield _measured("one trace as a tree", _tree(of_many, MANY), _tree(of_few, FEW))
            yield _measured("tokens by model and day, 30 days", _tokens(of_many), _tokens(of_few))
            ours, limit = paired(_tokens(of_busy), _tokens(of_many), ROUNDS)
            yield Result(
                what=f"the same, {3 * MANY} calls in this hour vs week",
                ours_seconds=ours,
                limit_seconds=limit,
                seconds_max=SECONDS_MAX,
            )


def _measured(what: str, ours: Callable[[], float], limit: Callable[[], float]) -> Result:
    spans = MANY * SPANS_PER_TRACE
    ours_seconds, limit_seconds = paired(ours, limit, ROUNDS)
    return Result(
        what=f"{what}, {spans} vs {FEW * SPANS_PER_TRACE} spans",
        ours_seconds=ours_seconds,
        limit_seconds=limit_seconds,
        seconds_max=SECONDS_MAX,
    )


def _newest(memory: Memory) -> Callable[[], float]:
    def page() -> None:
        found = memory.traces(limit=PAGE_ROWS)
        if len([line.document() for line in found.lines]) != PAGE_ROWS or found.cursor is None:
            raise RuntimeError("not a full page")

    return _median(page)


def _tree(memory: Memory, rows: int) -> Callable[[], float]:
    """Traces spread over the whole week."""
    from hashlib import md5

    asked = cycle(range(rows // 100, rows, rows // 97))

    def one() -> None:
        trace_id = md5(f"trace-{next(asked)}".encode(), usedforsecurity=False).hexdigest()
        found = memory.trace(trace_id).document()
        if len(found["spans"]) != SPANS_PER_TRACE:  # pyright: ignore[reportArgumentType]
            raise RuntimeError(f"{trace_id} is not whole")

    return _median(one)


def _tokens(memory: Memory) -> Callable[[], float]:
    def ask() -> None:
        memory.usage().document()

    return _median(ask)


def _median(action: Callable[[], None]) -> Callable[[], float]:
    return lambda: statistics.median(seconds(action) for _ in range(CALLS))


def _same_tokens(*memories: Memory) -> None:
    """Refuse to measure an answer that is not exact."""
    for memory in memories:
        with memory.connection() as conn:
            row = conn.execute(SUMS, {"now": clock.now()}).fetchone()
        total = memory.usage().total
        if row != (total.calls, total.tokens_input, total.tokens_output, total.cost_usd):
            raise RuntimeError(f"{row} was counted, {total} was told")


def _filled(address: str, name: str, rows: int, span: int, *, whole: bool = True) -> Database:
    """A database with so many traces over `span` seconds up to now; without `whole` only their calls."""
    database = ground.migrated(address, name)
    now = clock.now()
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(REST)
        for first in range(0, rows, BATCH_TRACES):
            last = min(first + BATCH_TRACES, rows) - 1
            given = {"first": first, "last": last, "rows": rows, "span": span, "now": now}
            for statement in (TRACES, SPANS, CALLS_OF_TOOLS) if whole else ():
                conn.execute(statement, given)
            conn.execute(CALLS_OF_MODELS, given)
        conn.execute(DAYS)
        conn.execute(HOURS)
        conn.execute("RESET session_replication_role")
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        while roll_up.run(conn, edge).more:
            pass
        for number in range(0 if whole else UNFOLDED):
            conn.execute(ONE_CALL, {"model": f"model-{number % 12}", "now": now})
        conn.execute("VACUUM ANALYZE")
    return database
