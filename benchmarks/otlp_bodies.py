"""Export requests as agents make them: traces of ten spans, about 1.65 KB a span, and the truth about them."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

SPANS_PER_TRACE = 10
TEXT_BYTES = 1200
MS_NS = 1_000_000
WORDS = [
    "ledger",
    "invoice",
    "vendor",
    "quarter",
    "anomaly",
    "refund",
    "policy",
    "region",
    "churn",
    "forecast",
    "margin",
    "cohort",
    "latency",
    "rollout",
    "schema",
    "tenant",
    "index",
    "partition",
    "vacuum",
    "replica",
    "budget",
    "quota",
    "router",
    "planner",
    "critic",
    "evidence",
    "citation",
    "passage",
    "embedding",
    "rerank",
    "summary",
    "draft",
    "approve",
    "reject",
    "escalate",
    "retry",
    "timeout",
    "breaker",
    "confidence",
    "calibrate",
    "judge",
    "verdict",
    "feedback",
]
MODELS = (
    ("openai", "gpt-4o-mini", 40),
    ("openai", "gpt-4.1", 18),
    ("anthropic", "claude-sonnet-4-5", 25),
    ("gcp.gemini", "gemini-2.5-flash", 15),
    ("acme.local", "acme-local-7b", 2),
)
TOOLS = ("search_orders", "run_sql", "fetch_document", "send_refund", "web_search")
SHAPE = (  # number, parent, kind, offset ms, duration ms: agent > (chat tool chat tool agent > (embed chat tool) chat)
    (0, None, "agent", 0, 9000), (1, 0, "chat", 5, 900), (2, 0, "tool", 950, 300), (3, 0, "chat", 1300, 1200),
    (4, 0, "tool", 2550, 700), (5, 0, "agent", 3300, 4000), (6, 5, "embeddings", 3310, 80),
    (7, 5, "chat", 3420, 2500), (8, 5, "tool", 5950, 900), (9, 0, "chat", 7400, 1500),
)  # fmt: skip


@dataclass(slots=True)
class Truth:
    """What the tables must add up to."""

    spans: int = 0
    traces: int = 0
    calls: int = 0
    tools: int = 0
    errors: int = 0
    tokens_input: int = 0
    tokens_output: int = 0


def bodies(spans: int, each: int, seed: int) -> tuple[list[bytes], Truth]:
    """Requests of `each` spans, `spans` in all, drawn with a seed."""
    rng, truth = random.Random(seed), Truth()
    begins = time.time_ns() - 3_600_000 * MS_NS
    flat: list[Span] = []
    for number in range(spans // SPANS_PER_TRACE):
        flat += _trace(rng, number, begins, truth)
    made: list[bytes] = []
    for place in range(0, len(flat), each):
        request = ExportTraceServiceRequest()
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.extend(
            _pairs({"service.name": "acme-agents", "telemetry.sdk.language": "python"})
        )
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name = "acme.agents"
        of_scope.spans.extend(flat[place : place + each])
        made.append(request.SerializeToString())
    return made, truth


def _trace(rng: random.Random, number: int, begins: int, truth: Truth) -> list[Span]:
    trace_id = rng.getrandbits(128).to_bytes(16, "big")
    ids = [rng.getrandbits(64).to_bytes(8, "big") for _ in SHAPE]
    session = f"conversation-{number // 4:06d}"
    start = begins + number * 3 * MS_NS
    spans: list[Span] = []
    for place, parent, kind, offset, duration in SHAPE:
        span = Span(
            trace_id=trace_id,
            span_id=ids[place],
            name=kind,
            start_time_unix_nano=start + offset * MS_NS,
            end_time_unix_nano=start + (offset + duration) * MS_NS,
        )
        if parent is not None:
            span.parent_span_id = ids[parent]
        attributes = {"gen_ai.conversation.id": session} | _attributes(rng, kind, truth)
        if kind == "tool" and rng.random() < 0.05:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="timed out"))
            attributes["error.type"] = "TimeoutError"
            truth.errors += 1
        span.attributes.extend(_pairs(attributes))
        spans.append(span)
    truth.spans += len(spans)
    truth.traces += 1
    spans.sort(key=lambda span: span.end_time_unix_nano)  # exporters see children first
    return spans


def _attributes(rng: random.Random, kind: str, truth: Truth) -> dict[str, object]:
    if kind == "agent":
        return {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "planner",
            "user.id": f"u-{rng.randint(0, 199)}",
            "gen_ai.input.messages": _message("user", _prose(rng, 0.85)),
        }
    if kind == "tool":
        truth.tools += 1
        return {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": rng.choice(TOOLS),
            "gen_ai.tool.call.id": f"call_{rng.getrandbits(64):016x}",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.arguments": json.dumps({"query": _prose(rng, 0.25), "limit": 5}),
            "gen_ai.tool.call.result": json.dumps({"rows": [_prose(rng, 0.6)]}),
        }
    provider, model, _ = rng.choices(MODELS, weights=[weight for *_, weight in MODELS])[0]
    tokens_input = rng.randint(200, 8000)
    truth.calls += 1
    truth.tokens_input += tokens_input
    told: dict[str, object] = {
        "gen_ai.operation.name": kind,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": f"chatcmpl-{rng.getrandbits(64):016x}",
        "gen_ai.usage.input_tokens": tokens_input,
        "server.address": "llm.internal",
        "server.port": 443,
    }
    if kind == "embeddings":
        return told | {"acme.input": _prose(rng, 0.84)}
    tokens_output = rng.randint(20, 1500)
    truth.tokens_output += tokens_output
    if rng.random() < 0.3:
        told["gen_ai.usage.cache_read.input_tokens"] = tokens_input // 2
    return told | {
        "gen_ai.request.temperature": 0.2,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.output_tokens": tokens_output,
        "gen_ai.input.messages": _message("user", _prose(rng, 0.62)),
        "gen_ai.output.messages": _message("assistant", _prose(rng, 0.22)),
    }


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def _prose(rng: random.Random, share: float) -> str:
    size = int(TEXT_BYTES * share)
    return " ".join(rng.choices(WORDS, k=size // 5))[:size]


def _pairs(values: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: object) -> AnyValue:
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="stop")]))
    return AnyValue(string_value=str(value))
