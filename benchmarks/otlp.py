"""OpenTelemetry over HTTP: durable spans a second, CPU, memory and latency, against COPY of the same rows.

Four connections send requests of a hundred spans; every one is committed when it is answered, so acknowledged is
durable. The limit is COPY, in one transaction, of the very rows into the very tables of another database of the same
server; the floor is COPY of the spans alone into a table without any key. Peers (same load, same machine): arize-phoenix
20.26 on PostgreSQL 103 spans/s and 7.3 ms of CPU a span, mlflow 3.17 936 and 1.34.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from benchmarks import ground, over_http, processes
from benchmarks.measure import Absent, Throughput, Value
from benchmarks.otlp_bodies import SPANS_PER_TRACE, Truth, bodies
from benchmarks.otlp_send import send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.db.connect import Database

SEEDS = (1, 2, 3)
SPANS = 20_000
SPANS_WARM = 2_000
EACH = 100
SINGLE_SPANS = 5_000
CONNECTIONS = 4
TABLES = ("traces", "spans", "llm_usage", "tool_usage", "unified_signals")


@dataclass(slots=True)
class _Round:
    rate: float
    copy_rate: float
    floor_rate: float
    cpu_ms: float
    megabytes: float
    p99_ms: float
    single_p99_ms: float
    wrong: int


def run() -> Iterator[Throughput | Value | Absent]:
    """Three seeds, each on a service and a database of its own."""
    if not sys.platform.startswith("linux"):
        yield Absent(what="OTLP", why="CPU and memory are read from /proc")
        return
    began = time.perf_counter()
    with ground.server() as address:
        rounds = [_round(address, seed) for seed in SEEDS]
    took = time.perf_counter() - began
    yield Throughput(
        what="OTLP spans, durable, vs COPY of the same rows",
        rounds=[(one.rate, one.copy_rate) for one in rounds],
        ratio_min=0.15,
    )
    yield Throughput(
        what="OTLP spans, durable, vs COPY into a bare table",
        rounds=[(one.rate, one.floor_rate) for one in rounds],
    )
    for what, peer, bar, at_most, found in (
        ("OTLP durable spans/s", "936, 103", 3000, False, [one.rate for one in rounds]),
        ("OTLP CPU ms a span, service and server", "1.34, 7.3", 0.35, True, [one.cpu_ms for one in rounds]),
        ("OTLP memory of the service, MB", "2313, 533", 250, True, [one.megabytes for one in rounds]),
        ("OTLP p99 of a request of 100 spans, ms", "-", 250, True, [one.p99_ms for one in rounds]),
        ("OTLP p99 of a request of one trace, ms", "-", 100, True, [one.single_p99_ms for one in rounds]),
        ("OTLP sums that are not the truth", "0", 0, True, [float(one.wrong) for one in rounds]),
    ):  # fmt: skip
        yield Value(
            what=what,
            ours=statistics.mean(found),
            peer=peer,
            bar=bar,
            seeds=len(SEEDS),
            seconds=took,
            at_most=at_most,
        )


def _round(address: str, seed: int) -> _Round:
    warm, warm_truth = bodies(SPANS_WARM, EACH, 1000 + seed)
    load, truth = bodies(SPANS, EACH, seed)
    single, single_truth = bodies(SINGLE_SPANS, SPANS_PER_TRACE, 2000 + seed)
    database = ground.migrated(address, f"otlp{seed}")
    with over_http.service(database) as port:
        server, service = _server(database), _service()
        send(port, warm, CONNECTIONS)
        cpu = processes.cpu_seconds(server) + processes.cpu_seconds(service)
        with processes.PeakMemory(service) as memory:
            sent = send(port, load, CONNECTIONS)
        cpu = processes.cpu_seconds(server) + processes.cpu_seconds(service) - cpu
        alone = send(port, single, CONNECTIONS)
    whole = _sum(warm_truth, truth, single_truth)
    copy_rate, floor_rate = _copied(address, database, f"copy{seed}", whole.spans)
    return _Round(
        rate=truth.spans / sent.seconds,
        copy_rate=copy_rate,
        floor_rate=floor_rate,
        cpu_ms=1000 * cpu / truth.spans,
        megabytes=memory.megabytes,
        p99_ms=sent.p99_ms,
        single_p99_ms=alone.p99_ms,
        wrong=_wrong(database, whole),
    )


def _server(database: Database) -> int:
    with psycopg.connect(database.conninfo) as conn:
        return processes.parent(conn.info.backend_pid)


def _service() -> int:
    """The service, which is the only child that is called so."""
    for pid in processes.children(os.getpid()):
        if b"up\0--port" in (processes.PROC / str(pid) / "cmdline").read_bytes():
            return pid
    raise RuntimeError("the service does not run")


def _sum(*parts: Truth) -> Truth:
    return Truth(
        **{name: sum(getattr(part, name) for part in parts) for name in Truth.__dataclass_fields__}
    )


def _wrong(database: Database, truth: Truth) -> int:
    """How many sums differ from what was sent."""
    with psycopg.connect(database.conninfo) as conn:
        found = conn.execute(
            "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM traces), (SELECT count(*) FROM llm_usage),"
            " (SELECT count(*) FROM tool_usage), (SELECT sum(error_count) FROM traces),"
            " (SELECT sum(tokens_input) FROM llm_usage), (SELECT sum(tokens_output) FROM llm_usage),"
            " (SELECT sum(span_count) FROM traces), (SELECT sum(tokens_input) FROM traces),"
            " (SELECT sum(tokens_output) FROM traces)"
        ).fetchone()
    right = (
        truth.spans, truth.traces, truth.calls, truth.tools, truth.errors, truth.tokens_input, truth.tokens_output,
        truth.spans, truth.tokens_input, truth.tokens_output,
    )  # fmt: skip
    return sum(one != other for one, other in zip(found or (), right, strict=True))


def _copied(address: str, source: Database, name: str, spans: int) -> tuple[float, float]:
    """Spans a second of COPY of the same rows: into the same tables, and of the spans into a bare one."""
    target = ground.migrated(address, name)
    content: dict[str, bytes] = {}
    with psycopg.connect(source.conninfo) as conn, conn.cursor() as cursor:
        for table in TABLES:
            statement = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(table))
            with cursor.copy(statement) as rows:
                content[table] = b"".join(bytes(part) for part in rows)
    with psycopg.connect(target.conninfo) as conn:
        started = time.perf_counter()
        for table in TABLES:
            _copy(conn, table, content[table])
        conn.commit()
        copied = time.perf_counter() - started
        conn.execute("CREATE TABLE bare (LIKE spans)")
        conn.commit()
        started = time.perf_counter()
        _copy(conn, "bare", content["spans"])
        conn.commit()
        return spans / copied, spans / (time.perf_counter() - started)


def _copy(conn: psycopg.Connection, table: str, content: bytes) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(table))
    with conn.cursor() as cursor, cursor.copy(statement) as rows:
        for place in range(0, len(content), 1 << 20):
            rows.write(content[place : place + (1 << 20)])
