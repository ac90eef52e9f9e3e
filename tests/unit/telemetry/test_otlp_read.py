from __future__ import annotations

import json
import math
from base64 import b64encode
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.telemetry.otlp import attributes, documents, facts, wire
from cynic.domains.telemetry.otlp.refusals import UnreadableError
from cynic.domains.telemetry.otlp.request import Received, read
from otlp_spans import (
    BEGAN_NS,
    ERROR,
    any_value,
    body,
    captures,
    chat,
    event,
    log_body,
    pairs,
    request,
    span,
    tool,
)

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | TEXT
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def one(made: Span) -> Any:
    received = read("traces", "protobuf", body(made))
    assert not received.letters
    return received.spans[0]


def reasons(received: Received) -> list[str]:
    return [letter.reason for letter in received.letters]


def unplain(value: object) -> object:
    """What a value was before it became JSON."""
    if isinstance(value, list):
        return [unplain(item) for item in value]
    if isinstance(value, dict):
        match next(iter(value), None), len(value):
            case "$bytes", 1:
                return ("bytes", value["$bytes"])
            case "$double", 1:
                return ("double", value["$double"])
            case "$kvlist", 1:
                return {key: unplain(inner) for key, inner in value["$kvlist"]}
        return {key: unplain(inner) for key, inner in value.items()}
    return value


def marked(value: object) -> object:
    """The value with what JSON lacks marked in the same way."""
    if isinstance(value, bytes):
        return ("bytes", b64encode(value).decode())
    if isinstance(value, float):
        plain = math.isfinite(value) and (abs(value) < 1e16 or not value.is_integer())
        if not plain or (value == 0 and math.copysign(1, value) < 0):
            return ("double", repr(value))
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, dict):
        return {key: marked(inner) for key, inner in value.items()}
    return value


@given(VALUES)
def test_a_value_becomes_json_and_loses_nothing(value: object) -> None:
    text = attributes.encode(attributes.plain(any_value(value)))
    assert unplain(json.loads(text)) == marked(value)


def test_a_key_twice_counts_once_and_is_kept_twice() -> None:
    made = span(1, 1)
    made.attributes.extend([*pairs({"a": 1}), *pairs({"a": 2})])
    record = one(made)
    assert json.loads(record.attributes) == {"a": 2}
    assert json.loads(record.envelope)["duplicates"] == [["a", 1]]


def test_a_map_with_a_key_twice_keeps_both() -> None:
    made = any_value({"a": 1})
    made.kvlist_value.values.extend(pairs({"a": 2}))
    assert attributes.plain(made) == {"$kvlist": [["a", 1], ["a", 2]]}


def test_the_envelope_keeps_what_no_column_does() -> None:
    made = span(1, 1, name="x", start=BEGAN_NS + 123, status=ERROR, trace_state="k=v", kind=3)
    made.events.add(name="exception", time_unix_nano=7, attributes=pairs({"exception.type": "E"}))
    made.links.add(trace_id=bytes(15) + b"\1", span_id=b"12345678", attributes=pairs({"why": 1}))
    record = one(made)
    kept = json.loads(record.envelope)
    assert kept["start"] == BEGAN_NS + 123
    assert kept["kind"] == 3
    assert kept["status"] == {"code": 2, "message": ""}
    assert kept["trace_state"] == "k=v"
    assert kept["events"] == [
        {"time": 7, "name": "exception", "attributes": {"exception.type": "E"}}
    ]
    assert kept["links"][0]["attributes"] == {"why": 1}
    assert kept["scope"] == {"name": "tests"}
    assert kept["resource"]["attributes"] == {"service.name": "agents"}
    assert record.facts.error_type == "E"


@pytest.mark.parametrize(
    ("told", "counted"),
    [(5, 5), (5.0, 5), ("5", 5), ("5.0", 5), (0, 0), (2**31 - 1, 2**31 - 1)],
)
def test_a_count_may_come_in_three_forms(told: object, counted: int) -> None:
    assert facts.count(told) == counted


@pytest.mark.parametrize(
    "told", ["abc", -1, "-1", "", 1.5, math.nan, math.inf, True, None, [], 2**31, "99999999999"]
)
def test_what_is_no_count_is_rejected_and_no_zero(told: object) -> None:
    assert facts.count(told) is None
    if told is not None:
        record = one(span(1, 1, None, chat(told, 10)))
        assert record.facts.tokens_input is None
        assert record.facts.tokens_output == 10
        assert "tokens_input" in record.facts.rejected
        assert not record.facts.is_usage_told


@pytest.mark.parametrize("told", [math.nan, -1, 5e12, ["5"]])
@pytest.mark.parametrize(
    "name", ["input_tokens", "output_tokens", "cache_read.input_tokens", "reasoning.output_tokens"]
)
def test_usage_of_which_a_count_cannot_be_read_is_not_told(name: str, told: object) -> None:
    attributes = {**chat(10, 10), f"gen_ai.usage.{name}": told}
    assert one(span(1, 1, None, chat(10, 10))).facts.is_usage_told
    assert not one(span(1, 1, None, attributes)).facts.is_usage_told


@pytest.mark.parametrize("told", ["0.0001542", 0.0001542])
def test_a_claimed_cost_is_exact(told: object) -> None:
    assert facts.money(told) == Decimal("0.0001542")


@pytest.mark.parametrize("told", ["-1", "NaN", "Infinity", "1e99", "much", True, None, "1" * 50])
def test_what_is_no_cost_is_none(told: object) -> None:
    assert facts.money(told) is None


def derived(values: dict[str, object], name: str = "x") -> facts.Facts:
    return facts.derive(values, name)


@pytest.mark.parametrize(
    ("values", "kind", "operation"),
    [
        ({"gen_ai.operation.name": "chat"}, "model", "chat"),
        ({"gen_ai.operation.name": "generate_content"}, "model", "generate_content"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding", "embeddings"),
        ({"gen_ai.operation.name": "execute_tool"}, "tool", None),
        ({"gen_ai.operation.name": "invoke_agent"}, "agent", None),
        ({"gen_ai.operation.name": "invoke_workflow"}, "chain", None),
        ({"gen_ai.operation.name": "search_memory"}, "memory", None),
        (
            {"gen_ai.operation.name": "fetch_response", "gen_ai.usage.input_tokens": 5},
            "other",
            None,
        ),
        ({"openinference.span.kind": "LLM"}, "model", "chat"),
        ({"openinference.span.kind": "llm"}, "model", "chat"),
        ({"openinference.span.kind": "EMBEDDING"}, "embedding", "embeddings"),
        ({"openinference.span.kind": "CHAIN"}, "chain", None),
        ({"openinference.span.kind": "RERANKER"}, "retrieval", None),
        (
            {"llm.request.type": "completion", "traceloop.span.kind": "task"},
            "model",
            "text_completion",
        ),
        ({"traceloop.span.kind": "workflow"}, "chain", None),
        ({"ai.operationId": "ai.generateText"}, "chain", None),
        ({"ai.operationId": "ai.generateText.doGenerate"}, "model", "chat"),
        ({"langfuse.observation.type": "generation"}, "model", "chat"),
        (
            {
                "gen_ai.system": "openai",
                "gen_ai.request.model": "m",
                "gen_ai.usage.prompt_tokens": 1,
            },
            "model",
            "chat",
        ),
        ({}, "other", None),
        ({"gen_ai.operation.name": 7}, "other", None),
    ],
)
def test_what_a_span_stands_for(
    values: dict[str, object], kind: str, operation: str | None
) -> None:
    found = derived(values)
    assert (found.kind, found.operation) == (kind, operation)


@pytest.mark.parametrize(
    ("told", "provider"),
    [("OpenAI", "openai"), ("az.ai.openai", "azure.ai.openai"), ("vertex_ai", "gcp.vertex_ai"), ("gemini", "gcp.gemini"),
     ("xai", "x_ai"), ("acme.local", "acme.local")],
)  # fmt: skip
def test_providers_have_one_spelling(told: str, provider: str) -> None:
    assert derived({"gen_ai.operation.name": "chat", "gen_ai.system": told}).provider == provider


def test_a_provider_that_is_not_told_follows_from_the_model() -> None:
    assert (
        derived({"openinference.span.kind": "LLM", "llm.model_name": "claude-x"}).provider
        == "anthropic"
    )
    assert derived({"openinference.span.kind": "LLM", "llm.model_name": "my-own"}).provider is None


def test_old_and_new_names_of_one_fact_are_one_fact() -> None:
    found = derived(chat(7, 3) | {"gen_ai.usage.prompt_tokens": 9, "llm.usage.total_tokens": 12})
    assert (found.tokens_input, found.tokens_output) == (7, 3)


def test_cached_and_reasoning_tokens_are_parts() -> None:
    found = derived(
        chat(1250, 30)
        | {"gen_ai.usage.cache_read.input_tokens": 1000, "gen_ai.usage.cache_creation.input_tokens": 200,
           "gen_ai.usage.reasoning_tokens": 20}
    )  # fmt: skip
    assert (found.tokens_input, found.tokens_cache_read, found.tokens_cache_write) == (
        1250,
        1000,
        200,
    )
    assert (found.tokens_output, found.tokens_reasoning) == (30, 20)
    assert not found.is_input_exclusive


def test_a_client_that_leaves_the_cached_parts_out_is_found_out() -> None:
    found = derived(
        chat(50, 30)
        | {"gen_ai.usage.cache_read_tokens": 1000, "gen_ai.usage.cache_write_tokens": 200}
    )
    assert (found.tokens_input, found.is_input_exclusive) == (1250, True)


def test_usage_of_an_agent_is_its_claim() -> None:
    found = derived({"gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 5,
                     "gen_ai.aggregated_usage.output_tokens": 2})  # fmt: skip
    assert (found.kind, found.tokens_input, found.tokens_output) == ("agent", 5, 2)
    assert found.provider is None


@pytest.mark.parametrize(
    "output",
    ['{"id":"chatcmpl-1","choices":[]}', '{ "object": "x", "id": "chatcmpl-1" }'],
)
def test_a_response_id_inside_the_output_is_found(output: str) -> None:
    assert (
        derived({"openinference.span.kind": "LLM", "output.value": output}).response_id
        == "chatcmpl-1"
    )


@pytest.mark.parametrize(
    "output", ['{"id": 5}', "{broken", '{"choices": [{"id": "inner"}]}', "text", ""]
)
def test_no_response_id_is_made_up(output: str) -> None:
    assert derived({"openinference.span.kind": "LLM", "output.value": output}).response_id is None


def test_arguments_read_equal_as_a_map_as_json_and_as_text() -> None:
    values = {"city": "Lisbon"}
    assert json.loads(documents.json_text(values) or "") == values
    assert json.loads(documents.json_text(json.dumps(values)) or "") == values
    assert json.loads(documents.json_text("It rains.") or "") == "It rains."
    assert documents.json_text(None) is None


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": 1e999999}', '["\\u0000"]', '["\\ud800"]', "[" * 5000, "{"]
)
def test_json_that_the_server_would_refuse_is_kept_as_text(text: str) -> None:
    assert json.loads(documents.json_text(text) or "") == text


def test_long_documents_are_cut() -> None:
    assert len(documents.json_text("x" * 100_000) or "") < 3000
    assert len(documents.json_text({"a": ["y" * 9000] * 9}) or "") < 20_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trace_id": b""}, "bad-trace-id"),
        ({"trace_id": bytes(16)}, "bad-trace-id"),
        ({"trace_id": b"short"}, "bad-trace-id"),
        ({"span_id": b""}, "bad-span-id"),
        ({"span_id": bytes(8)}, "bad-span-id"),
        ({"span_id": b"123456789"}, "bad-span-id"),
        ({"parent_span_id": b"1"}, "bad-parent-id"),
        ({"parent_span_id": (1).to_bytes(8, "big")}, "own-parent"),
        ({"start_time_unix_nano": 0}, "no-start-time"),
        ({"name": "a\0b"}, "nul"),
        ({"name": "n" * 1025}, "over-long"),
    ],
)
def test_a_span_that_cannot_be_stored_is_set_aside_alone(
    change: dict[str, Any], reason: str
) -> None:
    bad = span(1, 1)
    for name, value in change.items():
        setattr(bad, name, value)
    received = read("traces", "protobuf", body(bad, span(1, 2)))
    assert reasons(received) == [reason]
    assert len(received.spans) == 1
    again = read("traces", "protobuf", received.letters[0].content)
    assert reasons(again) == [reason]


@pytest.mark.parametrize("value", ["a\0b", {"a\0": 1}, [{"x": ["\0"]}]])
def test_nul_is_found_wherever_it_is(value: object) -> None:
    assert reasons(read("traces", "protobuf", body(span(1, 1, None, {"k": value})))) == ["nul"]


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert not read("traces", "protobuf", body(span(1, 1, None, {"k": "\\u0000"}))).letters


@pytest.mark.parametrize(
    "name", ["gen_ai.conversation.id", "gen_ai.request.model", "gen_ai.response.id"]
)
def test_names_that_are_too_long_are_set_aside(name: str) -> None:
    received = read("traces", "protobuf", body(span(1, 1, None, chat() | {name: "x" * 256})))
    assert reasons(received) == ["over-long"]
    assert not read(
        "traces", "protobuf", body(span(1, 1, None, chat() | {name: "x" * 255}))
    ).letters


def test_cycles_are_set_aside_and_what_hangs_on_them_is_not() -> None:
    received = read(
        "traces",
        "protobuf",
        body(span(1, 1, 3), span(1, 2, 1), span(1, 3, 2), span(1, 4, 1), span(2, 1, 3)),
    )
    assert reasons(received) == ["parent-cycle"] * 3
    assert [int(kept.span_id, 16) for kept in received.spans] == [4, 1]


def test_a_parent_of_zeros_is_none() -> None:
    assert one(span(1, 1, 0)).parent_id is None


def test_one_string_that_is_not_utf8_costs_one_span() -> None:
    good, bad = span(1, 1).SerializeToString(), span(1, 2, name="MARK").SerializeToString()
    resource = request([]).resource_spans[0].resource.SerializeToString()
    scope = wire.field(2, good) + wire.field(2, bad.replace(b"MARK", b"\xff\xfe\xfd\xfc"))
    received = read(
        "traces", "protobuf", wire.field(1, wire.field(1, resource) + wire.field(2, scope))
    )
    assert [kept.service for kept in received.spans] == ["agents"]
    assert reasons(received) == ["unreadable"]


@pytest.mark.parametrize(
    "rubbish", [b"\xff", b"hello", b"\x0a\xff\xff\xff\xff\xff\xff", b"\x0a\x05abc", b"\x08"]
)
@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_rubbish_is_refused(rubbish: bytes, signal: Any) -> None:
    with pytest.raises(UnreadableError):
        read(signal, "protobuf", rubbish)


@pytest.mark.parametrize("rubbish", [b"", b"[]", b"5", b"{", b"[" * 100_000, b'{"spans": []}', b'{"resourceSpans": 5}',
                                     b'{"resourceSpans": [5]}', b"\xff\xfe"])  # fmt: skip
def test_rubbish_in_json_is_refused(rubbish: bytes) -> None:
    with pytest.raises(UnreadableError):
        read("traces", "json", rubbish)


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error_of_ours(data: bytes) -> None:
    for signal in ("traces", "logs"):
        for encoding in ("protobuf", "json"):
            try:
                read(signal, encoding, data)  # pyright: ignore[reportArgumentType]
            except UnreadableError:
                continue


def test_the_wrong_path_is_refused() -> None:
    logs = log_body(
        event("e", {"k": 1}, trace_id=bytes(15) + b"\1", span_id=b"12345678"), event("f", {})
    )
    with pytest.raises(UnreadableError):
        read("traces", "protobuf", logs)
    with pytest.raises(UnreadableError):
        read("logs", "protobuf", body(span(1, 1, None, chat()), span(1, 2)))
    for path in captures():
        with pytest.raises(UnreadableError):
            read("traces" if "logs" in path.name else "logs", "protobuf", path.read_bytes())


def as_json(made: Span, **change: Any) -> bytes:
    """OTLP's own JSON of a request with one span."""
    document = json_format.MessageToDict(request([made]))
    found = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name, value in (
        ("traceId", made.trace_id),
        ("spanId", made.span_id),
        ("parentSpanId", made.parent_span_id),
    ):
        found[name] = value.hex()
    found |= change
    return json.dumps(document).encode()


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_json_and_protobuf_read_equal(values: dict[str, object]) -> None:
    made = span(7, 1, 2, values, kind=3, status=ERROR)
    first, second = read("traces", "protobuf", body(made)), read("traces", "json", as_json(made))
    assert [letter.reason for letter in first.letters] == reasons(second)
    for one_way, other in zip(first.spans, second.spans, strict=True):
        other.source = one_way.source
        assert one_way == other


def test_json_takes_names_and_numbers_of_enumerations() -> None:
    for kind in ("SPAN_KIND_CLIENT", 3):
        received = read("traces", "json", as_json(span(1, 1), kind=kind))
        assert json.loads(received.spans[0].envelope)["kind"] == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"traceId": "xyz"}, "bad-trace-id"),
        ({"traceId": 5}, "bad-trace-id"),
        ({"spanId": "AAAAAAAAAAE="}, "bad-span-id"),
        ({"traceId": "00" * 16}, "bad-trace-id"),
        ({"name": "\ud800"}, "unreadable"),
        ({"name": 5}, "unreadable"),
        ({"startTimeUnixNano": "much"}, "unreadable"),
        ({"attributes": "none"}, "unreadable"),
    ],
)
def test_a_bad_item_of_json_is_set_aside(change: dict[str, Any], reason: str) -> None:
    received = read("traces", "json", as_json(span(1, 1), **change))
    assert reasons(received) == [reason]
    assert reasons(read("traces", "json", received.letters[0].content)) == [reason]


def test_ids_are_lower_case() -> None:
    received = read("traces", "json", as_json(span(1, 1), traceId="AB" * 16))
    assert received.spans[0].trace_id == "ab" * 16


def test_claude_code_tells_input_without_the_cached_parts() -> None:
    values: dict[str, object] = {"model": "claude-sonnet-4-5", "input_tokens": "9", "output_tokens": 3,
                                 "cache_read_tokens": 5, "cost_usd": 0.25, "duration_ms": 800, "session.id": "s",
                                 "request_id": "req_1"}  # fmt: skip
    received = read("logs", "protobuf", log_body(event("claude_code.api_request", values)))
    found = received.events[0].facts
    assert found is not None
    assert (found.kind, found.provider, found.tokens_input, found.tokens_output) == (
        "model",
        "anthropic",
        14,
        3,
    )
    assert (found.response_id, found.cost_usd, found.session_id) == ("req_1", Decimal("0.25"), "s")
    assert found.is_input_exclusive
    assert received.events[0].start_ns == BEGAN_NS - 800_000_000


def test_gemini_tells_output_without_reasoning() -> None:
    values: dict[str, object] = {"model": "gemini-2.5-pro", "input_token_count": 100, "output_token_count": 10,
                                 "thoughts_token_count": 40, "cached_content_token_count": 60}  # fmt: skip
    found = derived(values, "gemini_cli.api_response")
    assert (found.tokens_input, found.tokens_output, found.tokens_reasoning) == (100, 50, 40)
    assert found.provider == "gcp.gemini"


def test_codex_counts_the_completed_response_only() -> None:
    values: dict[str, object] = {"event.kind": "response.completed", "model": "gpt-5", "input_token_count": 100,
                                 "output_token_count": 10, "cached_token_count": 60}  # fmt: skip
    assert derived(values, "codex.sse_event").tokens_input == 100
    assert derived(values, "codex.sse_event").kind == "model"
    assert derived(values | {"event.kind": "response.created"}, "codex.sse_event").kind == "other"


def test_tools_of_coding_agents_are_calls_of_tools() -> None:
    claude = derived({"tool_name": "Bash", "success": "false", "duration_ms": "12", "tool_use_id": "toolu_1"},
                     "claude_code.tool_result")  # fmt: skip
    assert (claude.kind, claude.tool_name, claude.is_failure, claude.duration_ms) == (
        "tool",
        "Bash",
        True,
        12,
    )
    assert claude.has_global_call_id
    gemini = derived({"function_name": "read_file", "success": True}, "gemini_cli.tool_call")
    assert (gemini.tool_name, gemini.is_failure) == ("read_file", False)


def test_what_a_log_record_tells_of_a_span_is_counted_with_the_span() -> None:
    told = event(
        "gen_ai.client.inference.operation.details",
        chat(),
        trace_id=bytes(15) + b"\1",
        span_id=b"12345678",
    )
    received = read("logs", "protobuf", log_body(told))
    assert received.events[0].facts is None
    assert received.events[0].span_id == b"12345678".hex()


def test_a_tool_without_a_name_of_its_own_has_that_of_its_span() -> None:
    made = tool()
    del made["gen_ai.tool.name"]
    assert derived(made, "execute_tool get_weather").tool_name == "get_weather"


@pytest.mark.parametrize(
    ("told", "kept"), [(0, None), (9, 9), (24, 24), (25, None), (99_999, None), (-1, None)]
)
def test_a_severity_is_one_of_twenty_four(told: int, kept: int | None) -> None:
    document = {
        "resourceLogs": [
            {"scopeLogs": [{"logRecords": [{"timeUnixNano": "5", "severityNumber": told}]}]}
        ]
    }
    received = read("logs", "json", json.dumps(document).encode())
    assert received.events[0].severity == kept
    assert json.loads(received.events[0].envelope).get("severity", 0) == told
