"""The real clients of OpenAI and Anthropic, metered, against a stand-in on loopback: reserved, settled, refused, streamed."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest_budget import agreed

from cynic.db.connect import Database
from cynic.flows import budget_care, metered, prices
from cynic.flows.budget_answers import BudgetRefusedError
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("genai_prices")
openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

# Models come and go; what is tested here stays.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated")

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
        elif self.path.endswith("/responses"):
            usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100, "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 64}}  # fmt: skip
            answer: dict[str, Any] = {"id": f"resp_{number}", "status": "completed", "object": "response", "created_at": 1, "model": body["model"], "output": [], "usage": usage, "parallel_tool_calls": False, "tool_choice": "auto", "tools": []}  # fmt: skip
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
                | {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}]},
            ]
            if (body.get("stream_options") or {}).get("include_usage"):
                events.append(chunk | {"choices": [], "usage": CHAT_USAGE})
            text = "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n"
            self._send(200, "text/event-stream", text)
            return
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}  # fmt: skip
        answer = head | {"object": "chat.completion", "choices": [choice], "usage": CHAT_USAGE}
        self._send(200, "application/json", json.dumps(answer))

    def _message(self, body: dict[str, Any], number: int) -> None:
        message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": [], "stop_reason": "end_turn", "stop_sequence": None, "usage": MESSAGE_USAGE}  # fmt: skip
        if not body.get("stream"):
            self._send(200, "application/json", json.dumps(message))
            return
        start = message | {"usage": MESSAGE_USAGE | {"output_tokens": 1}}
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


@pytest.fixture
def asked() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def url(asked: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    handler = type("Noting", (StandIn,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def priced(make_database: Callable[..., str], template: str) -> str:
    """The name of a database with the package's prices, to clone: reading them in takes a second."""
    with psycopg.connect(make_database(template), autocommit=True) as conn:
        prices.first_fill(conn, datetime.now(UTC))
        return conn.info.dbname


@pytest.fixture
def memory(make_database: Callable[..., str], priced: str) -> Iterator[Memory]:
    with Memory(Database(conninfo=make_database(priced), source="test")) as memory:
        yield memory


@pytest.fixture
def gpt(memory: Memory, url: str) -> Iterator[Any]:
    with openai.OpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client:
        yield memory.metered(client, session_id="s")


@pytest.fixture
def claude(memory: Memory, url: str) -> Iterator[Any]:
    with anthropic.Anthropic(api_key="none", base_url=url, max_retries=0) as client:
        yield memory.metered(client)


def entries(memory: Memory) -> list[tuple[Any, ...]]:
    with memory.connection() as conn:
        return conn.execute(
            "SELECT provider, model, tokens_input, tokens_output, trim_scale(cost_usd)::text, response_id, session_id "
            "FROM cost_ledger ORDER BY id"
        ).fetchall()


def test_a_chat_is_reserved_and_settled_to_the_last_digit(memory: Memory, gpt: Any) -> None:
    answer = gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == "hi"
    assert entries(memory) == [("openai", "gpt-4o-mini", 1200, 85, "0.0001542", "chatcmpl-1", "s")]
    assert memory.budget()["held_usd"] == "0"
    agreed(memory)


def test_responses_and_embeddings(memory: Memory, gpt: Any) -> None:
    gpt.responses.create(model="gpt-4o-mini", input="hello")
    gpt.embeddings.create(model="text-embedding-3-small", input="hello")
    assert [row[:5] for row in entries(memory)] == [
        ("openai", "gpt-4o-mini", 1000, 100, "0.00021"),
        ("openai", "text-embedding-3-small", 1000, 0, "0.00002"),
    ]


def test_a_message_counts_its_cached_tokens_once(memory: Memory, claude: Any) -> None:
    claude.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=HELLO)
    # 100 at 3, 1000 read at 0.30, 200 written at 3.75, 50 out at 15, per million.
    assert entries(memory) == [
        ("anthropic", "claude-sonnet-4-5", 1300, 50, "0.0021", "msg_1", None)
    ]


def test_streams_settle_when_they_end(memory: Memory, gpt: Any, claude: Any) -> None:
    stream = gpt.chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    assert len(list(stream)) == 2
    with claude.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO, stream=True) as events:  # fmt: skip
        assert [one.type for one in events] == ["message_start", "message_delta", "message_stop"]
    assert [row[2:5] for row in entries(memory)] == [(1200, 85, "0.0001542"), (1300, 50, "0.0021")]
    assert memory.budget()["held_usd"] == "0"


def test_a_stream_is_asked_what_it_used_and_its_caller_sees_what_it_asked_for(
    memory: Memory, gpt: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    chunks = list(gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True))
    assert [one.choices[0].delta.content for one in chunks] == ["hi"]
    assert asked[0][1]["stream_options"] == {"include_usage": True}
    left = {"include_usage": False}
    list(
        gpt.chat.completions.create(
            model="gpt-4o-mini", messages=HELLO, stream=True, stream_options=left
        )
    )
    assert asked[1][1]["stream_options"] == left, "who says otherwise has it so"
    assert [row[4] for row in entries(memory)] == ["0.0001542", None]


def test_the_libraries_own_streams_settle_when_they_are_left(
    memory: Memory, gpt: Any, claude: Any
) -> None:
    with claude.messages.stream(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO) as stream:
        assert memory.budget()["held_usd"] != "0"
        assert "".join(stream.text_stream) == ""
    with gpt.chat.completions.stream(model="gpt-4o-mini", messages=HELLO) as stream:
        assert stream.get_final_completion().choices[0].message.content == "hi"
    with gpt.responses.stream(model="gpt-4o-mini", input="hello") as stream:
        assert [event.type for event in stream] == ["response.created", "response.completed"]
    with gpt.responses.stream(model="gpt-4o-mini", input="hello") as stream:
        assert stream.get_final_response().id == "resp_4"
    assert [row[2:6] for row in entries(memory)] == [
        (1300, 50, "0.0021", "msg_1"),
        (1200, 85, "0.0001542", "chatcmpl-2"),
        (1000, 100, "0.00021", "resp_3"),
        (1000, 100, "0.00021", "resp_4"),
    ]
    assert memory.budget()["held_usd"] == "0"


def test_clients_with_async_methods(memory: Memory, url: str) -> None:
    async def work() -> None:
        openai_client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
        anthropic_client = anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0)
        async with memory.metered(openai_client) as gpt, memory.metered(anthropic_client) as claude:
            answer = await gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
            assert answer.choices[0].message.content == "hi"
            chunks = await gpt.chat.completions.create(
                model="gpt-4o-mini", messages=HELLO, stream=True
            )
            assert [one.choices[0].delta.content async for one in chunks] == ["hi"]
            async with claude.messages.stream(
                model="claude-sonnet-4-5", max_tokens=9, messages=HELLO
            ) as stream:
                assert (await stream.get_final_message()).id == "msg_3"
            async with gpt.chat.completions.stream(model="gpt-4o-mini", messages=HELLO) as stream:
                assert "content.delta" in [event.type async for event in stream]
            with pytest.raises(openai.BadRequestError):
                await gpt.chat.completions.create(model="broken", messages=HELLO)
            memory.set_budget("0.0000001")
            with pytest.raises(BudgetRefusedError):
                await gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
            with pytest.raises(BudgetRefusedError):
                async with claude.messages.stream(
                    model="claude-sonnet-4-5", max_tokens=9, messages=HELLO
                ):
                    pass

    asyncio.run(work())
    assert [row[4] for row in entries(memory)] == ["0.0001542", "0.0001542", "0.0021", "0.0001542"]
    assert memory.budget()["held_usd"] == "0"
    agreed(memory)


def test_no_way_around_the_meter(memory: Memory, gpt: Any, claude: Any) -> None:
    gpt.with_options(timeout=5).chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    gpt.chat.completions.parse(model="gpt-4o-mini", messages=HELLO)
    claude.beta.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO)
    assert [row[4] for row in entries(memory)] == ["0.0001542", "0.0001542", "0.0021"]
    for place in (gpt.chat.completions, gpt, claude.messages):
        with pytest.raises(metered.UnmeteredCallError, match="with_raw_response"):
            _ = place.with_raw_response


def test_a_stream_that_is_left_is_a_call_without_a_price(memory: Memory, gpt: Any) -> None:
    gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True).close()
    assert [row[4] for row in entries(memory)] == [None]
    assert (memory.budget()["unpriced"], memory.budget()["held_usd"]) == (1, "0")


def test_a_refused_call_is_never_made(
    memory: Memory, gpt: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    memory.set_budget("0.0000001")
    with pytest.raises(BudgetRefusedError, match="over the limit"):
        gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert asked == []


def test_a_call_that_fails_gives_its_hold_back(memory: Memory, gpt: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        gpt.chat.completions.create(model="broken", messages=HELLO)
    assert entries(memory) == []
    assert memory.budget()["held_usd"] == "0"


def test_a_short_budget_calls_the_cheaper_model_of_the_same_provider(
    memory: Memory, gpt: Any, claude: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    memory.set_budget("1")
    memory.record_cost(provider="x", model="y", tokens_input=0, tokens_output=0, cost_usd="0.85")
    with memory.connection() as conn:
        budget_care.set_cheaper(conn, ("openai", "gpt-4o"), ("openai", "gpt-4o-mini"))
        budget_care.set_cheaper(conn, ("anthropic", "claude-sonnet-4-5"), ("ollama", "llama3.2"))
    gpt.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=10)
    claude.messages.create(model="claude-sonnet-4-5", max_tokens=10, messages=HELLO)
    assert [body["model"] for _, body in asked] == ["gpt-4o-mini", "claude-sonnet-4-5"]
    assert [row[:2] for row in entries(memory)[1:]] == [
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
    ]
    with memory.connection() as conn:
        rows = conn.execute(
            "SELECT degraded, savings_usd > 0 FROM cost_ledger ORDER BY id"
        ).fetchall()
    assert rows[1:] == [(True, True), (False, False)], (
        "the other provider's model could not be called"
    )


def test_all_else_of_a_client_is_what_it_was(gpt: Any, claude: Any) -> None:
    assert gpt.api_key == "none"
    assert gpt.models is not None
    assert claude.max_retries == 0
    with pytest.raises(AttributeError):
        _ = gpt.nothing


def test_an_estimate_is_no_less_than_what_a_call_with_its_bound_costs(memory: Memory) -> None:
    from cynic.base import clock

    book = memory.desk.current_book()
    fields = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 1000}
    assert metered.estimate(book, "openai", "gpt-4o-mini", fields, clock.now()) > 1000 * 6e-7
    assert metered.estimate(book, "openai", "gpt-0", fields, clock.now()) == 0


def test_what_cannot_be_metered_is_said_at_once(memory: Memory) -> None:
    with pytest.raises(metered.UnknownClientError):
        memory.metered(SimpleNamespace())
