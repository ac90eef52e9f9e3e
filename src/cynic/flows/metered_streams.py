"""Streams of metered clients: as the library gave them, settled when they end, are closed, or break off.

A stream is a context manager and an iterator, with async methods where the client has them. Who stops reading it may go
on later, as with the library's; one that is dropped neither read to its end nor closed is settled by the next call.
What `stream()` of a client returns asks the budget when it is entered, because that is when the library calls.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from concurrent.futures import Future

T = TypeVar("T")
THREADS: Final = 8
"""Of one async client: what they ask the budget at the same time is done together."""
SNAPSHOTS: Final = ("current_message_snapshot", "current_completion_snapshot")
"""Where the libraries' own streams keep what came so far."""
FINALS: Final = ("get_final_message", "get_final_completion", "get_final_response")


class Held(Protocol):
    """A hold of the budget for one call, and what the call used so far."""

    fields: dict[str, Any]
    """The call's arguments, with the model that the budget named."""
    hides_usage: bool
    """Whether the chunk that tells the usage is there for the meter alone."""

    def see(self, answer: Any, *, is_whole: bool = False) -> None:
        """Take what an answer or an event says of its usage."""
        ...

    def settle(self) -> None:
        """Book what was seen; again, nothing, unless it failed."""
        ...

    def release(self) -> None:
        """Give the hold back."""
        ...

    def leave(self) -> None:
        """Have the next call settle what nobody settles any more; takes no lock."""
        ...


class Worker:
    """Threads that ask the budget for tasks: what was begun is finished, whatever becomes of the task."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="cynic-meter")

    async def finish(
        self, work: Callable[[], T], *, undo: Callable[[T], object] | None = None
    ) -> T:
        """Do the work in a thread. A task that is cancelled waits for its end, and undoes it, before it is.

        One that is cancelled again does not wait; the threads go on without it.
        """
        future = self._executor.submit(work)
        try:
            await _ended(future)
        except BaseException as error:
            # The undoing is queued behind the work, so that one thread always comes to the work first.
            last = self._executor.submit(lambda: undo(future.result())) if undo else future
            if isinstance(error, asyncio.CancelledError):
                await _ended(last)
            raise
        return future.result()


async def _ended(future: Future[Any]) -> None:
    """Wait without the power to cancel: asyncio's own wrapper takes queued work back with the task."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(lambda: waiter.done() or waiter.set_result(None))

    future.add_done_callback(wake)
    await waiter


class _Seen:
    """What streams of both colours have in common."""

    def __init__(self, inner: Any, held: Held) -> None:
        self._inner = inner
        self._held = held

    def __del__(self) -> None:
        # Collected in whatever thread, with whatever locks held: nothing is asked here.
        self._held.leave()

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

    def __init__(self, inner: Any, held: Held) -> None:
        super().__init__(inner, held)
        self._events: Any = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in FINALS:
            return value

        def final() -> Any:
            answer = value()
            self._held.see(answer, is_whole=True)
            return answer

        return final

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            if self._events is None:
                self._events = (
                    self._inner if hasattr(self._inner, "__next__") else iter(self._inner)
                )
            while not self._is_shown(event := next(self._events)):
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
        try:
            self._look()
        finally:
            self._held.settle()


class AsyncStream(_Seen):
    """A stream of a client with async methods; the budget is asked in a thread, so that nothing waits for it."""

    def __init__(self, inner: Any, held: Held, worker: Worker) -> None:
        super().__init__(inner, held)
        self._worker = worker
        self._events: Any = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in FINALS:
            return value

        async def final() -> Any:
            answer = await value()
            self._held.see(answer, is_whole=True)
            return answer

        return final

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            if self._events is None:
                is_iterator = hasattr(self._inner, "__anext__")
                self._events = self._inner if is_iterator else aiter(self._inner)
            while not self._is_shown(event := await anext(self._events)):
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
        try:
            self._look()
        finally:
            await self._worker.finish(self._held.settle)


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

    def __init__(self, hold: Callable[[], Held], make: Callable[..., Any], worker: Worker) -> None:
        self._hold = hold
        self._make = make
        self._worker = worker

    async def __aenter__(self) -> AsyncStream:
        self._held = await self._worker.finish(self._hold, undo=lambda held: held.release())
        try:
            self._inner = self._make(**self._held.fields)
            self._stream = AsyncStream(await self._inner.__aenter__(), self._held, self._worker)
        except BaseException:
            await self._worker.finish(self._held.release)
            raise
        return self._stream

    async def __aexit__(self, *error: object) -> Any:
        try:
            return await self._inner.__aexit__(*error)
        finally:
            await self._stream.end()
