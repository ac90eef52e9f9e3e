"""A stand-in for the services of OpenAI and Anthropic, and what the ledger says of their calls."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cynic.memory import Memory

CHAT_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 85,
    "total_tokens": 1285,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
}
MESSAGE_USAGE = {
    "input_tokens": 100,
    "output_tokens": 50,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 200,
}
HELLO = [{"role": "user", "content": "hello"}]


class StandIn(BaseHTTPRequestHandler):
    """Answers as the two services do, and notes what it was asked."""

    asked: list[tuple[str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body))
        number = len(self.asked)
        if body.get("model", "").startswith("broken"):
            self._send(400, "application/json", json.dumps({"error": {"message": "broken"}}))
        elif self.path.endswith("/chat/completions"):
            self._chat(body, number)
        elif self.path.endswith("/responses/compact"):
            usage = {"input_tokens": 2000, "output_tokens": 10, "total_tokens": 2010, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}  # fmt: skip
            answer = {"id": f"cmp_{number}", "created_at": 1, "object": "response.compaction", "output": [], "usage": usage}  # fmt: skip
            self._send(200, "application/json", json.dumps(answer))
        elif self.path.split("?")[0].endswith("/responses"):
            usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 64}}  # fmt: skip
            answer: dict[str, Any] = {"id": f"resp_{number}", "status": "completed", "object": "response", "created_at": 1, "model": body.get("model"), "output": [], "usage": usage, "parallel_tool_calls": False, "tool_choice": "auto", "tools": []}  # fmt: skip
            if body.get("stream"):
                begun = answer | {"status": "in_progress", "usage": None}
                events = [
                    {"type": "response.created", "sequence_number": 0, "response": begun},
                    {"type": "response.completed", "sequence_number": 1, "response": answer},
                ]
                self._events(events)
            else:
                self._send(200, "application/json", json.dumps(answer))
        elif self.path.endswith("/embeddings"):
            answer = {"object": "list", "model": body["model"], "data": [{"object": "embedding", "index": 0, "embedding": [0.0]}], "usage": {"prompt_tokens": 1000, "total_tokens": 1000}}  # fmt: skip
            self._send(200, "application/json", json.dumps(answer))
        else:
            self._message(body, number)

    def _chat(self, body: dict[str, Any], number: int) -> None:
        head = {"id": f"chatcmpl-{number}", "created": 1, "model": f"{body['model']}-2024-07-18"}
        if body.get("stream"):
            chunk = head | {"object": "chat.completion.chunk"}
            events = [
                chunk
                | {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]},
            ]
            if (body.get("stream_options") or {}).get("include_usage"):
                events.append(chunk | {"choices": [], "usage": CHAT_USAGE})
            text = "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n"
            self._send(200, "text/event-stream", text)
            return
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}  # fmt: skip
        answer = head | {"object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE, "service_tier": body.get("service_tier")}  # fmt: skip
        self._send(200, "application/json", json.dumps(answer))

    def _message(self, body: dict[str, Any], number: int) -> None:
        usage = MESSAGE_USAGE | {"service_tier": "standard", "speed": body.get("speed")}
        message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": [], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}  # fmt: skip
        if not body.get("stream"):
            self._send(200, "application/json", json.dumps(message))
            return
        start = message | {"stop_reason": None, "usage": usage | {"output_tokens": 1}}
        events = [
            {"type": "message_start", "message": start},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 50}},
            {"type": "message_stop"},
        ]  # fmt: skip
        self._events(events)

    def _events(self, events: list[dict[str, Any]]) -> None:
        text = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)
        self._send(200, "text/event-stream", text)

    def _send(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nothing: a test says what went wrong."""


def entries(memory: Memory) -> list[tuple[Any, ...]]:
    with memory.connection() as conn:
        return conn.execute(
            "SELECT provider, model, tokens_input, tokens_output, trim_scale(cost_usd)::text, response_id, session_id "
            "FROM cost_ledger ORDER BY id"
        ).fetchall()
