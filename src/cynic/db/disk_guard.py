"""Writes are refused while the disk of the embedded server is nearly full: PostgreSQL stops when it cannot write its log.

Of a server elsewhere nobody can ask in SQL how much room its disks have; there the guard lets everything pass, and the
server's own refusal (SQLSTATE 53100) is the same error afterwards.
"""

from __future__ import annotations

import shutil
import threading
import time
from typing import TYPE_CHECKING, Final

from cynic.db.datadir import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOK_SECONDS: Final = 1.0


def free_bytes(folder: Path) -> int:
    """What an ordinary user may still write on the folder's file system, in bytes."""
    return shutil.disk_usage(folder).free


class DiskGuard:
    """Looks at the free space of a folder at most once a second; may be asked by any number of threads."""

    def __init__(
        self,
        folder: Path | None,
        free_bytes_min: int,
        *,
        measure: Callable[[Path], int] = free_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._free_bytes_min = free_bytes_min
        self._measure = measure
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._free_bytes: int | None = None

    @property
    def free_bytes(self) -> int | None:
        """The room that is left, as of the last second; None where it cannot be seen."""
        if self._folder is None:
            return None
        with self._lock:
            now = self._monotonic()
            if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
                self._looked_at = now
                try:
                    self._free_bytes = self._measure(self._folder)
                except OSError:  # not to be seen is not full: the server itself still refuses
                    self._free_bytes = None
            return self._free_bytes

    @property
    def full(self) -> bool:
        """Whether nothing more should be taken in."""
        if self._free_bytes_min <= 0:
            return False
        free = self.free_bytes
        return free is not None and free < self._free_bytes_min

    def check(self) -> None:
        """Raise `DiskFullError` while there is too little room; what is asked again later may succeed."""
        if self.full:
            raise DiskFullError(
                f"less than {self._free_bytes_min >> 20} MiB are free on the database's disk",
                hint="free space on it, or lower CYNIC_DISK_FREE_MIN_MB; reading goes on",
            )
