"""Requests of OpenTelemetry for tests: genuine bodies, and spans made to measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CAPTURES = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "otlp"
BEGAN_NS = 1_790_000_000_000_000_000
SECOND_NS = 1_000_000_000
ERROR = Status(code=Status.STATUS_CODE_ERROR)


def captures() -> list[Path]:
    """The genuine bodies; the test is skipped where they are not."""
    if not CAPTURES.is_dir():
        pytest.skip(f"no {CAPTURES}: bodies of real exporters lie there")
    return sorted(CAPTURES.glob("*.bin"))


def any_value(value: object) -> AnyValue:  # noqa: PLR0911  # one for each kind of value
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case str():
            return AnyValue(string_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=pairs(value)))
        case _:
            raise TypeError(value)


def pairs(values: Mapping[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in values.items()]


def span(
    trace: int,
    number: int,
    parent: int | None = None,
    /,
    attributes: Mapping[str, object] | None = None,
    **more: Any,
) -> Span:
    """A span of a second's length that begins `number` seconds after the first."""
    begins = more.pop("start", BEGAN_NS + number * SECOND_NS)
    made = Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=more.pop("name", f"step {number}"),
        start_time_unix_nano=begins,
        end_time_unix_nano=more.pop("end", begins + SECOND_NS),
        attributes=pairs(attributes or {}),
        **more,
    )
    if parent is not None:
        made.parent_span_id = parent.to_bytes(8, "big")
    return made


def chat(
    tokens_input: object = 100, tokens_output: object = 10, **more: object
) -> dict[str, object]:
    """The attributes of a call of a model."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.usage.input_tokens": tokens_input,
        "gen_ai.usage.output_tokens": tokens_output,
    } | {name.replace("__", "."): value for name, value in more.items()}


def tool(name: str = "search", **more: object) -> dict[str, object]:
    """The attributes of a call of a tool."""
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name} | {
        key.replace("__", "."): value for key, value in more.items()
    }


def request(
    spans: Iterable[Span], scope: str = "tests", service: str = "agents"
) -> ExportTraceServiceRequest:
    made = ExportTraceServiceRequest()
    of_resource = made.resource_spans.add()
    of_resource.resource.attributes.extend(pairs({"service.name": service}))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = scope
    of_scope.spans.extend(spans)
    return made


def body(*spans: Span, scope: str = "tests") -> bytes:
    return request(spans, scope).SerializeToString()


def log_body(*logs: LogRecord, scope: str = "tests") -> bytes:
    made = ExportLogsServiceRequest()
    of_resource = made.resource_logs.add()
    of_resource.resource.attributes.extend(pairs({"service.name": "agents"}))
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.name = scope
    of_scope.log_records.extend(logs)
    return made.SerializeToString()


def event(
    name: str, attributes: Mapping[str, object], at: int = BEGAN_NS, **more: Any
) -> LogRecord:
    return LogRecord(event_name=name, time_unix_nano=at, attributes=pairs(attributes), **more)
