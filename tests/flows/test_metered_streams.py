"""Streams of metered clients: read to the end, left early, looked at, dropped, and broken off by their reader."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from metered_services import HELLO, entries

from cynic.flows.metered_usage import Tally

if TYPE_CHECKING:
    from cynic.memory import Memory

pytest.importorskip("genai_prices")
openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

pytest_plugins = ["metered_fixtures"]
# Models come and go; what is tested here stays.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated")


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


def test_a_stream_that_is_left_is_a_call_without_a_price(memory: Memory, gpt: Any) -> None:
    gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True).close()
    assert [row[4] for row in entries(memory)] == [None]
    assert (memory.budget()["unpriced"], memory.budget()["held_usd"]) == (1, "0")


def test_a_message_that_is_left_is_a_call_without_a_price(memory: Memory, claude: Any) -> None:
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": HELLO}
    events = claude.messages.create(**asked, stream=True)
    assert next(iter(events)).type == "message_start"
    events.close()
    with claude.messages.stream(**asked) as stream:
        assert next(iter(stream)).type == "message_start"
    with claude.messages.create(**asked, stream=True) as events:
        assert [next(events).type, next(events).type] == ["message_start", "message_delta"]
    assert [row[4] for row in entries(memory)] == [None, None, "0.0021"]
    with memory.connection() as conn:
        reasons = conn.execute("SELECT unpriced_reason FROM cost_ledger ORDER BY id").fetchall()
    assert reasons[:2] == [("the stream was left before it said what it used",)] * 2
    assert memory.budget()["held_usd"] == "0"


def test_usage_that_grows_with_every_chunk_counts_at_the_end_only() -> None:
    growing = [
        SimpleNamespace(
            id="x",
            usage={"prompt_tokens": 10, "completion_tokens": many},
            choices=[SimpleNamespace(finish_reason="stop" if many == 3 else None)],
        )
        for many in (1, 2, 3)
    ]
    tally = Tally("openai")
    for chunk, is_priced in zip(growing, (False, False, True), strict=True):
        tally.see(chunk)
        assert (tally.report("xai", "grok-4").unpriced_reason is None) == is_priced
    assert tally.report("xai", "grok-4").tokens_output == 3


def test_a_block_that_fails_settles_what_was_used(
    memory: Memory, gpt: Any, claude: Any, url: str
) -> None:
    asked = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": HELLO}
    chat = {"model": "gpt-4o-mini", "messages": HELLO}

    def read_and_fail() -> None:
        with claude.messages.stream(**asked) as stream:
            stream.until_done()
            raise ZeroDivisionError

    def fail() -> None:
        with claude.messages.stream(**asked):
            raise ZeroDivisionError

    def read_chunks_and_fail() -> None:
        with gpt.chat.completions.create(**chat, stream=True) as chunks:
            list(chunks)
            raise ZeroDivisionError

    async def read_and_fail_later() -> None:
        client = anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0)
        async with memory.metered(client) as other, other.messages.stream(**asked) as stream:
            await stream.until_done()
            raise ZeroDivisionError

    def run() -> None:
        asyncio.run(read_and_fail_later())

    for block in (read_and_fail, fail, read_chunks_and_fail, run):
        with pytest.raises(ZeroDivisionError):
            block()
    assert [row[4] for row in entries(memory)] == ["0.0021", None, "0.0001542", "0.0021"]
    assert memory.budget()["held_usd"] == "0"


def test_who_looks_at_the_first_chunk_may_read_the_rest(memory: Memory, gpt: Any, url: str) -> None:
    def first(chunks: Any) -> Any:
        for chunk in chunks:
            return chunk
        return None

    asked = {"model": "gpt-4o-mini", "messages": HELLO, "stream": True}
    stream = gpt.chat.completions.create(**asked, stream_options={"include_usage": True})
    assert first(stream).choices
    gc.collect()
    assert entries(memory) == []
    assert [one.usage.prompt_tokens for one in stream] == [1200]

    async def work() -> None:
        client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
        async with memory.metered(client) as other:
            chunks = await other.chat.completions.create(**asked)
            async for chunk in chunks:
                assert chunk.choices
                break
            assert [chunk async for chunk in chunks] == []

    asyncio.run(work())
    assert [row[4] for row in entries(memory)] == ["0.0001542", "0.0001542"]


def test_a_stream_that_is_dropped_is_booked_by_the_next_call(memory: Memory, gpt: Any) -> None:
    asked = {"model": "gpt-4o-mini", "messages": HELLO}
    stream = gpt.chat.completions.create(**asked, stream=True)
    del stream
    gc.collect()
    assert entries(memory) == []
    gpt.chat.completions.create(**asked)
    assert [row[4] for row in entries(memory)] == [None, "0.0001542"]
    assert memory.budget()["held_usd"] == "0"
