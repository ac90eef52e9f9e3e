"""Metered clients whose tasks are cancelled and whose budget does not answer: nothing is lost, held or booked twice."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from conftest_budget import agreed
from metered_services import HELLO, entries

from cynic.flows import metered_streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from cynic.memory import Memory

pytest.importorskip("genai_prices")
openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

pytest_plugins = ["metered_fixtures"]
# Models come and go; what is tested here stays.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated")


class Faults:
    """Stands before one method of the desk: notes that it was called, waits until it may go on, fails as often as told."""

    def __init__(self, inner: Callable[..., Any], failures: int = 0) -> None:
        self._inner = inner
        self._failures = failures
        self.calls = 0
        self.began = threading.Event()
        self.may_go = threading.Event()

    def __call__(self, *given: Any) -> Any:
        self.calls += 1
        self.began.set()
        assert self.may_go.wait(60)
        if self.calls <= self._failures:
            raise ConnectionError
        return self._inner(*given)


def before(
    memory: Memory, patch: pytest.MonkeyPatch, method: str, failures: int | None = None
) -> Faults:
    """Faults before a method; who only wants it to fail need not let it go."""
    faults = Faults(getattr(memory.desk, method), failures or 0)
    if failures is not None:
        faults.may_go.set()
    patch.setattr(memory.desk, method, faults)
    return faults


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():  # noqa: ASYNC110  # what is observed is in the database
            await asyncio.sleep(0.001)


def test_a_settlement_that_failed_is_tried_again(
    memory: Memory, gpt: Any, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"model": "gpt-4o-mini", "messages": HELLO}
    with monkeypatch.context() as patch:
        before(memory, patch, "settle", failures=1)
        stream = gpt.chat.completions.create(**asked, stream=True)
        with pytest.raises(ConnectionError):
            list(stream)
        stream.close()
        assert [row[4] for row in entries(memory)] == ["0.0001542"]

    async def work() -> None:
        client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
        async with memory.metered(client) as other:
            stream = await other.chat.completions.create(**asked, stream=True)
            with pytest.raises(ConnectionError):
                _ = [chunk async for chunk in stream]
            await stream.close()

    with monkeypatch.context() as patch:
        before(memory, patch, "settle", failures=1)
        asyncio.run(work())
    assert len(entries(memory)) == 2
    with monkeypatch.context() as patch:
        before(memory, patch, "settle", failures=1)
        with pytest.raises(ConnectionError):
            gpt.chat.completions.create(**asked)
        gpt.chat.completions.create(**asked)
    assert [row[4] for row in entries(memory)] == ["0.0001542"] * 4
    assert memory.budget()["held_usd"] == "0"
    agreed(memory)


def test_two_threads_that_close_a_stream_settle_it_once(
    memory: Memory, gpt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    faults = before(memory, monkeypatch, "settle")
    threads = [threading.Thread(target=stream.close) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert faults.began.wait(60)
    faults.may_go.set()
    for thread in threads:
        thread.join()
    assert (faults.calls, len(entries(memory))) == (1, 1)


@pytest.mark.parametrize("times", [1, 2])
def test_what_waits_to_be_settled_is_settled_though_its_task_is_cancelled(
    memory: Memory, url: str, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(metered_streams, "THREADS", 1)

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async def work() -> None:
        client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
        async with memory.metered(client) as gpt:
            asked = {"model": "gpt-4o-mini", "messages": HELLO, "stream": True}
            streams = [await gpt.chat.completions.create(**asked) for _ in range(2)]
            faults = before(memory, monkeypatch, "settle")
            tasks = [asyncio.create_task(read(stream)) for stream in streams]
            executor = gpt._meter._worker._executor
            await until(lambda: faults.began.is_set() and executor._work_queue.qsize() == 1)
            for _ in range(times):
                for task in tasks:
                    task.cancel()
                await asyncio.sleep(0)
            if times == 2:
                assert all(isinstance(one, asyncio.CancelledError) for one in await ended(tasks))
            faults.may_go.set()
            assert all(isinstance(one, asyncio.CancelledError) for one in await ended(tasks))
            await until(lambda: len(entries(memory)) == 2)

    asyncio.run(work())
    assert [row[4] for row in entries(memory)] == ["0.0001542"] * 2
    assert memory.budget()["held_usd"] == "0"


async def ended(tasks: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", ["create", "stream"])
def test_a_task_that_is_cancelled_while_it_asks_holds_nothing(
    memory: Memory,
    url: str,
    asked: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    times: int,
) -> None:
    async def call(claude: Any) -> None:
        fields = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": HELLO}
        if way == "create":
            await claude.messages.create(**fields)
        else:
            async with claude.messages.stream(**fields):
                pass

    async def work() -> None:
        client = anthropic.AsyncAnthropic(api_key="none", base_url=url, max_retries=0)
        async with memory.metered(client) as claude:
            faults = before(memory, monkeypatch, "reserve")
            released = before(memory, monkeypatch, "release", failures=0)
            task = asyncio.create_task(call(claude))
            await until(faults.began.is_set)
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            assert task.done() == (times == 2)
            faults.may_go.set()
            [error] = await ended([task])
            assert isinstance(error, asyncio.CancelledError)
            await until(lambda: released.calls == 1 and memory.budget()["held_usd"] == "0")

    asyncio.run(work())
    assert (asked, entries(memory)) == ([], [])


def test_a_settlement_outlives_its_loop(
    memory: Memory, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = before(memory, monkeypatch, "settle")

    async def call(gpt: Any) -> None:
        await gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO)

    async def work() -> None:
        client = openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0)
        task = asyncio.create_task(call(memory.metered(client)))
        await until(faults.began.is_set)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # who is asked twice does not wait
        await ended([task])
        await client.close()

    asyncio.run(work())
    faults.may_go.set()
    asyncio.run(until(lambda: len(entries(memory)) == 1))
