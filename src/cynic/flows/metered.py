"""Clients of OpenAI and Anthropic that ask the budget before a call and settle after it.

Neither library is imported: a client is known by what it has (`chat.completions`, `responses`, `embeddings`, or
`messages`), so any client of the same shape will do, with async methods or without. A refused call raises and is never
made; a degraded one is made with the cheaper model, where that is one of the same provider. Streams settle when they
end. A way to call a model of text that cannot be metered is refused; all else is what it was.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from decimal import Decimal
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from cynic.base.errors import UsageError
from cynic.domains.cost.pricing import INPUT, OUTPUT, Price, Usage
from cynic.flows.budget_fields import canonical
from cynic.flows.desk import refuse
from cynic.flows.metered_streams import AsyncManager, AsyncStream, Manager, Stream, Worker
from cynic.flows.metered_usage import Tally, kinds
from cynic.flows.spending import Ask, Task, money

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cynic.domains.cost.pricing import PriceBook
    from cynic.flows.budget_answers import Reservation
    from cynic.flows.desk import Desk

CHAT: Final = ("chat", "completions")
_ALL: Final = frozenset({"create", "parse", "stream"})
_RESPONSES: Final = _ALL | {"compact"}
CALLS: Final[Mapping[str, Mapping[tuple[str, ...], frozenset[str]]]] = {
    "openai": {
        CHAT: _ALL,
        ("beta", *CHAT): _ALL,
        ("responses",): _RESPONSES,
        ("beta", "responses"): _RESPONSES,
        ("completions",): frozenset({"create"}),
        ("embeddings",): frozenset({"create"}),
    },
    "anthropic": {("messages",): _ALL, ("beta", "messages"): _ALL},
}
"""Where the calls are that are metered, and their names."""
UNMETERED: Final = frozenset(
    {"with_raw_response", "with_streaming_response", "tool_runner", "thread", "connect"}
)
"""Other ways to make the same calls, wherever they are, whose answers cannot be read here."""
_THREADS: Final = ("beta", "threads")
UNMETERED_PLACES: Final[Mapping[str, frozenset[tuple[str, ...]]]] = {
    "openai": frozenset(
        {
            ("post",),
            ("request",),
            ("batches", "create"),
            ("decisions",),
            ("evals", "runs", "create"),
            ("live",),
            ("realtime",),
            ("beta", "agents"),
            ("beta", "chatkit", "sessions"),
            ("beta", "realtime"),
            (*_THREADS, "runs"),
            (*_THREADS, "create_and_run"),
            (*_THREADS, "create_and_run_poll"),
            (*_THREADS, "create_and_run_stream"),
        }
    ),
    "anthropic": frozenset(
        {
            ("post",),
            ("request",),
            ("completions",),
            ("messages", "batches", "create"),
            ("beta", "deployments"),
            ("beta", "dreams"),
            ("beta", "messages", "batches", "create"),
            ("beta", "sessions"),
        }
    ),
}
"""What has models of text called whose usage is told elsewhere, later, or to nobody."""
COPIES: Final = frozenset({"with_options", "with_middleware", "copy"})
CHARACTERS_PER_TOKEN: Final = 3
"""Fewer than a token has in most languages, so that an estimate of the input is rather too high."""
OUTPUT_TOKENS_DEFAULT: Final = 4096
"""What is reckoned for an answer whose length nobody bounds."""
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_ANSWERS: Final = ("n", "best_of")
"""How many answers of that length are asked for."""
UNNAMED: Final = "unknown"
"""The model of a call whose arguments name none."""


class UnknownClientError(UsageError):
    """What was given is no client that can be metered."""

    code = "unknown-client"


class UnmeteredCallError(UsageError):
    """A way to call that cannot be metered."""

    code = "unmetered-call"


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
    fixed = money(estimate_usd, "estimate_usd")
    # Whoever derives a client names it as they like; the library's own name is among its bases.
    is_async = any(base.__name__.startswith("Async") for base in type(client).__mro__)
    made = (_AsyncMeter if is_async else _Meter)(
        kind, provider or kind, desk, clock, fixed, task or Task()
    )
    return _Node(client, (), made)


class _Node:
    """A client or a part of it: calls that cost something are metered, all else is what it was."""

    def __init__(self, inner: Any, path: tuple[str, ...], meter: _Meter) -> None:
        self._inner = inner
        self._path = path
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        path = (*self._path, name)
        places, refused = CALLS[self._meter.kind], UNMETERED_PLACES[self._meter.kind]
        if name in UNMETERED or path in refused:
            raise UnmeteredCallError(
                f"{'.'.join(path)} cannot be metered",
                hint="call the client itself, and tell what it cost: memory.record_cost",
            )
        if name in places.get(self._path, ()):
            call = self._meter.manager if name == "stream" else self._meter.call
            return partial(call, value, self._path)
        if not self._path and name in COPIES:
            return partial(self._copied, value)
        if any(place[: len(path)] == path for place in (*places, *refused)):
            return _Node(value, path, self._meter)
        return value

    def _copied(self, made: Callable[..., Any], *given: Any, **more: Any) -> _Node:
        """A client with other options is metered too."""
        return _Node(made(*given, **more), (), self._meter)

    def __enter__(self) -> Any:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._inner.__exit__(*error)

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        return await self._inner.__aexit__(*error)


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
        self.provider = canonical(provider)
        self.desk = desk
        self.left: SimpleQueue[_Held] = SimpleQueue()
        """What was left unsettled; the next call books it. Safe to fill where no lock may be taken."""
        self._clock = clock
        self._estimate_usd = estimate_usd
        self._task = task

    def call(self, made: Callable[..., Any], path: tuple[str, ...], **fields: Any) -> Any:
        """Make one call within the budget; raises `BudgetRefusedError` instead of making it."""
        held = self.hold(path, fields)
        try:
            answer = made(**held.fields)
        except BaseException:
            held.release()
            raise
        if fields.get("stream"):
            return Stream(answer, held)
        held.book(answer)
        return answer

    def manager(self, made: Callable[..., Any], path: tuple[str, ...], **fields: Any) -> Any:
        """What makes one call within the budget when it is entered."""
        return Manager(lambda: self.hold(path, {**fields, "stream": True}, is_manager=True), made)

    def hold(
        self, path: tuple[str, ...], fields: Mapping[str, Any], *, is_manager: bool = False
    ) -> _Held:
        """Reserve for a call with these arguments."""
        model = str(fields.get("model") or UNNAMED)
        ask = Ask(
            estimated_usd=self._estimate(model, fields),
            provider=self.provider,
            model=model,
            task=self._task,
        )
        made = self.desk.reserve(ask)
        self._settle_left()
        if made.refused:
            raise refuse(made)
        held = _Held(self, made, dict(fields))
        # A stream of chat completions tells what it used only when it is asked to.
        if fields.get("stream") and path[-2:] == CHAT and not fields.get("stream_options"):
            held.fields["stream_options"] = {"include_usage": True}
            held.hides_usage = True
        if is_manager:
            del held.fields["stream"]
        return held

    def _settle_left(self) -> None:
        with suppress(Empty):
            while True:
                held = self.left.get_nowait()
                with suppress(Exception):  # it is not this call's; its hold ends by itself
                    held.settle()

    def _estimate(self, model: str, fields: Mapping[str, Any]) -> Decimal:
        if self._estimate_usd is not None:
            return self._estimate_usd
        return estimate(self.desk.current_book(), self.provider, model, fields, self._clock())


class _AsyncMeter(_Meter):
    """The same for a client with async methods; nothing waits for the budget, and no cancelled task leaves it open."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._worker = Worker()

    async def call(self, made: Callable[..., Any], path: tuple[str, ...], **fields: Any) -> Any:
        """As of the other."""
        held = await self._worker.finish(partial(self.hold, path, fields), undo=_Held.release)
        try:
            answer = await made(**held.fields)
        except BaseException:
            await self._worker.finish(held.release)
            raise
        if fields.get("stream"):
            return AsyncStream(answer, held, self._worker)
        await self._worker.finish(partial(held.book, answer))
        return answer

    def manager(self, made: Callable[..., Any], path: tuple[str, ...], **fields: Any) -> Any:
        """As of the other."""
        hold = partial(self.hold, path, {**fields, "stream": True}, is_manager=True)
        return AsyncManager(hold, made, self._worker)


class _Held:
    """A hold for one call, and what the call used so far. Safe to settle from two threads."""

    def __init__(self, meter: _Meter, made: Reservation, fields: dict[str, Any]) -> None:
        self._meter = meter
        self._reservation_id = made.reservation_id
        self._model = str(fields.get("model") or UNNAMED)
        # Nobody else's model can be called here.
        if fields.get("model") and made.provider == meter.provider:
            fields["model"] = self._model = made.model
        self.fields = fields
        self.hides_usage = False
        self._tally = Tally(meter.kind)
        self._lock = threading.Lock()
        self._is_over = False

    def see(self, answer: Any, *, is_whole: bool = False) -> None:
        """Take what an answer or an event says of its usage."""
        self._tally.see(answer, is_whole=is_whole)

    def book(self, answer: Any) -> None:
        """Settle for an answer that came whole."""
        try:
            self.see(answer, is_whole=True)
            self.settle()
        except BaseException:
            self.leave()
            raise

    def settle(self) -> None:
        """Book what was seen; again, nothing, unless it failed."""
        with self._lock:
            if not self._is_over:
                report = self._tally.report(self._meter.provider, self._model)
                self._meter.desk.settle(self._reservation_id, report)
                self._is_over = True

    def release(self) -> None:
        """Give the hold back."""
        with self._lock:
            self._meter.desk.release(self._reservation_id)
            self._is_over = True

    def leave(self) -> None:
        """Have the next call settle what nobody settles any more; takes no lock."""
        if not self._is_over:
            self._meter.left.put(self)


def estimate(
    book: PriceBook, provider: str, model: str, fields: Mapping[str, Any], now: datetime
) -> Decimal:
    """What a call may cost at most, in USD: its text as input, its bound as output; 0 where there is no price."""
    characters = len(json.dumps(fields, default=str, ensure_ascii=False))
    bounds = (_count(fields, name) for name in _LIMITS)
    bound = next(filter(None, bounds), OUTPUT_TOKENS_DEFAULT)
    answers = max(1, *(_count(fields, name) for name in _ANSWERS))
    counts = {INPUT: characters // CHARACTERS_PER_TOKEN + 1, OUTPUT: bound * answers}
    found = book.price(provider, model, Usage(counts=counts, context=kinds(fields)), now)
    return found.usd if isinstance(found, Price) else Decimal()


def _count(fields: Mapping[str, Any], name: str) -> int:
    """A number of at least 1 among the arguments, else 0: what is wrong with it, the service says."""
    given = fields.get(name)
    return max(given, 0) if isinstance(given, int) else 0
