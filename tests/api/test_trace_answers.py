"""`/api/v1/traces` and `/api/v1/usage` in the shape that OpenAPI describes, and writes that a full disk refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest_api import BATCH, JUDGMENTS, body
from psycopg import errors

from cynic.api.trace_models import (
    Hours,
    StoreSnapshots,
    TracePage,
    TraceShown,
    UsageShown,
    WholeSpan,
)
from cynic.db.disk_guard import DiskGuard
from cynic.flows import roll_up
from cynic.flows.upkeep import note_store
from traced import NOON, shopping, trace

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Client
    from cynic.memory import Memory

TRACES = "/api/v1/traces"
USAGE = "/api/v1/usage"
A = "a" * 32


@pytest.fixture
def filled(client: Client, fresh_database: str) -> Client:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        shopping(conn)
        trace(conn, "later", at=NOON + timedelta(hours=1), ms=None)
    return client


def test_a_page_is_as_described(filled: Client) -> None:
    document = filled.get(TRACES, params={"limit": 1}).json()
    TracePage.model_validate(document, strict=False, extra="forbid")
    assert [one["trace_id"] for one in document["traces"]] == ["later"]
    onward = filled.get(TRACES, params={"limit": 1, "cursor": document["cursor"]}).json()
    assert [one["trace_id"] for one in onward["traces"]] == [A]
    assert onward["traces"][0]["cost_usd"] == "0.0031"
    for query in (
        {"failed": True},
        {"session_id": "basket"},
        {"order": "cost"},
        {"service": "shop"},
    ):
        found = filled.get(TRACES, params=query).json()
        assert [one["trace_id"] for one in found["traces"]] == [A], query


def test_one_trace_and_one_span_are_as_described(filled: Client) -> None:
    document = filled.get(f"{TRACES}/{A}").json()
    TraceShown.model_validate(document, strict=False, extra="forbid")
    assert [one["depth"] for one in document["spans"]] == [0, 1, 1, 1, 0]
    whole = filled.get(f"{TRACES}/{A}/spans/use").json()
    WholeSpan.model_validate(whole, strict=False, extra="forbid")
    assert whole["envelope"]["status"]["message"] == "no such shelf"


def test_usage_is_as_described(filled: Client) -> None:
    document = filled.get(USAGE, params={"since": "2026-03-01", "until": "2026-03-03"}).json()
    UsageShown.model_validate(document, strict=False, extra="forbid")
    assert document["total"]["tokens_input"] == 1500
    assert (document["total"]["cost_usd"], document["total"]["unpriced_calls"]) == ("0.0031", 1)
    assert {one["model"] for one in document["days"]} == {"gpt-5", "claude-5"}
    today = filled.get(USAGE).json()
    assert today["days"] == []
    assert today["total"]["tokens_input"] is None


def test_hours_and_snapshots_are_as_described(filled: Client) -> None:
    memory: Memory = filled.app.state.memory
    with memory.connection() as conn:
        while roll_up.run(conn, memory.edge(conn)).hours:
            pass
        note_store(conn, memory.edge(conn), None)
    span = {"since": NOON.isoformat(), "until": (NOON + timedelta(hours=1)).isoformat()}
    document = filled.get(f"{USAGE}/hourly", params={"metric": "llm.latency_ms", **span}).json()
    Hours.model_validate(document, strict=False, extra="forbid")
    assert {(one["model"], one["p95"], one["changing"]) for one in document["hours"]} == {
        ("gpt-5", "1900", False),
        ("claude-5", "1200", False),
    }
    shown = filled.get(f"{USAGE}/store").json()
    StoreSnapshots.model_validate(shown, strict=False, extra="forbid")
    assert set(shown["snapshots"][0]["tables"]) >= {"spans", "traces"}


def exported(span_id: str, parent: str, minute: int, tokens: int) -> dict[str, object]:
    """An export request as JSON: one model call of long ago."""
    begin = int((NOON + timedelta(minutes=minute)).timestamp()) * 10**9
    named = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
    }
    attributes: list[object] = [
        {"key": name, "value": {"stringValue": text}} for name, text in named.items()
    ]
    attributes.append({"key": "gen_ai.usage.input_tokens", "value": {"intValue": str(tokens)}})
    span = {
        "traceId": "c" * 32,
        "spanId": span_id,
        "parentSpanId": parent,
        "name": "chat gpt-5",
        "startTimeUnixNano": str(begin),
        "endTimeUnixNano": str(begin + 10**9),
        "attributes": attributes,
        "status": {"code": 2, "message": "cut off"},
    }
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def test_what_an_exporter_sends_is_answered_at_once_and_corrected_when_more_comes(
    client: Client,
) -> None:
    day = {"since": "2026-03-02", "until": "2026-03-02"}
    for number, (span_id, parent) in enumerate([("2" * 16, "1" * 16), ("1" * 16, "")]):
        sent = client.post("/v1/traces", json=exported(span_id, parent, number, 10 ** (number + 1)))
        assert sent.status_code == 200, sent.text
        total = client.get(USAGE, params=day).json()["total"]
        assert (total["calls"], total["tokens_input"]) == ([(1, 10), (2, 110)][number])
        spans = client.get(f"{TRACES}/{'c' * 32}").json()["spans"]
        assert [one["standing"] for one in spans] == [["orphan"], ["root", "child"]][number]
        assert spans[0]["error"] == "cut off"
    (line,) = client.get(TRACES, params={"failed": True}).json()["traces"]
    assert (line["span_count"], line["error_count"], line["model_calls"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{TRACES}/none", 404, "no-such-trace"),
        (f"{TRACES}/{A}/spans/none", 404, "no-such-span"),
        (f"{TRACES}/a%00b", 422, "invalid-field"),
        (f"{TRACES}?session_id=a%00b", 422, "invalid-field"),
        (f"{TRACES}?cursor=x", 422, "bad-query"),
        (f"{TRACES}?order=size", 422, "invalid-data"),
        (f"{TRACES}?limit=501", 422, "invalid-data"),
        (f"{USAGE}?since=2026-03-02&until=2026-03-01", 422, "bad-query"),
        (f"{USAGE}?since=0001-01-01", 422, "bad-query"),
        (f"{USAGE}?until=0001-01-01", 422, "bad-query"),
        (f"{USAGE}/hourly?metric=no", 422, "bad-query"),
        (f"{USAGE}/hourly?metric=llm.count&until=0001-01-01T00:00:00", 422, "bad-query"),
    ],
)
def test_what_cannot_be_answered_is_named(
    filled: Client, path: str, status: int, code: str
) -> None:
    answer = filled.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_disk_that_is_nearly_full_refuses_writes_and_answers_questions(
    client: Client, tmp_path: Path
) -> None:
    judgment = client.post(JUDGMENTS, json=body()).json()["judgment_id"]
    memory: Memory = client.app.state.memory
    object.__setattr__(memory.database, "disk", DiskGuard(tmp_path, 1 << 62))
    for answer in (
        client.post(JUDGMENTS, json=body()),
        client.post(BATCH, json=[body()]),
        client.post(f"{JUDGMENTS}/{judgment}/feedback", json={"outcome": "correct"}),
        client.post(
            "/api/v1/hooks/claude-code", json={"hook_event_name": "Stop", "session_id": "s"}
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "disk-full")
        assert answer.headers["Retry-After"] == "1"
    sent = client.post("/v1/traces", json=exported("1" * 16, "", 0, 1))
    assert (sent.status_code, sent.headers["Retry-After"]) == (503, "1")
    assert "free" in sent.json()["message"]
    assert client.get(f"{JUDGMENTS}/{judgment}").status_code == 200
    assert client.get(TRACES).status_code == 200


def test_the_servers_own_refusal_is_the_same_error(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise errors.DiskFull('could not extend file "base/16384/2619"')

    monkeypatch.setattr(type(client.app.state.memory), "record", full)
    answer = client.post(JUDGMENTS, json=body())
    assert (answer.status_code, answer.json()["code"]) == (503, "disk-full")
    assert "16384" not in answer.text
    assert answer.headers["Retry-After"] == "1"
