"""The files of transcripts on a disk: which there are, and their lines from where the last reading ended."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from cynic.base.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

SUFFIX: Final = ".jsonl"
LINE_BYTES_MAX: Final = 32 * 1024 * 1024
BLOCK_BYTES: Final = 1024 * 1024


class NoTranscriptsFolderError(NotFoundError):
    """The folder, or the file, that was to be imported does not exist."""

    code = "no-transcripts-folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file as it was when it was found."""

    path: Path
    key: str
    """The real path as text that can be stored."""
    size_bytes: int
    modified_at: datetime

    @property
    def session_id(self) -> str:
        """The session by the file's place: the file's own name, or for a sub-agent the folder of its session."""
        folder = self.path.parent
        if folder.name == "subagents":
            return folder.parent.name
        return self.path.stem


class Line(NamedTuple):
    """One line; `end` is the offset behind it. `data` is None for a line that is too long to be read."""

    number: int
    data: bytes | None
    end: int
    whole: bool
    """Whether it ends in a newline; a last line without one may be cut in half."""


def find(root: Path) -> tuple[list[Found], list[tuple[Path, str]]]:
    """Every transcript under `root`, oldest first, and what could not be looked at with the reason.

    A parent is older than what was forked from it, so the copies of its records come later. Links are followed,
    each file and folder is taken once.
    """
    if not root.exists():
        raise NoTranscriptsFolderError(f"{root} does not exist")
    found: list[Found] = []
    failed: list[tuple[Path, str]] = []
    seen: set[tuple[int, int]] = set()
    todo = [root]
    while todo:
        path = todo.pop()
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            if stat.S_ISDIR(status.st_mode):
                todo += [
                    entry for entry in path.iterdir() if entry.suffix == SUFFIX or entry.is_dir()
                ]
            elif stat.S_ISREG(status.st_mode):
                found.append(_found(path, status))
        except OSError as error:
            failed.append((path, error.strerror or str(error)))
    return sorted(found, key=lambda one: (one.modified_at, one.key)), failed


def _found(path: Path, status: os.stat_result) -> Found:
    real = os.fsencode(os.path.realpath(path))
    # In whole microseconds, as the database keeps it: otherwise a file would never be the one that was read.
    seconds, rest = divmod(status.st_mtime_ns, 1_000_000_000)
    modified = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)
    return Found(
        path=path,
        key=real.decode("utf-8", "backslashreplace"),
        size_bytes=status.st_size,
        modified_at=modified,
    )


def lines(file: BinaryIO, start: int) -> Iterator[Line]:
    """The lines of a file from an offset on; the first has number 1 only when `start` is 0."""
    number = _lines_before(file, start)
    file.seek(start)
    position = start
    while data := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        position += len(data)
        if len(data) > LINE_BYTES_MAX and not data.endswith(b"\n"):
            size, whole = _skip(file)
            position += size
            yield Line(number, None, position, whole)
        else:
            yield Line(number, data, position, data.endswith(b"\n"))


def goes_on(file: BinaryIO, offset: int) -> bool:
    """Whether a line can begin at `offset`: before or at it there is a newline."""
    file.seek(max(offset - 1, 0))
    around = file.read(2)
    return offset == 0 or around[:1] == b"\n" or around[1:2] in {b"\n", b"\r", b""}


def _skip(file: BinaryIO) -> tuple[int, bool]:
    """Go to the end of a line that is too long; how many bytes that was, and whether it ended."""
    size = 0
    while piece := file.readline(BLOCK_BYTES):
        size += len(piece)
        if piece.endswith(b"\n"):
            return size, True
    return size, False


def _lines_before(file: BinaryIO, offset: int) -> int:
    file.seek(0)
    count = 0
    left = offset
    while left > 0 and (block := file.read(min(left, BLOCK_BYTES))):
        count += block.count(b"\n")
        left -= len(block)
    return count
