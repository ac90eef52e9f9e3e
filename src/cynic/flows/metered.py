"""Clients of OpenAI and Anthropic that ask the budget before a call and settle after it.

Neither library is imported: a client is known by what it has (`chat.completions`, `responses`, `embeddings`, or
`messages`), so any client of the same shape will do. A refused call raises and is never made; a degraded one is made
with the cheaper model, where that is one of the same provider. Streams settle when they end.
"""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast

from cynic.base.errors import UsageError
from cynic.domains.cost.pricing import INPUT, OUTPUT, Price, Usage
from cynic.flows.desk import refuse
from cynic.flows.spending import Ask, Report, Task, loads, money

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.desk import Desk

CALLS: Final[Mapping[str, frozenset[tuple[str, ...]]]] = {
    "openai": frozenset(
        {("chat", "completions", "create"), ("responses", "create"), ("embeddings", "create")}
    ),
    "anthropic": frozenset({("messages", "create")}),
}
CHARACTERS_PER_TOKEN: Final = 3
"""Fewer than a token has in most languages, so that an estimate of the input is rather too high."""
OUTPUT_TOKENS_DEFAULT: Final = 4096
"""What is reckoned for an answer whose length nobody bounds."""
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class UnknownClientError(UsageError):
    """What was given is no client that can be metered."""

    code = "unknown-client"


def meter(
    client: Any,
    desk: Desk,
    clock: Callable[[], datetime],
    *,
    provider: str | None = None,
    estimate_usd: object = None,
    task: Task | None = None,
) -> Any:
    """The client, metered. `estimate_usd` holds so much for each call; else the price table estimates it.

    `provider` names the seller where it is not the library's own (an OpenAI client pointed at somebody else).
    """
    kind = "openai" if hasattr(client, "chat") else "anthropic"
    if kind == "anthropic" and not hasattr(client, "messages"):
        raise UnknownClientError("this is neither an OpenAI nor an Anthropic client")
    if type(client).__name__.startswith("Async"):
        raise UnknownClientError(
            "a client with async methods cannot be metered; give the other one"
        )
    fixed = money(estimate_usd, "estimate_usd")
    return _Node(client, (), _Meter(kind, provider or kind, desk, clock, fixed, task or Task()))


class _Node:
    """A client or a part of it: calls that cost something are metered, all else is what it was."""

    def __init__(self, inner: Any, path: tuple[str, ...], meter: _Meter) -> None:
        self._inner = inner
        self._path = path
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        path = (*self._path, name)
        calls = CALLS[self._meter.kind]
        if path in calls:
            return partial(self._meter.call, value)
        if any(call[: len(path)] == path for call in calls):
            return _Node(value, path, self._meter)
        return value


class _Meter:
    """Reserves, calls, settles."""

    def __init__(  # each is one part of it
        self,
        kind: str,
        provider: str,
        desk: Desk,
        clock: Callable[[], datetime],
        estimate_usd: Decimal | None,
        task: Task,
    ) -> None:
        self.kind = kind
        self._provider = provider
        self._desk = desk
        self._clock = clock
        self._estimate_usd = estimate_usd
        self._task = task

    def call(self, made: Callable[..., Any], **fields: Any) -> Any:
        """Make one call within the budget; raises `BudgetRefusedError` instead of making it."""
        model = str(fields.get("model"))
        held = self._desk.reserve(
            Ask(
                estimated_usd=self._estimate(model, fields),
                provider=self._provider,
                model=model,
                task=self._task,
            )
        )
        if held.refused:
            raise refuse(held)
        if held.provider == self._provider:
            model = held.model
        tally = _Tally(self.kind)

        def settle() -> None:
            self._desk.settle(held.reservation_id, tally.report(self._provider, model))

        try:
            answer = made(**fields | {"model": model})
        except BaseException:
            self._desk.release(held.reservation_id)
            raise
        if fields.get("stream"):
            return _Stream(answer, tally, settle)
        tally.see(answer)
        settle()
        return answer

    def _estimate(self, model: str, fields: Mapping[str, Any]) -> Decimal:
        if self._estimate_usd is not None:
            return self._estimate_usd
        return estimate(self._desk.current_book(), self._provider, model, fields, self._clock())


def estimate(
    book: PriceBook, provider: str, model: str, fields: Mapping[str, Any], now: datetime
) -> Decimal:
    """What a call may cost at most, in USD: its text as input, its bound as output; 0 where there is no price."""
    characters = len(json.dumps(fields, default=str, ensure_ascii=False))
    bound = next((fields[name] for name in _LIMITS if fields.get(name)), OUTPUT_TOKENS_DEFAULT)
    counts = {INPUT: characters // CHARACTERS_PER_TOKEN + 1, OUTPUT: int(bound)}
    found = book.price(provider, model, Usage(counts=counts), now)
    return found.usd if isinstance(found, Price) else Decimal()


class _Stream:
    """A stream as the library gave it, that settles when it ends, is closed, or breaks off."""

    def __init__(self, inner: Any, tally: _Tally, settle: Callable[[], None]) -> None:
        self._inner = inner
        self._tally = tally
        self._settle: Callable[[], None] | None = settle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            for event in self._inner:
                self._tally.see(event)
                yield event
        finally:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the stream; what it used as far as it said so is booked."""
        try:
            self._inner.close()
        finally:
            self._end()

    def _end(self) -> None:
        settle, self._settle = self._settle, None
        if settle is not None:
            settle()


class _Tally:
    """What a call used, from its answer or from the events of its stream."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._usage: dict[str, Any] = {}
        self._id: str | None = None
        self._tier: str | None = None

    def see(self, answer: Any) -> None:
        """Take the id and the usage of an answer or an event, where it has them; later ones count."""
        for part in (answer, getattr(answer, "message", None), getattr(answer, "response", None)):
            if part is None:
                continue
            found = getattr(part, "id", None)
            self._id = found if isinstance(found, str) else self._id
            tier = getattr(part, "service_tier", None)
            self._tier = tier if isinstance(tier, str) else self._tier
            used = _plain(getattr(part, "usage", None))
            self._usage |= {name: value for name, value in used.items() if value is not None}

    def report(self, provider: str, model: str) -> Report:
        """What is settled; without a usage it is a call without a price."""
        used = self._usage
        whole, out, parts = (_anthropic if self._kind == "anthropic" else _openai)(used)
        tier = (
            {}
            if self._tier in {None, "default", "auto", "standard"}
            else {"service_tier": self._tier}
        )
        return Report(
            provider=provider,
            model=model,
            tokens_input=whole,
            tokens_output=out,
            usage={unit: count for unit, count in parts.items() if count},
            request=cast("dict[str, str]", tier),
            response_id=self._id,
            source="settle",
            unpriced_reason=None if used else "the answer did not say what it used",
        )


def _openai(used: Mapping[str, Any]) -> tuple[int, int, dict[str, int]]:
    """Chat completions and embeddings say prompt and completion, responses say input and output."""
    inside = _plain(used.get("prompt_tokens_details") or used.get("input_tokens_details"))
    outside = _plain(used.get("completion_tokens_details") or used.get("output_tokens_details"))
    parts = {
        "cache_read_tokens": inside.get("cached_tokens") or 0,
        "input_audio_tokens": inside.get("audio_tokens") or 0,
        "output_reasoning_tokens": outside.get("reasoning_tokens") or 0,
        "output_audio_tokens": outside.get("audio_tokens") or 0,
    }
    whole = used.get("prompt_tokens", used.get("input_tokens")) or 0
    return whole, used.get("completion_tokens", used.get("output_tokens")) or 0, parts


def _anthropic(used: Mapping[str, Any]) -> tuple[int, int, dict[str, int]]:
    """Here cached tokens are not among the input tokens: they are added, as parts of the whole."""
    read = used.get("cache_read_input_tokens") or 0
    written = used.get("cache_creation_input_tokens") or 0
    kept = _plain(used.get("cache_creation"))
    parts = {
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": kept.get("ephemeral_1h_input_tokens") or 0,
        "web_searches": _plain(used.get("server_tool_use")).get("web_search_requests") or 0,
    }
    return (used.get("input_tokens") or 0) + read + written, used.get("output_tokens") or 0, parts


def _plain(given: Any) -> dict[str, Any]:
    """The fields of a model of either library, of a dict, or of any object that has some."""
    if given is None:
        return {}
    if isinstance(given, dict):
        return cast("dict[str, Any]", given)
    if hasattr(given, "model_dump_json"):
        return cast("dict[str, Any]", loads(given.model_dump_json()))
    return cast("dict[str, Any]", vars(given))
