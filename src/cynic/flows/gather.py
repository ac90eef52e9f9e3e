"""Group commit: what many threads ask for at the same time is done by one of them, in one statement.

The first caller leads: it takes what waits, itself included, does it, hands the lead to the next that came meanwhile
and wakes the others with their answers. Alone, a caller pays nothing but a lock. While one group is in the database the
threads of the former one prepare what they ask next, so groups follow each other without a pause.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")
GROUP_MAX: Final = 256


class _Ticket(Generic[T, R]):
    """One request on its way; its lock is held until it is answered or asked to lead."""

    __slots__ = ("answer", "answered", "asked", "error", "leads", "wake")

    def __init__(self, asked: T) -> None:
        self.asked = asked
        self.answer: R | None = None
        self.answered = False
        self.leads = False
        self.error: BaseException | None = None
        self.wake = threading.Lock()
        self.wake.acquire()


class Gatherer(Generic[T, R]):
    """Gathers the requests of many threads; `work` does a group and returns one answer for each, in order."""

    def __init__(self, work: Callable[[Sequence[T]], Sequence[R]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket[T, R]] = deque()
        self._led = False

    def ask(self, asked: T) -> R:
        """Have one request done; returns when its group is. Raises what doing the group raised."""
        ticket = _Ticket[T, R](asked)
        with self._lock:
            self._waiting.append(ticket)
            ticket.leads, self._led = not self._led, True
        if not ticket.leads:
            self._wait(ticket)
        if not ticket.answered:
            self._lead()
        if ticket.error is not None:
            raise ticket.error
        return ticket.answer  # pyright: ignore[reportReturnType]  # answered without an error

    def _wait(self, ticket: _Ticket[T, R]) -> None:
        try:
            ticket.wake.acquire()
        except BaseException:
            # Interrupted (Ctrl-C): nobody may wait for one who does not come back.
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
                following = self._follow() if ticket.leads else None
            if following is not None:
                following.wake.release()
            raise

    def _follow(self) -> _Ticket[T, R] | None:
        """Choose who leads next; with the lock held."""
        following = self._waiting[0] if self._waiting else None
        self._led = following is not None
        if following is not None:
            following.leads = True
        return following

    def _lead(self) -> None:
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_MAX))]
        error: BaseException | None = None
        answers: Sequence[R] = ()
        try:
            answers = self._work([ticket.asked for ticket in group])
        except BaseException as raised:  # noqa: BLE001  # it is raised again, in each caller
            error = raised
        with self._lock:
            following = self._follow()
        if following is not None:
            following.wake.release()
        for index, ticket in enumerate(group):
            ticket.error = error
            if error is None:
                ticket.answer = answers[index]
            ticket.answered = True
            ticket.wake.release()
