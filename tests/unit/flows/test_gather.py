"""Group commit: everybody gets its own answer, once, whoever leads and whatever fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cynic.flows import gather
from cynic.flows.gather import Gatherer

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_alone_one_is_a_group_of_one() -> None:
    groups: list[list[int]] = []

    def work(asked: Sequence[int]) -> list[int]:
        groups.append(list(asked))
        return [2 * one for one in asked]

    gatherer = Gatherer[int, int](work)
    assert [gatherer.ask(n) for n in range(3)] == [0, 2, 4]
    assert groups == [[0], [1], [2]]


def test_those_who_come_meanwhile_go_together() -> None:
    """The first is kept at work until all others wait: they are one group."""
    begun, go_on = threading.Event(), threading.Event()
    groups: list[int] = []

    def work(asked: Sequence[int]) -> list[int]:
        groups.append(len(asked))
        begun.set()
        assert go_on.wait(30)
        return list(asked)

    gatherer = Gatherer[int, int](work)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(gatherer.ask, 0)
        assert begun.wait(30)
        others = [pool.submit(gatherer.ask, n) for n in range(1, 9)]
        while len(gatherer._waiting) < 8:
            threading.Event().wait(0.001)
        go_on.set()
        assert first.result(30) == 0
        assert [one.result(30) for one in others] == list(range(1, 9))
    assert groups == [1, 8]


def test_a_group_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "GROUP_MAX", 3)
    groups: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def work(asked: Sequence[int]) -> list[int]:
        groups.append(len(asked))
        begun.set()
        assert go_on.wait(30)
        return list(asked)

    gatherer = Gatherer[int, int](work)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(gatherer.ask, 0)]
        assert begun.wait(30)
        asked += [pool.submit(gatherer.ask, n) for n in range(1, 8)]
        while len(gatherer._waiting) < 7:
            threading.Event().wait(0.001)
        go_on.set()
        assert [one.result(30) for one in asked] == list(range(8))
    assert groups == [1, 3, 3, 1]


def test_what_fails_fails_for_its_group_alone() -> None:
    def work(asked: Sequence[int]) -> list[int]:
        if 13 in asked:
            raise ValueError("thirteen")
        return list(asked)

    gatherer = Gatherer[int, int](work)
    for _ in range(3):
        with pytest.raises(ValueError, match="thirteen"):
            gatherer.ask(13)
        assert gatherer.ask(1) == 1


def test_a_crowd_in_which_some_fail_ends_with_an_answer_for_everybody() -> None:
    def work(asked: Sequence[int]) -> list[int]:
        if len(asked) == 1 and asked[0] % 17 == 0:
            raise ValueError(asked[0])
        return [one + 1 for one in asked]

    gatherer = Gatherer[int, int](work)

    def one(number: int) -> int | None:
        try:
            return gatherer.ask(number)
        except ValueError:
            return None

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(one, range(2000)))
    assert all(answer in {number + 1, None} for number, answer in enumerate(found))
    assert sum(answer is None for answer in found) <= 2000 // 17 + 1


class _Interrupted:
    """In place of a ticket's lock: who waits here is interrupted, after it was told to lead or before."""

    def __init__(self, before: threading.Event) -> None:
        self._before = before

    def acquire(self) -> None:
        assert self._before.wait(30)
        raise KeyboardInterrupt

    def release(self) -> None:
        self._before.set()


@pytest.mark.parametrize("promoted", [False, True])
def test_nobody_waits_for_one_who_was_interrupted(
    monkeypatch: pytest.MonkeyPatch, promoted: bool
) -> None:
    begun, go_on, interrupt = threading.Event(), threading.Event(), threading.Event()

    def work(asked: Sequence[int]) -> list[int]:
        begun.set()
        assert go_on.wait(30)
        return list(asked)

    gatherer = Gatherer[int, int](work)
    waits = gatherer._wait

    def wait(ticket: gather._Ticket[int, int]) -> None:
        if ticket.asked == 1:
            ticket.wake = _Interrupted(interrupt)  # type: ignore[assignment]
        waits(ticket)

    monkeypatch.setattr(gatherer, "_wait", wait)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(gatherer.ask, 0)
        assert begun.wait(30)
        second = pool.submit(gatherer.ask, 1)
        while len(gatherer._waiting) < 1:
            threading.Event().wait(0.001)
        third = pool.submit(gatherer.ask, 2)
        while len(gatherer._waiting) < 2:
            threading.Event().wait(0.001)
        if not promoted:
            interrupt.set()
            with pytest.raises(KeyboardInterrupt):
                second.result(30)
        go_on.set()
        assert first.result(30) == 0
        if promoted:
            with pytest.raises(KeyboardInterrupt):
                second.result(30)
        assert third.result(30) == 2
    assert gatherer.ask(3) == 3
