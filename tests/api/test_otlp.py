"""OpenTelemetry over HTTP, as exporters speak it, and as nobody should."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from test_service import eventually

from cynic.api import otlp
from cynic.api.grpc import HINT, PREFACE
from cynic.base import clock, ids
from cynic.flows import keys, otlp_receiver, otlp_store
from otlp_spans import body, captures, chat, event, log_body, span, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx import Response

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


def ask(dsn: str, question: str) -> Any:
    with psycopg.connect(dsn) as conn:
        row = conn.execute(question.encode()).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def post(client: Any, content: bytes, path: str = "/v1/traces", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=content, headers=PROTOBUF | named)


def test_an_answer_is_empty_and_everything_is_there(client: Any, fresh_database: str) -> None:
    answer = post(client, body(span(1, 1, None, chat()), span(1, 2, 1, tool())))
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    counts = "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM llm_usage), (SELECT count(*) FROM tool_usage)"
    assert ask(fresh_database, counts) == (2, 1, 1)


def test_genuine_bodies_are_taken(client: Any, fresh_database: str) -> None:
    for path in captures():
        answer = post(
            client, path.read_bytes(), "/v1/logs" if "logs" in path.name else "/v1/traces"
        )
        assert (answer.status_code, answer.content) == (200, b"")
    assert ask(fresh_database, "SELECT count(*), sum(tokens_input) FROM llm_usage") == (
        22,
        3 * 4807 + 3600 + 1250,
    )


def test_a_partial_success_counts_in_the_encoding_of_the_request(client: Any) -> None:
    bad = body(span(1, 1, None, {"k": "\0"}), span(1, 2), span(1, 3, 3))
    answer = ExportTraceServiceResponse.FromString(post(client, bad).content)
    assert answer.partial_success.rejected_spans == 2
    assert "nul" in answer.partial_success.error_message
    assert "own-parent" in answer.partial_success.error_message
    logs = post(client, log_body(event("e", {"k": "\0"}), event("f", {})), "/v1/logs")
    told = ExportLogsServiceResponse.FromString(logs.content)
    assert told.partial_success.rejected_log_records == 1
    document = {
        "resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "", "startTimeUnixNano": "5"}]}]}]
    }
    found = client.post("/v1/traces", content=json.dumps(document), headers=JSON)
    assert found.headers["content-type"] == "application/json"
    assert found.json()["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"resourceSpans": []}'])
def test_an_empty_request_is_one(client: Any, content: bytes) -> None:
    headers = JSON if content else PROTOBUF
    answer = client.post("/v1/traces", content=content, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"{}" if content else b"")


def test_gzip_is_unpacked_also_in_several_members(client: Any, fresh_database: str) -> None:
    whole = body(*(span(1, number) for number in range(1, 9)))
    packed = gzip.compress(whole[:100]) + gzip.compress(whole[100:])
    assert post(client, packed, Content_Encoding="gzip").status_code == 200
    assert ask(fresh_database, "SELECT count(*) FROM spans") == 8


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"\xff", {}, 400),
        (b"hello", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"x" * 99)[:-4], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(body(span(1, 1))) + b"rest", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(otlp.UNPACKED_BYTES_MAX + 1)), {"Content-Encoding": "gzip"}, 413),
        (b"x", {"Content-Encoding": "br"}, 415),
        (b"x", {"Content-Type": "text/plain"}, 415),
        (b"x", {"Content-Type": "application/grpc"}, 415),
        (bytes(8 * 1024 * 1024 + 1), {}, 413),
        (log_body(event("e", {"k": 1})), {}, 400),
        (b"{", {"Content-Type": "application/json; charset=utf-8"}, 400),
        (b'{"resourceLogs": []}', {"Content-Type": "application/json"}, 400),
    ],
    ids=range(12),
)
def test_what_will_never_work_is_refused_and_is_no_fault_of_ours(
    client: Any, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = client.post("/v1/traces", content=content, headers=PROTOBUF | headers)
    assert answer.status_code == status
    assert "retry-after" not in answer.headers
    assert answer.content


def test_a_refusal_is_a_status_in_the_encoding_of_the_request(client: Any) -> None:
    wrong = post(client, log_body(event("e", {"k": 1})))
    assert wrong.headers["content-type"] == "application/x-protobuf"
    assert b"/v1/logs" in wrong.content
    told = client.post("/v1/traces", content=b"{", headers=JSON).json()
    assert told["code"] == 3
    assert "unreadable-request" in told["message"]
    grpc = client.post("/v1/traces", content=b"x", headers={"Content-Type": "application/grpc"})
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in grpc.json()["message"]


def test_behind_is_come_back_later(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_receiver, "WAITING_BYTES_MAX", 1)
    with client.app.state.receiver.room(1):
        answer = post(client, body(span(1, 1)))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert post(client, body(span(1, 1))).status_code == 200
    assert client.app.state.receiver.waiting_bytes == 0


def test_a_database_that_is_away_is_come_back_later(
    client: Any, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise psycopg.OperationalError("no")

    monkeypatch.setattr(otlp_store, "store", away)
    answer = post(client, body(span(1, 1)))
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert b"no" not in answer.content.split()
    monkeypatch.undo()
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert post(client, body(span(1, 1))).status_code == 200
    assert ask(fresh_database, "SELECT count(*) FROM spans") == 1


def test_many_requests_at_once_take_few_commits(client: Any, fresh_database: str) -> None:
    """While one batch is stored, what comes meanwhile waits for the next: the first is held up by a lock."""
    with psycopg.connect(fresh_database) as holder:
        holder.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('cynic telemetry of ' || current_schema(), 0))"
        )
        bodies = [body(span(number, 1)) for number in range(1, 21)]
        size = sum(map(len, bodies))
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = [pool.submit(post, client, one) for one in bodies]
            receiver = client.app.state.receiver
            eventually(lambda: receiver.waiting_bytes == size, "not every request has arrived")
            holder.rollback()
            assert [one.result().status_code for one in answers] == [200] * 20
    assert ask(fresh_database, "SELECT count(*), count(DISTINCT xmin::text) < 10 FROM spans") == (
        20,
        True,
    )


def test_a_key_that_may_only_read_may_not_send(client: Any, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        secret = {
            scope: keys.create(
                conn,
                scope,
                scope,
                randomness=os.urandom(32),
                new_id=ids.new_uuid(),
                now=clock.now(),
            )[1]
            for scope in ("read", "write")
        }
    content = body(span(1, 1))
    assert post(client, content).status_code == 401
    assert post(client, content, Authorization=f"Bearer {secret['read']}").status_code == 403
    assert post(client, content, Authorization=f"Bearer {secret['write']}").status_code == 200


@pytest.fixture
def raw(client: Any) -> Iterator[socket.socket]:
    found = urlsplit(str(client.base_url))
    with socket.create_connection((found.hostname or "", found.port or 0), timeout=30) as opened:
        yield opened


def test_grpc_is_told_which_variable_helps(raw: socket.socket) -> None:
    raw.sendall(PREFACE + bytes(9))
    answer = b""
    while part := raw.recv(4096):
        answer += part
    assert answer[3] == 4  # SETTINGS
    assert answer[9 + 3] == 7  # GOAWAY
    assert answer.endswith(HINT)
    assert b"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf" in HINT


def test_a_client_that_hangs_up_leaves_nothing_behind(raw: socket.socket, client: Any) -> None:
    raw.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
                b"Content-Length: 1000\r\n\r\nabc")  # fmt: skip
    raw.close()
    assert post(client, body(span(1, 1))).status_code == 200
    assert client.app.state.receiver.waiting_bytes == 0
