"""New judgments as they come, as server-sent events (WHATWG HTML, section 9.2).

One thread asks the database for all who watch. Transactions do not commit in the order of their judgments'
times, so each round looks back over a window that is longer than any transaction may take, and drops what was
sent before: nothing is left out. Who comes back with `Last-Event-ID` gets what came since, and the judgments of
that window again; the event's id tells.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, cast

from fastapi import APIRouter, Header, Request  # FastAPI reads them
from fastapi.responses import StreamingResponse
from psycopg import Error

from cynic.api.describe import problems
from cynic.api.state import in_thread, memory_of
from cynic.base import clock
from cynic.base.errors import CynicError, TryAgainError
from cynic.reads import judgments

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from cynic.memory import Memory
    from cynic.reads.judgments import Line

POLL_SECONDS: Final = 0.25
WINDOW: Final = timedelta(seconds=30)
"""Longer than statement and idle timeouts of the service together: no transaction is older."""
BATCH_ROWS: Final = 10_000
WATCHERS_MAX: Final = 200
WAITING_MAX: Final = 10_000
HEARTBEAT_SECONDS: Final = 15.0

router = APIRouter(prefix="/api/v1", tags=["judgments"])


class TooManyWatchersError(TryAgainError):
    """As many watch already as may."""

    code = "too-many-watchers"


class Watcher:
    """One open stream: lines on their way to it. One that does not keep up is let go, and may come back."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.lines: asyncio.Queue[Line | None] = asyncio.Queue(WAITING_MAX)

    def give(self, lines: list[Line]) -> None:
        """Hand lines over, from any thread."""
        self._loop.call_soon_threadsafe(self._put, lines)

    def end(self) -> None:
        """Let the stream end, from any thread."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        if self.lines.full():
            self.lines.get_nowait()
        self.lines.put_nowait(None)

    def _put(self, lines: list[Line]) -> None:
        for line in lines:
            if self.lines.full():
                self._cut()
                return
            self.lines.put_nowait(line)


class Broadcaster:
    """Asks for new judgments while anybody watches, and tells everybody."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._watchers: set[Watcher] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def add(self, watcher: Watcher) -> None:
        """Let one more watch."""
        with self._changed:
            if len(self._watchers) >= WATCHERS_MAX:
                raise TooManyWatchersError(f"{WATCHERS_MAX} streams are open already")
            self._watchers.add(watcher)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cynic-stream", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def remove(self, watcher: Watcher) -> None:
        """Somebody left."""
        with self._changed:
            self._watchers.discard(watcher)

    def release(self) -> None:
        """End every stream, so that the service can close."""
        with self._changed:
            for watcher in self._watchers:
                watcher.end()

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        sent: OrderedDict[str, datetime] = OrderedDict()
        began = clock.now()
        while True:
            with self._changed:
                if not self._watchers and not self._stopping:
                    self._changed.wait()
                    sent.clear()
                    began = clock.now()
                if self._stopping:
                    return
                watchers = list(self._watchers)
            started = time.monotonic()
            for lines in self._fresh(sent, began):
                for watcher in watchers:
                    watcher.give(lines)
            # However much there is to look through, the database has most of its time for others.
            pause = max(POLL_SECONDS, 4 * (time.monotonic() - started))
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, pause)

    def _fresh(self, sent: OrderedDict[str, datetime], began: datetime) -> Iterator[list[Line]]:
        """Everything of the window that was not sent yet, page by page."""
        edge = max(began, clock.now() - WINDOW)
        while sent and next(iter(sent.values())) < edge - WINDOW:
            sent.popitem(last=False)
        try:
            for found in _pages(self._memory, edge, None):
                fresh = [line for line in found if line.judgment_id not in sent]
                sent.update((line.judgment_id, line.created_at) for line in fresh)
                if fresh:
                    yield fresh
        except (CynicError, Error):
            return  # the database went away: the next round asks for the same window


def _pages(memory: Memory, moment: datetime, after: str | None) -> Iterator[list[Line]]:
    """Judgments from a moment on, or after one of them, to the last there is."""
    while True:
        with memory.connection() as conn:
            found = judgments.since(conn, moment, BATCH_ROWS, after)
        yield found
        if len(found) < BATCH_ROWS:
            return
        after = found[-1].judgment_id


@router.get(
    "/judgments:stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **problems(503)},
)
async def stream(
    request: Request, last_event_id: Annotated[str | None, Header(max_length=64)] = None
) -> StreamingResponse:
    """Follow new judgments as server-sent events; `Last-Event-ID` goes on where a stream broke off."""
    broadcaster = cast("Broadcaster", request.app.state.broadcaster)
    watcher = Watcher()
    broadcaster.add(watcher)
    missed = _missed(memory_of(request), last_event_id)
    return StreamingResponse(
        _events(broadcaster, watcher, missed),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _missed(memory: Memory, last_event_id: str | None) -> Iterator[list[Line]]:
    """What came since the last event of a stream that broke off, page by page; its moment's window comes again."""
    if last_event_id is None:
        return
    with memory.connection() as conn:
        moment = judgments.moment_of(conn, last_event_id)
    if moment is not None:
        yield from _pages(memory, moment - WINDOW, None)


async def _events(
    broadcaster: Broadcaster, watcher: Watcher, missed: Iterator[list[Line]]
) -> AsyncGenerator[str]:
    try:
        yield ": new judgments follow\n\n"
        while (page := await in_thread(next, missed, None)) is not None:
            for line in page:
                yield _event(line)
        while True:
            try:
                line = await asyncio.wait_for(watcher.lines.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if line is None:
                return
            yield _event(line)
    finally:
        broadcaster.remove(watcher)


def _event(line: Line) -> str:
    document = json.dumps(line.document(), ensure_ascii=False)
    return f"id: {line.judgment_id}\nevent: judgment\ndata: {document}\n\n"
