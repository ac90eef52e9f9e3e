"""Importing OpenTelemetry from files: requests as an exporter or a collector writes them.

A file holds one request in protobuf, many of them each behind its length (four bytes, as the collector's file exporter
writes), one JSON document, or one JSON document on each line; any of these may be packed with gzip. What is imported
twice changes nothing.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, cast

from cynic.base.errors import CynicError, NotFoundError
from cynic.domains.telemetry.otlp import request
from cynic.domains.telemetry.otlp.refusals import UnreadableError
from cynic.flows.otlp_receiver import BehindError
from cynic.flows.otlp_store import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cynic.domains.telemetry.otlp.refusals import Encoding, Signal
    from cynic.flows.otlp_receiver import Receiver

GZIP: Final = b"\x1f\x8b"
LENGTH_BYTES: Final = 4
FAULTS_MAX: Final = 1000
WAITING_MAX: Final = 64
"""Requests that are read ahead of what is stored."""


class NoSuchFileError(NotFoundError):
    """A file that was named is not there."""

    code = "no-such-file"


@dataclass(frozen=True, slots=True)
class Fault:
    """One request of a file that cannot be read; `place` counts from 1."""

    path: str
    place: int
    reason: str


@dataclass(slots=True)
class Imported:
    """What an import came to."""

    files: int = 0
    requests: int = 0
    spans: int = 0
    log_records: int = 0
    set_aside: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    unreadable: int = 0
    faults: list[Fault] = field(default_factory=list[Fault])

    @property
    def clean(self) -> bool:
        """Whether everything went in."""
        return not (self.set_aside or self.unreadable)

    def document(self) -> dict[str, object]:
        """The same as JSON data."""
        return {**asdict(self), "reasons": dict(self.reasons)}


class Progress(Protocol):
    """Is told how it goes."""

    def begin(self, total_bytes: int) -> None:
        """So much is to be read."""

    def advance(self, read_bytes: int) -> None:
        """So much more was read."""


def import_files(
    receiver: Receiver, paths: Sequence[Path], progress: Progress | None = None
) -> Imported:
    """Read every file and store what is in it; returned means committed."""
    for path in paths:
        if not path.is_file():
            raise NoSuchFileError(f"there is no file {path}")
    report = Imported()
    if progress is not None:
        progress.begin(sum(path.stat().st_size for path in paths))
    waiting: deque[Future[None]] = deque()
    for path in paths:
        report.files += 1
        for place, body in _requests(path, report):
            batch = _read(path, place, body, report)
            if batch is not None:
                waiting.append(_submit(receiver, batch, waiting))
            while len(waiting) > WAITING_MAX:
                waiting.popleft().result()
        if progress is not None:
            progress.advance(path.stat().st_size)
    for done in waiting:
        done.result()
    return report


def _submit(receiver: Receiver, batch: Batch, waiting: deque[Future[None]]) -> Future[None]:
    while True:
        try:
            return receiver.submit(batch)
        except BehindError:
            waiting.popleft().result()


def _requests(path: Path, report: Imported) -> Iterator[tuple[int, bytes]]:
    """The requests of a file, numbered from 1."""
    with path.open("rb") as raw:
        packed = raw.read(len(GZIP)) == GZIP
        raw.seek(0)
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            yield from enumerate(_split(stream), 1)
        except (EOFError, OSError, zlib.error) as error:
            _note(report, Fault(str(path), 0, f"cannot be read: {error}"))


def _split(stream: BinaryIO) -> Iterator[bytes]:
    first = stream.read(1)
    if first == b"\0":
        yield from _behind_lengths(first, stream)
    elif first in {b"{", b"\n", b" ", b"\r", b"\t"}:
        line = first + stream.readline()
        if _is_document(line):
            yield from (one for one in (line, *stream) if one.strip())
        else:
            yield line + stream.read()
    elif first:
        yield first + stream.read()


def _behind_lengths(first: bytes, stream: BinaryIO) -> Iterator[bytes]:
    head = first + stream.read(LENGTH_BYTES - 1)
    while head:
        size = int.from_bytes(head, "big")
        body = stream.read(size)
        if len(head) < LENGTH_BYTES or len(body) < size:
            raise EOFError("it ends inside a request")
        yield body
        head = stream.read(LENGTH_BYTES)


def _is_document(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _read(path: Path, place: int, body: bytes, report: Imported) -> Batch | None:
    encoding: Encoding = "json" if body.lstrip()[:1] == b"{" else "protobuf"
    trouble: CynicError | None = None
    for signal in _signals(encoding, body):
        try:
            received = request.read(signal, encoding, body)
        except UnreadableError as error:
            trouble = trouble or error
            continue
        report.requests += 1
        report.spans += len(received.spans)
        report.log_records += len(received.events)
        report.set_aside += len(received.letters)
        report.reasons.update(letter.reason for letter in received.letters)
        return Batch(received.spans, received.events, received.letters)
    _note(report, Fault(str(path), place, trouble.message if trouble else "no request"))
    return None


def _signals(encoding: Encoding, body: bytes) -> tuple[Signal, ...]:
    """The signals that a request may be of, the likelier first."""
    if encoding == "json" and (b'"resourceLogs"' in body or b'"resource_logs"' in body):
        return ("logs", "traces")
    return ("traces", "logs")


def _note(report: Imported, fault: Fault) -> None:
    report.unreadable += 1
    if len(report.faults) < FAULTS_MAX:
        report.faults.append(fault)
