"""What a batch leaves in the tables: the same rows in any order, however often, over however many transactions."""

from __future__ import annotations

import random
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cynic.db.connect import Database
from cynic.domains.telemetry.otlp import aliases, merge
from cynic.domains.telemetry.otlp.request import read
from cynic.flows import otlp_again, otlp_store
from cynic.flows.otlp_receiver import Receiver
from cynic.flows.otlp_store import Batch
from cynic.reads import claims
from otlp_spans import (
    BEGAN_NS,
    ERROR,
    SECOND_NS,
    body,
    captures,
    chat,
    event,
    log_body,
    request,
    span,
    tool,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

NOW = datetime(2026, 11, 1, tzinfo=UTC)
TABLES = (
    (
        "SELECT trace_id, operation, started_at, ended_at, duration_ms, status, session_id, service_name, root_span_id,"
        " span_count, error_count, tokens_input, tokens_output, metadata FROM traces ORDER BY trace_id"
    ),
    (
        "SELECT trace_id, span_id, parent_span_id, operation, started_at, ended_at, kind, status, session_id, tokens_input,"
        " tokens_output, attributes, envelope FROM spans ORDER BY trace_id, span_id"
    ),
    (
        "SELECT adapter, model, trace_id, span_id, response_id, tokens_input, tokens_output, tokens_cache_read, status,"
        " tokens_cache_write, tokens_reasoning, is_usage_told, created_at, started_at FROM llm_usage ORDER BY trace_id, span_id"
    ),
    "SELECT tool_name, parameters, result, status, trace_id, span_id FROM tool_usage ORDER BY trace_id, span_id",
    "SELECT id, outcome FROM unified_signals ORDER BY id",
)


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        yield opened


def batch(*bodies: bytes, signal: Any = "traces") -> Batch:
    whole = Batch()
    for one in bodies:
        received = read(signal, "protobuf", one)
        whole.spans += received.spans
        whole.events += received.events
        whole.letters += received.letters
    return whole


def put(conn: psycopg.Connection, *spans: Span, scope: str = "tests") -> Any:
    return otlp_store.store(conn, batch(body(*spans, scope=scope)), NOW)


def put_log(conn: psycopg.Connection, *bodies: bytes) -> Any:
    return otlp_store.store(conn, batch(*bodies, signal="logs"), NOW)


def ask(conn: psycopg.Connection, question: str) -> Any:
    rows = conn.execute(question.encode()).fetchall()
    return rows[0][0] if len(rows) == 1 and len(rows[0]) == 1 else rows


def everything(conn: psycopg.Connection) -> list[Any]:
    return [conn.execute(question.encode()).fetchall() for question in TABLES]


def forget(conn: psycopg.Connection) -> None:
    conn.execute("DELETE FROM traces")
    for table in (
        "llm_usage",
        "tool_usage",
        "unified_signals",
        "ops_log_records",
        "ops_dead_letters",
    ):
        conn.execute(f"DELETE FROM {table}".encode())


TRUTH = {
    "genai-openai": (6, 4807, 340, 4096, 0),
    "openinference-openai": (6, 4807, 340, 4096, 0),
    "openllmetry-openai": (6, 4807, 340, 4096, 0),
    "pydantic-ai": (3, 3600, 255, 3072, 1),
    "anthropic-genai": (1, 1250, 30, 1000, 0),
}


def check_truth(conn: psycopg.Connection) -> None:
    services = dict(conn.execute("SELECT service_name, trace_id FROM traces").fetchall())
    assert len(services) == len(TRUTH)
    for stem, (calls, tokens_input, tokens_output, cached, tools) in TRUTH.items():
        trace_id = next(
            t for service, t in services.items() if service.removeprefix("capture-") in stem
        )
        told = conn.execute(
            "SELECT count(*), sum(tokens_input), sum(tokens_output), sum(tokens_cache_read) FROM llm_usage WHERE trace_id = %s",
            [trace_id],
        ).fetchone()
        assert told == (calls, tokens_input, tokens_output, cached), stem
        own = conn.execute(
            "SELECT tokens_input, tokens_output FROM traces WHERE trace_id = %s", [trace_id]
        ).fetchone()
        assert own == (tokens_input, tokens_output), stem
        found = conn.execute(
            "SELECT count(*) FROM tool_usage WHERE trace_id = %s", [trace_id]
        ).fetchone()
        assert found == (tools,), stem


@pytest.mark.parametrize("seed", range(6))
def test_genuine_bodies_give_their_facts_twice_in_any_order_and_in_pieces(
    conn: psycopg.Connection, seed: int
) -> None:
    rng = random.Random(seed)
    pieces: list[tuple[str, bytes]] = []
    for path in captures():
        if "logs" in path.name:
            pieces += [("logs", path.read_bytes())] * 2
        elif seed % 2:
            pieces += [("traces", path.read_bytes())] * 2
        else:
            pieces += [("traces", one) for one in apart(path.read_bytes())] * 2
    rng.shuffle(pieces)
    for signal, piece in pieces:
        otlp_store.store(conn, batch(piece, signal=signal), NOW)
    check_truth(conn)
    assert ask(conn, "SELECT count(*) FROM ops_log_records") == 5
    assert ask(conn, "SELECT sum(tokens_reasoning) FROM llm_usage") == 160 + 160 + 120 + 120


def apart(whole: bytes) -> list[bytes]:
    """A request of its own for each span."""
    made: list[bytes] = []
    for of_resource in ExportTraceServiceRequest.FromString(whole).resource_spans:
        for of_scope in of_resource.scope_spans:
            for one in of_scope.spans:
                alone = ExportTraceServiceRequest()
                alone.resource_spans.add(resource=of_resource.resource).scope_spans.add(
                    scope=of_scope.scope, spans=[one]
                )
                made.append(alone.SerializeToString())
    return made


def test_the_claims_of_agents_agree_with_what_is_counted(conn: psycopg.Connection) -> None:
    path = next(path for path in captures() if path.name.startswith("pydantic"))
    otlp_store.store(conn, batch(path.read_bytes()), NOW)
    found = claims.compared(conn)
    told = {one["operation"]: one for one in found["claims"]}
    # The agent tells its own calls, not those of the agent that its tool ran: that is a finding, not a sum.
    assert told["invoke_agent boss"]["claimed_input"] == 2400
    assert told["invoke_agent boss"]["counted_input"] == 3600
    assert told["invoke_agent boss"]["agrees"] is False
    assert told["invoke_agent helper"]["agrees"] is True


@st.composite
def forests(draw: st.DrawFn) -> list[Span]:
    """Spans of two traces: trees of agents, models, tools; errors, sessions, response ids told twice."""
    spans: list[Span] = []
    for trace in (1, 2):
        size = draw(st.integers(1, 6))
        for number in range(1, size + 1):
            parent = draw(st.integers(1, number - 1)) if number > 1 else None
            kind = draw(st.sampled_from(["chat", "tool", "agent", "none"]))
            values: dict[str, object] = {}
            if kind == "chat":
                values = chat(draw(st.integers(0, 99)), draw(st.integers(0, 9)))
                if draw(st.booleans()):
                    values["gen_ai.response.id"] = f"r{trace}{number}"
            elif kind == "tool":
                values = tool(draw(st.sampled_from(["a", "b"])))
            elif kind == "agent":
                values = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 500}
            if draw(st.booleans()):
                values["session.id"] = draw(st.sampled_from(["s1", "s2"]))
            status = {"status": ERROR} if draw(st.booleans()) else {}
            spans.append(span(trace, number, parent, values, **status))
            if draw(st.booleans()):  # the same span once more, when it had not ended yet
                spans.append(span(trace, number, parent, end=0))
            elif (
                "gen_ai.response.id" in values
            ):  # the same call, told by the span of another instrumentation
                begins = BEGAN_NS + number * SECOND_NS + 1000
                spans.append(
                    span(trace, number + 50, number, values, start=begins, end=begins + 1000)
                )
    return spans


@given(forests(), st.randoms(use_true_random=False), st.integers(1, 5))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_order_repetition_and_division_change_nothing(
    conn: psycopg.Connection, spans: list[Span], rng: random.Random, size: int
) -> None:
    forget(conn)
    put(conn, *spans)
    first = everything(conn)
    put(conn, *spans)
    assert everything(conn) == first
    forget(conn)
    shuffled = [*spans, *rng.sample(spans, len(spans) // 2)]
    rng.shuffle(shuffled)
    for begin in range(0, len(shuffled), size):
        put(conn, *shuffled[begin : begin + size])
    assert everything(conn) == first


def test_a_trace_follows_its_root_whenever_that_comes(conn: psycopg.Connection) -> None:
    put(conn, span(1, 3, 1, {"session.id": "z"}, name="child", status=ERROR))
    early = ask(conn, "SELECT operation, status, root_span_id, error_count, session_id FROM traces")
    assert early == [("child", "error", None, 1, "z")]
    put(
        conn,
        span(
            1,
            1,
            None,
            {"session.id": "a", "user.id": "ada"},
            name="root",
            end=BEGAN_NS + 9 * SECOND_NS,
        ),
    )
    late = ask(
        conn,
        "SELECT operation, status, duration_ms, span_count, session_id, metadata ->> 'user' FROM traces",
    )
    assert late == [("root", "unset", 8000, 2, "a", "ada")]
    put(conn, span(1, 5, 1, {"session.id": "A"}))
    assert ask(conn, "SELECT session_id FROM traces") == "a"


def test_the_later_end_wins_and_totals_follow(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, chat(5, 1), end=0))
    put(conn, span(1, 1, None, chat(50, 10), name="whole"))
    put(conn, span(1, 1, None, chat(7, 7), end=BEGAN_NS + SECOND_NS + 1000))
    assert ask(conn, "SELECT operation, tokens_input, tokens_output, span_count FROM traces") == [
        ("whole", 50, 10, 1)
    ]
    assert ask(conn, "SELECT tokens_input, tokens_output FROM llm_usage") == [(50, 10)]


def test_a_span_that_becomes_something_else_takes_its_call_back(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, chat(5, 1), end=0))
    put(conn, span(1, 1, None, {"gen_ai.operation.name": "invoke_agent"}))
    assert ask(conn, "SELECT count(*) FROM llm_usage") == 0
    assert ask(conn, "SELECT tokens_input FROM traces") is None


def test_one_call_told_by_two_instrumentations_counts_once(conn: psycopg.Connection) -> None:
    outer = span(1, 1, None, chat(1250, 30, gen_ai__response__id="msg_1"))
    begins = BEGAN_NS + SECOND_NS + 1000
    inner = span(
        2, 2, None, chat(1250, 30, gen_ai__response__id="msg_1") | {"gen_ai.usage.cache_read.input_tokens": 1000},
        start=begins, end=begins + 5000,
    )  # fmt: skip
    for order in ((outer, inner), (inner, outer)):
        forget(conn)
        for one in order:
            put(conn, one, scope="vendor" if one is inner else "genai")
        assert ask(conn, "SELECT tokens_input, tokens_cache_read, span_id FROM llm_usage") == [
            (1250, 1000, "0000000000000001")
        ]
        assert ask(conn, "SELECT tokens_input FROM traces ORDER BY trace_id") == [(1250,), (None,)]
    assert [one["span_id"] for one in claims.compared(conn)["duplicates"]] == ["0000000000000002"]


def test_one_id_of_two_providers_or_of_two_moments_is_two_calls(conn: psycopg.Connection) -> None:
    same = {"gen_ai.response.id": "r"}
    put(conn, span(1, 1, None, chat() | same), span(1, 2, 1, chat() | same))
    put(conn, span(2, 1, None, chat() | same | {"gen_ai.provider.name": "anthropic"}))
    assert ask(conn, "SELECT count(*) FROM llm_usage") == 3
    assert ask(conn, "SELECT count(DISTINCT call_key) FROM llm_usage") == 3


def test_an_id_that_many_calls_share_does_not_bring_them_all(conn: psycopg.Connection) -> None:
    same = chat(5, 1, gen_ai__response__id="same")
    put(conn, *(span(1, number, None, same) for number in range(1, 201)))
    later = merge.latest(batch(body(span(1, 250, None, same))).spans)
    # One for its key, and nobody for the time: the others were over long before.
    assert len(otlp_store._state(conn, later, ()).calls) == 1
    put(conn, span(1, 250, None, same))
    assert ask(conn, "SELECT count(*), sum(tokens_input) FROM llm_usage") == [(201, 1005)]


def test_a_failed_call_is_a_row_that_tells_no_tokens(conn: psycopg.Connection) -> None:
    failed = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "error.type": "RateLimit",
    }
    put(conn, span(1, 1, None, failed))
    assert ask(conn, "SELECT status, is_usage_told, model FROM llm_usage") == [
        ("error", False, "unknown")
    ]
    assert ask(conn, "SELECT tokens_input, error_count FROM traces") == [(None, 1)]


def test_a_tool_call_is_a_row_and_a_signal(conn: psycopg.Connection) -> None:
    values = tool("search") | {"gen_ai.tool.call.arguments": {"q": 1}, "gen_ai.tool.call.result": "found",
                               "gen_ai.tool.call.id": "call_1", "error.type": "Timeout"}  # fmt: skip
    put(conn, span(1, 1, None, values))
    put(conn, span(2, 1, None, values))  # ids of calls repeat in other traces
    assert ask(
        conn, "SELECT tool_name, parameters, result, status, duration_ms FROM tool_usage LIMIT 1"
    ) == [("search", {"q": 1}, "found", "error", 1000)]
    assert ask(conn, "SELECT count(*) FROM tool_usage") == 2
    assert ask(conn, "SELECT source, outcome FROM unified_signals LIMIT 1") == [
        ("tool_execution", {"status": "error", "reason": "Timeout"})
    ]


def test_a_tool_call_that_a_hook_told_is_not_counted_again(conn: psycopg.Connection) -> None:
    conn.execute(
        "INSERT INTO tool_usage (tool_name, status, call_id, used_at) VALUES ('Bash', 'pending', 'toolu_1', now())"
    )
    told = {"tool_name": "Bash", "success": "true", "duration_ms": 5, "tool_use_id": "toolu_1"}
    put_log(conn, log_body(event("claude_code.tool_result", told)))
    assert ask(conn, "SELECT status, duration_ms FROM tool_usage") == [("ok", 5)]


def test_an_event_that_alone_reports_a_call_counts_once(conn: psycopg.Connection) -> None:
    told = {"model": "claude-x", "input_tokens": 10, "output_tokens": 2, "session.id": "s"}
    one = log_body(event("claude_code.api_request", told))
    put_log(conn, one)
    put_log(conn, one, one)
    assert ask(conn, "SELECT adapter, tokens_input, session_id FROM llm_usage") == [
        ("anthropic", 10, "s")
    ]
    assert ask(conn, "SELECT event_name, session_id FROM ops_log_records") == [
        ("claude_code.api_request", "s")
    ]


def test_hours_that_changed_wait_to_be_summed(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, end=BEGAN_NS + 7200 * SECOND_NS))
    hours = ask(
        conn, "SELECT DISTINCT hour_bucket = date_trunc('hour', hour_bucket) FROM ops_rollup_queue"
    )
    assert hours is True
    assert ask(conn, "SELECT string_agg(source, ' ' ORDER BY source) FROM ops_rollup_queue") == (
        "span trace"
    )


def test_what_is_stored_says_when_it_was_received(conn: psycopg.Connection) -> None:
    """However long ago it happened: retention counts from then."""
    put(conn, span(1, 1, None, chat()))
    put(conn, span(1, 2, 1, tool()))
    for table in ("traces", "llm_usage", "tool_usage"):
        recent = f"SELECT bool_and(received_at > now() - interval '1 hour') FROM {table}"
        assert ask(conn, recent) is True, table
    conn.execute("UPDATE traces SET received_at = '2020-01-01'")
    put(conn, span(1, 3, 1))
    assert ask(conn, "SELECT received_at > now() - interval '1 hour' FROM traces") is True


def test_a_dead_letter_sent_again_is_one_more_attempt(conn: psycopg.Connection) -> None:
    for _ in range(3):
        put(conn, span(1, 1, None, {"k": "\0"}), span(1, 2))
    assert ask(conn, "SELECT reason, attempts FROM ops_dead_letters") == [("nul", 3)]
    assert ask(conn, "SELECT count(*) FROM spans") == 1


def test_retry_stores_what_can_be_stored_now(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, {"k": "\0"}))
    good = body(span(1, 2, None, chat()))
    conn.execute(
        "INSERT INTO ops_dead_letters (digest, signal, encoding, content, reason, detail)"
        " VALUES ('x', 'traces', 'protobuf', %s, 'refused', '')",
        [good],
    )
    run = otlp_again.retry(conn, NOW)
    assert (run.letters, run.stored, dict(run.reasons)) == (2, 1, {"nul": 1})
    assert ask(conn, "SELECT reason, attempts FROM ops_dead_letters") == [("nul", 2)]
    assert ask(conn, "SELECT count(*) FROM llm_usage") == 1


def test_deriving_again_gives_what_deriving_gave(conn: psycopg.Connection) -> None:
    for path in captures():
        signal = "logs" if "logs" in path.name else "traces"
        otlp_store.store(conn, batch(path.read_bytes(), signal=signal), NOW)
    first = everything(conn)
    run = otlp_again.rederive(conn, NOW)
    assert (run.spans, run.events) == (0, 0)
    run = otlp_again.rederive(conn, NOW, every=True)
    assert (run.spans, run.events) == (29, 5)
    assert everything(conn) == first


def test_deriving_again_with_a_larger_table_finds_more(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"acme.kind": "LLM", "acme.in": 5, "llm.provider": "acme"}
    put(conn, span(1, 1, None, odd))
    assert ask(conn, "SELECT kind FROM spans") == "other"
    table = aliases.CURRENT
    names = {**table.names, "acme.in": (("tokens_input", 0),)}
    larger = type(table)(
        **{name: getattr(table, name) for name in type(table).__slots__}
        | {
            "version": table.version + 1,
            "names": names,
            "kinds": (("acme.kind", {"LLM": "model"}), *table.kinds),
        }
    )
    monkeypatch.setattr(aliases, "CURRENT", larger)
    run = otlp_again.rederive(conn, NOW)
    assert (run.spans, run.new_calls) == (1, 1)
    assert ask(conn, "SELECT kind, tokens_input, derived_version FROM spans") == [
        ("model", 5, larger.version)
    ]
    assert ask(conn, "SELECT tokens_input FROM traces") == 5
    assert otlp_again.rederive(conn, NOW).spans == 0


def test_two_receivers_share_the_spans_of_the_same_traces(fresh_database: str) -> None:
    """Two processes' writers, every span to both or to either, all at once: nothing twice, nothing lost, no deadlock."""
    spans = [
        span(trace, number, 1 if number > 1 else None, chat(trace, 1) if number % 2 else tool())
        for trace in range(1, 41)
        for number in range(1, 11)
    ]
    rng = random.Random(7)
    rng.shuffle(spans)
    database = Database(conninfo=fresh_database, source="test")
    receivers = [Receiver(database), Receiver(database)]
    for receiver in receivers:
        receiver.start()

    def send(receiver: Receiver, part: list[Span]) -> None:
        waiting = [
            receiver.submit(batch(body(*part[begin : begin + 7])))
            for begin in range(0, len(part), 7)
        ]
        for one in waiting:
            one.result(timeout=60)

    parts = [(receivers[0], spans[:300]), (receivers[1], spans[100:]), (receivers[0], spans[350:])]
    threads = [threading.Thread(target=send, args=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for receiver in receivers:
        receiver.stop()
    with psycopg.connect(fresh_database) as conn:
        assert ask(conn, "SELECT count(*) FROM spans") == 400
        assert ask(conn, "SELECT count(*), sum(span_count) FROM traces") == [(40, 400)]
        assert ask(conn, "SELECT count(*), sum(tokens_input) FROM llm_usage") == [(200, 5 * 820)]
        assert ask(conn, "SELECT count(*) FROM tool_usage") == 200
        wrong = "SELECT count(*) FROM traces WHERE tokens_input <> 5 * ('x' || right(trace_id, 8))::bit(32)::int"
        assert ask(conn, wrong) == 0


def test_what_the_database_refuses_goes_to_the_dead_letters_alone(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever slips through every check must not cost the others, nor be lost."""
    genuine: Callable[..., Any] = otlp_store.store

    def store(conn: psycopg.Connection, one: Batch, *rest: Any) -> Any:
        for record in one.spans:
            if record.name == "poison":
                record.attributes = "{broken"
        return genuine(conn, one, *rest)

    monkeypatch.setattr(otlp_store, "store", store)
    receiver = Receiver(Database(conninfo=fresh_database, source="test"))
    receiver.start()
    done = [
        receiver.submit(batch(body(span(1, 1), span(1, 2, name="poison")))),
        receiver.submit(batch(body(span(1, 3)))),
    ]
    for one in done:
        one.result(timeout=30)
    receiver.stop()
    monkeypatch.undo()
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        assert ask(conn, "SELECT count(*) FROM spans") == 2
        assert ask(conn, "SELECT reason FROM ops_dead_letters") == "refused"
        assert otlp_again.retry(conn, NOW).stored == 1
        assert ask(conn, "SELECT count(*) FROM spans") == 3


def test_both_spellings_of_a_request_are_one() -> None:
    assert request([span(1, 1)]).SerializeToString() == body(span(1, 1))
