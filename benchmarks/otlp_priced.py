"""What prices and the ledger cost the receiver of OpenTelemetry: durable spans a second with them and without.

The same requests to a service that prices and books every call of a model and to one that does not, in turn, as in the
benchmark `otlp`. Then the same without the wire, which hides a part of the difference: through the receiver in this
process, from bytes to commit.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg

from benchmarks import ground, over_http
from benchmarks.measure import Throughput
from benchmarks.otlp_bodies import bodies
from benchmarks.otlp_send import send
from cynic.domains.telemetry.otlp.request import read
from cynic.flows.otlp_money import Book
from cynic.flows.otlp_receiver import Receiver
from cynic.flows.otlp_store import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cynic.db.connect import Database

ROUNDS = 7
SPANS = 10_000
SPANS_WARM = 2_000
EACH = 100
AT_ONCE = 4
UNPRICED = (sys.executable, "-m", "benchmarks.unpriced")


def run() -> Iterator[Throughput]:
    """Rounds in turn, on two databases of one server."""
    with ground.server() as address:
        priced, plain = ground.migrated(address, "priced"), ground.migrated(address, "plain")
        with over_http.service(priced) as port, over_http.service(plain, UNPRICED) as other:
            rounds = _rounds(
                lambda load: send(port, load, AT_ONCE).seconds,
                lambda load: send(other, load, AT_ONCE).seconds,
            )
        _check(priced, plain)
        yield Throughput(
            what="OTLP spans with prices and ledger vs without",
            rounds=rounds,
            ratio_min=0.85,
            rate_min=3000,
        )
        priced, plain = ground.migrated(address, "priced2"), ground.migrated(address, "plain2")
        book = Book()
        rounds = _rounds(
            lambda load: _received(priced, load, book), lambda load: _received(plain, load, None)
        )
        _check(priced, plain)
        yield Throughput(what="the same without the wire", rounds=rounds)


def _rounds(
    priced: Callable[[list[bytes]], float], plain: Callable[[list[bytes]], float]
) -> list[tuple[float, float]]:
    """Spans a second of both, round by round."""
    rounds: list[tuple[float, float]] = []
    for seed in range(ROUNDS + 1):
        load, truth = bodies(SPANS if seed else SPANS_WARM, EACH, 3000 + seed)
        seconds = priced(load), plain(load)
        if seed:  # the first one fills the price table and warms both
            rounds.append((truth.spans / seconds[0], truth.spans / seconds[1]))
    return rounds


def _received(database: Database, load: Sequence[bytes], book: Book | None) -> float:
    """How many seconds a receiver takes to store all of the load."""
    receiver = Receiver(database, book)
    receiver.start()

    def store(body: bytes) -> None:
        batch = Batch(spans=list(read("traces", "protobuf", body).spans))
        receiver.submit(batch).result()

    try:
        started = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(store, load))
        return time.perf_counter() - started
    finally:
        receiver.stop()


def _check(priced: Database, plain: Database) -> None:
    """In one every call has one row of the ledger, and their sum is what was consumed; in the other there is no row."""
    for database, right in ((priced, (True, True, True)), (plain, (False, None, None))):
        with psycopg.connect(database.conninfo) as conn:
            found = conn.execute(
                "SELECT (SELECT count(*) FROM llm_usage) = count(*), sum(cost_usd) > 0,"
                " sum(cost_usd) = (SELECT budget_consumed_usd FROM budget_state) FROM cost_ledger"
            ).fetchone()
        if found != right:
            raise RuntimeError(f"the ledger does not stand for the calls: {found}")
