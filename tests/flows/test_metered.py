"""The real clients of OpenAI and Anthropic, metered, against a stand-in on loopback: reserved, settled, refused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from conftest_budget import agreed
from metered_services import HELLO, entries

from cynic.base import clock
from cynic.flows import budget_care, metered
from cynic.flows.budget_answers import BudgetRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cynic.memory import Memory

pytest.importorskip("genai_prices")
openai = pytest.importorskip("openai")
anthropic = pytest.importorskip("anthropic")

pytest_plugins = ["metered_fixtures"]
# Models come and go; what is tested here stays.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated")


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


@pytest.mark.parametrize(
    "path",
    [
        *("with_raw_response", "with_streaming_response", "post", "request"),
        *("chat.with_raw_response", "chat.with_streaming_response"),
        *("chat.completions.with_raw_response", "beta.with_raw_response"),
        *("beta.chat.with_raw_response", "beta.responses.with_raw_response"),
        *("responses.connect", "beta.responses.connect", "realtime", "beta.realtime", "live"),
        *("decisions", "batches.create", "batches.with_raw_response", "evals.runs.create"),
        *("beta.threads.runs", "beta.threads.create_and_run", "beta.agents"),
    ],
)
def test_ways_of_openai_around_the_meter_are_refused(gpt: Any, path: str) -> None:
    refused(gpt, path)


@pytest.mark.parametrize(
    "path",
    [
        *("with_raw_response", "with_streaming_response", "post", "request"),
        *("messages.with_raw_response", "beta.with_raw_response", "beta.with_streaming_response"),
        *("beta.messages.with_raw_response", "beta.messages.thread", "beta.messages.tool_runner"),
        *("messages.batches.create", "messages.batches.with_raw_response", "beta.sessions"),
        *("beta.messages.batches.create", "beta.deployments", "beta.dreams"),
    ],
)
def test_ways_of_anthropic_around_the_meter_are_refused(claude: Any, path: str) -> None:
    refused(claude, path)


def refused(client: Any, path: str) -> None:
    *places, last = path.split(".")
    for place in places:
        client = getattr(client, place)
    with pytest.raises(metered.UnmeteredCallError, match=path):
        getattr(client, last)


FREE = {"retrieve", "list", "update", "delete", "cancel", "count_tokens"}


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_every_method_beside_a_metered_one_is_known(kind: str) -> None:
    client = {"openai": openai.OpenAI, "anthropic": anthropic.Anthropic}[kind](api_key="none")
    for path, names in metered.CALLS[kind].items():
        place = client
        for step in path:
            place = getattr(place, step)
        methods = {
            name
            for name in dir(place)
            if not name.startswith("_") and callable(getattr(type(place), name, None))
        }
        assert methods - names - metered.UNMETERED - FREE == set(), path


def test_a_client_with_middleware_is_metered(memory: Memory, claude: Any) -> None:
    passed: list[str] = []

    def watch(request: Any, call_next: Callable[[Any], Any]) -> Any:
        passed.append(request.method)
        return call_next(request)

    claude.with_middleware(watch).messages.create(
        model="claude-sonnet-4-5", max_tokens=9, messages=HELLO
    )
    assert (passed, [row[4] for row in entries(memory)]) == (["post"], ["0.0021"])


def test_compaction_and_responses_in_beta_are_calls(memory: Memory, gpt: Any) -> None:
    gpt.responses.compact(model="gpt-4o-mini", input="hello")
    gpt.beta.responses.create(model="gpt-4o-mini", input="hello")
    list(gpt.beta.responses.create(model="gpt-4o-mini", input="hello", stream=True))
    assert [row[2:6] for row in entries(memory)] == [
        (2000, 10, "0.000306", "cmp_1"),
        (1000, 100, "0.00021", "resp_2"),
        (1000, 100, "0.00021", "resp_3"),
    ]


def test_a_call_that_names_no_model_is_made_without_one(
    memory: Memory, gpt: Any, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    gpt.responses.create(prompt={"id": "pmpt_1"})
    assert "model" not in asked[0][1]
    assert [row[:5] for row in entries(memory)] == [("openai", "unknown", 1000, 100, None)]


def test_what_is_paid_for_haste_is_booked(memory: Memory, gpt: Any, claude: Any) -> None:
    asked = {"model": "claude-opus-4-8", "max_tokens": 9, "messages": HELLO, "speed": "fast"}
    claude.messages.create(**asked)
    list(claude.beta.messages.create(**asked, stream=True))
    with claude.messages.stream(**asked) as stream:
        stream.until_done()
    claude.messages.create(**asked | {"speed": "standard"})
    gpt.chat.completions.create(model="gpt-5.4", messages=HELLO, service_tier="priority")
    # 100 at 10, 1000 read at 1, 200 written at 12.50, 50 out at 50, per million; half of it otherwise.
    assert [row[4] for row in entries(memory)] == [*["0.007"] * 3, "0.0035", "0.003942"]


def test_a_client_of_ones_own_is_as_its_base(memory: Memory, url: str) -> None:
    class Traced(openai.AsyncOpenAI):  # pyright: ignore[reportUntypedBaseClass]
        pass

    class Watched(anthropic.AsyncAnthropic):  # pyright: ignore[reportUntypedBaseClass]
        pass

    async def work() -> None:
        traced = Traced(api_key="none", base_url=f"{url}/v1", max_retries=0)
        watched = Watched(api_key="none", base_url=url, max_retries=0)
        async with memory.metered(traced) as gpt, memory.metered(watched) as claude:
            await gpt.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
            await claude.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO)

    asyncio.run(work())
    assert [row[4] for row in entries(memory)] == ["0.0001542", "0.0021"]


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
    book = memory.desk.current_book()
    fields = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 1000}
    assert metered.estimate(book, "openai", "gpt-4o-mini", fields, clock.now()) > 1000 * 6e-7
    assert metered.estimate(book, "openai", "gpt-0", fields, clock.now()) == 0


@pytest.mark.parametrize("more", [{"n": 50}, {"n": 2, "best_of": 50}])
def test_an_estimate_counts_every_answer_that_is_asked_for(
    memory: Memory, more: dict[str, int]
) -> None:
    book = memory.desk.current_book()
    one = {"model": "gpt-4o-mini", "messages": HELLO, "max_tokens": 1000}
    found = metered.estimate(book, "openai", "gpt-4o-mini", one | more, clock.now())
    assert found > 50_000 * 6e-7


@pytest.mark.parametrize("odd", [{"n": 0}, {"n": None}, {"n": "x"}, {"max_tokens": -5}, {"n": -3}])
def test_an_estimate_leaves_wrong_arguments_to_the_service(
    memory: Memory, odd: dict[str, Any]
) -> None:
    book = memory.desk.current_book()
    fields = {"model": "gpt-4o-mini", "messages": HELLO} | odd
    assert metered.estimate(book, "openai", "gpt-4o-mini", fields, clock.now()) > 4096 * 6e-7


def test_an_estimate_knows_that_haste_is_dearer(memory: Memory) -> None:
    book = memory.desk.current_book()
    slow = {"model": "claude-opus-4-8", "messages": HELLO, "max_tokens": 1000}
    fast = metered.estimate(
        book, "anthropic", "claude-opus-4-8", slow | {"speed": "fast"}, clock.now()
    )
    assert fast > 1.9 * float(
        metered.estimate(book, "anthropic", "claude-opus-4-8", slow, clock.now())
    )


def test_what_cannot_be_metered_is_said_at_once(memory: Memory) -> None:
    with pytest.raises(metered.UnknownClientError):
        memory.metered(SimpleNamespace())
