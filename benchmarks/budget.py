"""Settled charges a second against one statement for 64 charges, and the exact cost of a load whose cost is known.

A charge is a reservation and its settlement: two calls of the Python API, both committed, with the ledger row, the
counters and the level. The limit is the least that can be done for 64 charges that are known at once, without asking
and without holds: one statement that adds them up and writes 64 rows with the budget before and after each.
"""

from __future__ import annotations

import importlib.util
import json
import random
import sys
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import ground, load
from benchmarks.measure import Absent, Throughput, Value, pairs
from benchmarks.over_http import service
from cynic.flows import budget, budget_fields, spending
from cynic.memory import Memory
from cynic.reads import budget as read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Measured
    from cynic.db.connect import Database
    from cynic.flows.spending import Report

WRITERS: Final = 64
ROUNDS: Final = 5
SECONDS: Final = 3.0
HTTP_SECONDS: Final = 2.0
CALL: Final[dict[str, Any]] = {"provider": "openai", "model": "gpt-4o-mini"}
TOOL: Final = Path(__file__).resolve().parents[2] / "shared" / "tools" / "otlp_load.py"
LOAD_SEED: Final = 21
LOAD_TRACES: Final = 1000
LOAD_USD: Final = Decimal("36.33487708")
LOAD_UNPRICED: Final = 86
REPORTS_AT_ONCE: Final = 100
BATCHED: Final = """
    WITH given AS (
        SELECT o.*, sum(o.cost_usd) OVER (ORDER BY o.place) AS upto, sum(o.cost_usd) OVER () AS total
        FROM jsonb_to_recordset(%s::jsonb) AS o (
            place integer, provider varchar, model varchar, session_id varchar, tokens_input integer,
            tokens_output integer, cost_usd numeric, response_id varchar)
    ), state AS (
        UPDATE budget_state AS b
        SET budget_consumed_usd = b.budget_consumed_usd + (SELECT sum(g.cost_usd) FROM given AS g),
            total_calls = b.total_calls + (SELECT count(*) FROM given), last_updated = now()
        WHERE b.id = 1
        RETURNING b.budget_consumed_usd AS after, b.budget_level, b.circuit_breaker_active
    )
    INSERT INTO cost_ledger (provider, model, session_id, tokens_input, tokens_output, cost_usd, budget_before,
                             budget_after, budget_level, circuit_breaker_active, response_id)
    SELECT g.provider, g.model, g.session_id, g.tokens_input, g.tokens_output, g.cost_usd,
           s.after - g.total + g.upto - g.cost_usd, s.after - g.total + g.upto, s.budget_level,
           s.circuit_breaker_active, g.response_id
    FROM given AS g CROSS JOIN state AS s ORDER BY g.place
"""


def run() -> Iterator[Measured]:
    """Five pairs of three seconds; single statements and HTTP for information; the totals of the load."""
    with ground.server() as address:
        database = ground.migrated(address, "budget")
        with Memory(database) as memory:
            memory.reset_budget("1000000")
            numbers = count()
            charges(memory, numbers, 1.0)
            yield Throughput(
                what=f"reserve + settle, {WRITERS} threads vs batched statement",
                rounds=pairs(
                    lambda: charges(memory, numbers, SECONDS),
                    lambda: batched_rate(database, numbers, SECONDS),
                    ROUNDS,
                ),
                ratio_min=0.1,
                rate_min=2000,
            )
            yield Throughput(
                what=f"update_budget, {WRITERS} connections vs reserve + settle",
                rounds=pairs(
                    lambda: singles(database, 1.0), lambda: charges(memory, numbers, 1.0), 3
                ),
            )
            with service(database) as port:
                body = json.dumps({**CALL, "tokens_input": 1200, "tokens_output": 85}).encode()
                yield Throughput(
                    what=f"POST /costs, {WRITERS} clients vs {WRITERS} threads",
                    rounds=pairs(
                        lambda: load.rate(port, "/api/v1/costs", [body] * WRITERS, HTTP_SECONDS),
                        lambda: charges(memory, numbers, HTTP_SECONDS),
                        3,
                    ),
                )
            check(memory)
        yield from _totals(ground.migrated(address, "totals"))


def charges(memory: Memory, numbers: count[int], duration_seconds: float) -> float:
    """Settled charges a second of 64 threads, each waiting for its answer before it asks again."""
    made = [0] * WRITERS
    stop = time.perf_counter() + duration_seconds

    def work(writer: int) -> None:
        while time.perf_counter() < stop:
            held = memory.reserve(estimated_usd="0.01", session_id="bench", **CALL)
            response = f"r{next(numbers)}"
            memory.settle(
                held.reservation_id, tokens_input=1200, tokens_output=85, response_id=response
            )
            made[writer] += 1

    return _rate(work, made)


def _rate(work: Any, made: list[int]) -> float:
    threads = [threading.Thread(target=work, args=[writer]) for writer in range(WRITERS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(made) / (time.perf_counter() - started)


def batched_rate(database: Database, numbers: count[int], duration_seconds: float) -> float:
    """Charges a second of one connection that sends 64 in one statement."""
    made = 0
    with database.connect("cynic_app") as conn:
        started = time.perf_counter()
        while (took := time.perf_counter() - started) < duration_seconds:
            rows = [
                {
                    **CALL,
                    "place": place,
                    "session_id": "bench",
                    "tokens_input": 1200,
                    "tokens_output": 85,
                    "cost_usd": "0.000231",
                    "response_id": f"b{next(numbers)}",
                }
                for place in range(WRITERS)
            ]
            conn.execute(BATCHED.encode(), [json.dumps(rows)])
            made += WRITERS
    return made / took


def singles(database: Database, duration_seconds: float) -> float:
    """Charges a second of 64 connections that each call update_budget; connecting and planning do not count."""
    made = [0] * WRITERS
    with ExitStack() as opened:
        conns = [opened.enter_context(database.connect("cynic_app")) for _ in range(WRITERS)]
        for conn in conns:
            conn.execute("SELECT update_budget(0.000231)")
        stop = time.perf_counter() + duration_seconds

        def work(writer: int) -> None:
            while time.perf_counter() < stop:
                conns[writer].execute("SELECT update_budget(0.000231)")
                made[writer] += 1

        return _rate(work, made)


def check(memory: Memory) -> None:
    """Nothing that was measured counts if the ledger does not agree with the state."""
    with memory.connection() as conn:
        found = read.audit(conn)
    if not found["agrees"]:
        raise RuntimeError(f"the ledger does not agree: {found}")


def _totals(database: Database) -> Iterator[Measured]:
    what = "cost of the load, 10 000 spans, seed 21: USD"
    if not TOOL.is_file():
        yield Absent(what=what, why="the load generator does not lie beside the repository")
        return
    reports = list(_reports())
    with Memory(database) as memory:
        memory.reset_budget("1000")
        with memory.connection() as conn:
            book = memory.desk.book(conn)
            started = time.perf_counter()
            for first in range(0, len(reports), REPORTS_AT_ONCE):
                some = reports[first : first + REPORTS_AT_ONCE]
                with conn.transaction():
                    now = datetime.now(UTC)
                    priced = [(one, budget_fields.price_of(one, book, now)) for one in some]
                    budget.charge(conn, budget.charges(priced), now)
            took = time.perf_counter() - started
        found = memory.budget()
        check(memory)
    consumed, unpriced = Decimal(str(found["consumed_usd"])), found["unpriced"]
    exact = consumed == LOAD_USD and unpriced == LOAD_UNPRICED
    print(f"{what:50} {consumed} and {unpriced} without a price")
    yield Value(
        what="difference from 36.33487708 USD and 86 unpriced",
        ours=float(abs(consumed - LOAD_USD)) if exact else 1.0,
        peer="genai-prices, 0",
        bar=0,
        seeds=1,
        seconds=took,
        at_most=True,
    )


def _reports() -> Iterator[Report]:
    """The model calls of the load as telemetry reports them."""
    spec = importlib.util.spec_from_file_location("otlp_load", TOOL)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{TOOL} cannot be loaded")
    tool: Any = importlib.util.module_from_spec(spec)
    sys.modules["otlp_load"] = tool
    spec.loader.exec_module(tool)
    rng, truth = random.Random(LOAD_SEED), tool.Truth()
    began = time.time_ns() - 3_600_000_000_000
    for trace in range(LOAD_TRACES):
        for span in tool.make_trace(rng, trace, began, "genai", 1200, truth, False, LOAD_SEED):
            found = {
                one.key: getattr(one.value, one.value.WhichOneof("value"))
                for one in span.attributes
            }
            if "gen_ai.usage.input_tokens" in found:
                cached = found.get("gen_ai.usage.cache_read.input_tokens", 0)
                yield spending.telemetry_report(
                    adapter=found["gen_ai.provider.name"],
                    model=found["gen_ai.response.model"],
                    tokens_input=found["gen_ai.usage.input_tokens"],
                    tokens_output=found.get("gen_ai.usage.output_tokens", 0),
                    tokens_cache_read=cached,
                    tokens_cache_write=None,
                    tokens_reasoning=None,
                    claimed_cost_usd=None,
                    occurred_at=datetime.fromtimestamp(span.start_time_unix_nano / 1e9, UTC),
                    response_id=found["gen_ai.response.id"],
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    session_id=found["gen_ai.conversation.id"],
                    is_usage_told=True,
                )
