"""Streams of metered clients: as the library gave them, settled when they end, are closed, or break off.

A stream is a context manager and an iterator, with async methods where the client has them. What `stream()` of a client
returns asks the budget when it is entered, because that is when the library calls.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SNAPSHOTS: Final = ("current_message_snapshot", "current_completion_snapshot")
"""Where the libraries' own streams keep what came so far."""
FINALS: Final = ("get_final_message", "get_final_completion", "get_final_response")


class Held(Protocol):
    """A hold of the budget for one call, and what the call used so far."""

    fields: dict[str, Any]
    """The call's arguments, with the model that the budget named."""
    hides_usage: bool
    """Whether the chunk that tells the usage is there for the meter alone."""

    def see(self, answer: Any) -> None:
        """Take what an answer or an event says of its usage."""
        ...

    def settle(self) -> None:
        """Book what was seen; again, nothing."""
        ...

    def release(self) -> None:
        """Give the hold back."""
        ...


class _Seen:
    """What streams of both colours have in common."""

    def __init__(self, inner: Any, held: Held) -> None:
        self._inner = inner
        self._held = held

    def _is_shown(self, event: Any) -> bool:
        """Take what an event says; whether the caller expects it."""
        self._held.see(event)
        usage_alone = getattr(event, "choices", None) == [] and getattr(event, "usage", None)
        return not (self._held.hides_usage and usage_alone)

    def _look(self) -> None:
        """Take what the library's own stream knows of what came."""
        for name in SNAPSHOTS:
            try:
                found = getattr(self._inner, name, None)
            except (AssertionError, RuntimeError):
                continue  # nothing came
            if found is not None:
                self._held.see(found)


class Stream(_Seen):
    """A stream of a client without async methods."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in FINALS:
            return value

        def final() -> Any:
            answer = value()
            self._held.see(answer)
            return answer

        return final

    def __iter__(self) -> Iterator[Any]:
        try:
            for event in self._inner:
                if self._is_shown(event):
                    yield event
        finally:
            self.end()

    def __next__(self) -> Any:
        try:
            while not self._is_shown(event := next(self._inner)):
                pass
        except BaseException:  # the last one too
            self.end()
            raise
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def until_done(self) -> Any:
        """Read to the end."""
        for _ in self:
            pass
        return self

    def close(self) -> None:
        """Close the stream; what it used as far as it said so is booked."""
        try:
            self._inner.close()
        finally:
            self.end()

    def end(self) -> None:
        """Settle; the library has closed what it gave."""
        self._look()
        self._held.settle()


class AsyncStream(_Seen):
    """A stream of a client with async methods; the budget is asked in a thread, so that nothing waits for it."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in FINALS:
            return value

        async def final() -> Any:
            answer = await value()
            self._held.see(answer)
            return answer

        return final

    async def __aiter__(self) -> AsyncIterator[Any]:
        try:
            async for event in self._inner:
                if self._is_shown(event):
                    yield event
        finally:
            await self.end()

    async def __anext__(self) -> Any:
        try:
            while not self._is_shown(event := await anext(self._inner)):
                pass
        except BaseException:  # the last one too
            await self.end()
            raise
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def until_done(self) -> Any:
        """Read to the end."""
        async for _ in self:
            pass
        return self

    async def close(self) -> None:
        """Close the stream; what it used as far as it said so is booked."""
        try:
            await self._inner.close()
        finally:
            await self.end()

    async def end(self) -> None:
        """Settle; the library has closed what it gave."""
        self._look()
        await asyncio.to_thread(self._held.settle)


class Manager:
    """What `stream()` of a client returns: entered, it reserves and calls."""

    def __init__(self, hold: Callable[[], Held], make: Callable[..., Any]) -> None:
        self._hold = hold
        self._make = make

    def __enter__(self) -> Stream:
        self._held = self._hold()
        try:
            self._inner = self._make(**self._held.fields)
            self._stream = Stream(self._inner.__enter__(), self._held)
        except BaseException:
            self._held.release()
            raise
        return self._stream

    def __exit__(self, *error: object) -> Any:
        try:
            return self._inner.__exit__(*error)
        finally:
            self._stream.end()


class AsyncManager:
    """As `Manager`, with async methods."""

    def __init__(self, hold: Callable[[], Held], make: Callable[..., Any]) -> None:
        self._hold = hold
        self._make = make

    async def __aenter__(self) -> AsyncStream:
        self._held = await asyncio.to_thread(self._hold)
        try:
            self._inner = self._make(**self._held.fields)
            self._stream = AsyncStream(await self._inner.__aenter__(), self._held)
        except BaseException:
            await asyncio.to_thread(self._held.release)
            raise
        return self._stream

    async def __aexit__(self, *error: object) -> Any:
        try:
            return await self._inner.__aexit__(*error)
        finally:
            await self._stream.end()
