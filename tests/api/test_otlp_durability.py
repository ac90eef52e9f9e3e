"""Acknowledged spans are committed spans: kill -9 of the service, of its server, and two services on one database."""

from __future__ import annotations

import concurrent.futures
import os
import shutil
import signal
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from test_service import Service

from cynic.db.datadir import RELOCATED_BASE, locate
from cynic.db.embedded import EmbeddedServer
from otlp_spans import body, chat, span, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUESTS = 30
SPANS_EACH = 100


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cynic-otlp-"))
    folder.chmod(0o755)
    yield folder
    base = locate(folder).base
    shutil.rmtree(folder, ignore_errors=True)
    if base.is_relative_to(RELOCATED_BASE):
        shutil.rmtree(base, ignore_errors=True)


def send(url: str, content: bytes) -> int:
    """The status; 0 when there was no answer."""
    asked = urllib.request.Request(
        f"{url}/v1/traces", content, {"Content-Type": "application/x-protobuf"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def traces(first: int) -> bytes:
    """A request of a hundred spans in ten traces."""
    return body(
        *(
            span(trace, number, 1 if number > 1 else None, chat() if number % 2 else tool())
            for trace in range(first, first + 10)
            for number in range(1, 11)
        )
    )


def kill_server(home: Path) -> None:
    pid = int((locate(home).data_dir / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
    os.kill(pid, signal.SIGKILL)


def test_three_thousand_acknowledged_spans_survive_kill_9(home: Path) -> None:
    service = Service(CYNIC_HOME=str(home))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        bodies = [traces(1 + 10 * number) for number in range(REQUESTS)]
        answers = list(pool.map(lambda content: send(service.url, content), bodies))
    kill_server(home)
    service.end(signal.SIGKILL)
    assert answers == [200] * REQUESTS
    with EmbeddedServer.start(home) as server, psycopg.connect(server.conninfo) as conn:
        found = conn.execute(
            "SELECT (SELECT count(*) FROM spans), (SELECT sum(span_count) FROM traces), (SELECT count(*) FROM llm_usage),"
            " (SELECT count(*) FROM tool_usage)"
        ).fetchone()
    assert found == (3000, 3000, 1500, 1500)


def test_what_was_acknowledged_before_a_kill_in_the_middle_is_there(home: Path) -> None:
    service = Service(CYNIC_HOME=str(home))
    acknowledged: list[int] = []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asked = {
            pool.submit(send, service.url, traces(1 + 10 * number)): number
            for number in range(REQUESTS)
        }
        for done in concurrent.futures.as_completed(asked):
            if done.result() == 200:
                acknowledged.append(asked[done])
            if len(acknowledged) == 5 and service.process.poll() is None:
                service.process.send_signal(signal.SIGKILL)
    service.end(signal.SIGKILL)
    assert 5 <= len(acknowledged) < REQUESTS
    service = Service(CYNIC_HOME=str(home))  # and all of it again, as exporters do
    assert [send(service.url, traces(1 + 10 * number)) for number in acknowledged] == [200] * len(
        acknowledged
    )
    service.end(signal.SIGINT)
    with EmbeddedServer.start(home) as server, psycopg.connect(server.conninfo) as conn:
        kept = {int(row[0], 16) for row in conn.execute("SELECT trace_id FROM traces")}
        assert {1 + 10 * number for number in acknowledged} <= kept
        wrong = conn.execute(
            "SELECT count(*) FROM traces AS t WHERE t.span_count <> 10 OR t.tokens_input <> 500"
            " OR t.span_count <> (SELECT count(*) FROM spans AS s WHERE s.trace_id = t.trace_id)"
        ).fetchone()
    assert wrong == (0,)


def test_two_services_take_the_halves_of_the_same_traces(fresh_database: str) -> None:
    services = [Service(CYNIC_DATABASE_URL=fresh_database) for _ in range(2)]
    try:
        pieces = [
            body(
                *(
                    span(trace, number, 1 if number > 1 else None, chat())
                    for trace in range(first, first + 5)
                    for number in range(1 + half, 11, 2)
                )
            )
            for first in range(1, 101, 5)
            for half in (0, 1)
        ]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = [
                pool.submit(send, services[(place + again) % 2].url, piece)
                for again in (0, 1)
                for place, piece in enumerate(pieces)
            ]
            assert {one.result() for one in answers} == {200}
    finally:
        for service in services:
            service.end(signal.SIGINT)
    with psycopg.connect(fresh_database) as conn:
        found = conn.execute(
            "SELECT count(*), sum(span_count), sum(tokens_input), count(root_span_id) FROM traces"
        ).fetchone()
        assert found == (100, 1000, 100_000, 100)
        assert conn.execute("SELECT count(*) FROM llm_usage").fetchone() == (1000,)
