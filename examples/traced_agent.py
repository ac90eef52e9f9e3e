"""An agent that answers a question with a tool, traced by OpenTelemetry: nothing in it knows of cynic.

    pip install openai opentelemetry-sdk opentelemetry-exporter-otlp-proto-http opentelemetry-instrumentation-genai-openai
    export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:8618
    export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
    python examples/traced_agent.py

Without OPENAI_BASE_URL it asks a stand-in for a model that it starts on loopback, so that it costs nothing.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from openai import OpenAI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from model_stand_in import stand_in

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageToolCall

MODEL = "gpt-4o-mini"
QUESTION = "How much stock of part 618 is left?"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up_stock",
            "description": "The number of pieces of a part that are left.",
            "parameters": {
                "type": "object",
                "properties": {"part": {"type": "integer"}},
                "required": ["part"],
            },
        },
    }
]
STEPS_MAX = 8


def look_up_stock(part: int) -> dict[str, int]:
    """The tool: a stock that is always the same."""
    return {"part": part, "left": 42}


def run(client: OpenAI, tracer: trace.Tracer, question: str) -> str:
    """Ask, do what the model wants done, and ask again until it answers."""
    messages = [{"role": "user", "content": question}]
    with tracer.start_as_current_span("invoke_agent stock-keeper") as span:
        span.set_attribute("gen_ai.operation.name", "invoke_agent")
        span.set_attribute("gen_ai.agent.name", "stock-keeper")
        span.set_attribute("gen_ai.conversation.id", "stock-questions")
        for _ in range(STEPS_MAX):
            answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
            message = answer.choices[0].message
            if not message.tool_calls:
                return message.content or ""
            messages.append(message.model_dump(exclude_none=True))
            messages.extend(use_tool(tracer, call) for call in message.tool_calls)
    raise RuntimeError(f"no answer after {STEPS_MAX} steps")


def use_tool(tracer: trace.Tracer, call: ChatCompletionMessageToolCall) -> dict[str, str]:
    """Do one call of a tool, as a span of its own."""
    with tracer.start_as_current_span(f"execute_tool {call.function.name}") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", call.function.name)
        span.set_attribute("gen_ai.tool.call.id", call.id)
        span.set_attribute("gen_ai.tool.call.arguments", call.function.arguments)
        result = json.dumps(look_up_stock(**json.loads(call.function.arguments)))
        span.set_attribute("gen_ai.tool.call.result", result)
    return {"role": "tool", "tool_call_id": call.id, "content": result}


def main() -> None:
    """Set up tracing as OpenTelemetry's environment variables say, and ask one question."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    OpenAIInstrumentor().instrument()
    with ExitStack() as opened:
        url = os.environ.get("OPENAI_BASE_URL") or opened.enter_context(stand_in())
        client = OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"))
        print(run(client, trace.get_tracer("stock-keeper"), QUESTION))
        client.close()
    provider.shutdown()


if __name__ == "__main__":
    main()
