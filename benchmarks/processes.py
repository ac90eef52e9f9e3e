"""CPU seconds and memory of a tree of processes, from /proc (Linux)."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final, Self

PROC: Final = Path("/proc")
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS: Final = 0.1


def parent(pid: int) -> int:
    """The process that started this one."""
    return int(_stat(pid)[1])


def children(pid: int) -> list[int]:
    """The processes that this one started and that still run."""
    found: list[int] = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                if parent(int(entry.name)) == pid:
                    found.append(int(entry.name))
            except (OSError, IndexError):
                continue
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of all it started, also of those that ended."""
    total = 0.0
    for one in (pid, *children(pid)):
        try:
            total += sum(int(ticks) for ticks in _stat(one)[11:15]) / TICKS_PER_SECOND
        except OSError:
            continue
    return total


class PeakMemory:
    """The largest resident memory of one process while the context lasts, in megabytes."""

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._stop.wait(SAMPLE_SECONDS):
            resident = int((PROC / str(self._pid) / "statm").read_text().split()[1])
            self.megabytes = max(self.megabytes, resident * page / 1_000_000)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may hold anything: state, parent, …"""
    return (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
