"""Importing the transcripts of coding agents: whole folders, again and again, each record once.

Files are read line by line and stored in chunks, each one transaction that also notes how far each file was read: an
import that was killed goes on where its last chunk ended. While one chunk is stored the next is read. One import runs
at a time; a second one waits and then finds nothing to do.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, Protocol, Self, cast

from psycopg import errors

from cynic.base.errors import TryAgainError
from cynic.db import sqlfile
from cynic.domains.telemetry import claude_code
from cynic.domains.telemetry.agent_facts import Facts, RefusedRecordError
from cynic.domains.telemetry.storable import text
from cynic.flows import transcript_files
from cynic.flows.agent_sessions import Stored, store

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from concurrent.futures import Future
    from datetime import datetime

    import psycopg

    from cynic.flows.transcript_files import Found, Line

SOURCE: Final = claude_code.AGENT
CHUNK_BYTES: Final = 16 * 1024 * 1024
CHUNK_LINES: Final = 4_000
ATTEMPTS_MAX: Final = 5
FAULTS_SHOWN_MAX: Final = 100
KINDS_SHOWN_MAX: Final = 100
WAIT_SECONDS: Final = 0.2

_SQL = cast(
    "Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("ingest_transcripts.sql"))
)


class ImportCrowdedError(TryAgainError):
    """Others kept changing the same rows; what was stored before stays, and the same import goes on there."""

    code = "import-crowded"


class Progress(Protocol):
    """Who is told how an import goes."""

    def begin(self, total_bytes: int) -> None:
        """So much is to be read."""
        ...

    def advance(self, read_bytes: int) -> None:
        """So much more was read."""
        ...

    def wait(self) -> None:
        """Another import runs, and this one waits for it; called once."""
        ...


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that did not go in: a line, or with `line` None a whole file."""

    path: str
    line: int | None
    reason: str


@dataclass(slots=True)
class Report:
    """What an import found and stored. `faults` are the first ones; `broken_lines` counts all lines."""

    files: int = 0
    files_read: int = 0
    bytes_read: int = 0
    records: Counter[str] = field(default_factory=Counter[str])
    unknown_kinds: Counter[str] = field(default_factory=Counter[str])
    stored: Stored = field(default_factory=Stored)
    broken_lines: int = 0
    unreadable_files: int = 0
    unfinished_lines: int = 0
    """Last lines that were cut in half; they are read once they are whole."""
    faults: list[Fault] = field(default_factory=list[Fault])

    @property
    def clean(self) -> bool:
        """Whether everything went in."""
        return not self.broken_lines and not self.unreadable_files

    def document(self) -> dict[str, object]:
        """The report as JSON values."""
        return {
            "files": self.files,
            "files_read": self.files_read,
            "bytes_read": self.bytes_read,
            "records": dict(self.records),
            "unknown_kinds": dict(self.unknown_kinds),
            **asdict(self.stored),
            "broken_lines": self.broken_lines,
            "unreadable_files": self.unreadable_files,
            "unfinished_lines": self.unfinished_lines,
            "faults": [asdict(fault) for fault in self.faults],
        }

    def fault(self, path: str, line: int | None, reason: str) -> None:
        """Note what did not go in."""
        if line is None:
            self.unreadable_files += 1
        else:
            self.broken_lines += 1
        if len(self.faults) < FAULTS_SHOWN_MAX:
            self.faults.append(Fault(text(path), line, reason))

    def kind(self, kind: str) -> None:
        """Count a record."""
        if kind in claude_code.KINDS:
            self.records[kind] += 1
            return
        # A file that is no transcript may hold any number of kinds.
        name = text(kind, 64)
        if name not in self.unknown_kinds and len(self.unknown_kinds) >= KINDS_SHOWN_MAX:
            name = "(others)"
        self.unknown_kinds[name] += 1


def import_claude_code(
    conn: psycopg.Connection, folder: Path, now: datetime, progress: Progress
) -> Report:
    """Import every transcript under `folder`. `conn` is in autocommit mode and is used from another thread."""
    found, failed = transcript_files.find(folder)
    report = Report(files=len(found))
    for path, reason in failed:
        report.fault(str(path), None, reason)
    with _only_importer(conn, progress):
        todo = _todo(conn, found)
        progress.begin(sum(one.size_bytes - start for one, start in todo))
        with _Chunks(conn, report, now) as chunks:
            for one, start in todo:
                _read_file(one, start, report, chunks, progress)
    return report


@contextmanager
def _only_importer(conn: psycopg.Connection, progress: Progress) -> Generator[None]:
    told = False
    while not (row := conn.execute(_SQL["only_importer"]).fetchone()) or not row[0]:
        if not told:
            progress.wait()
            told = True
        time.sleep(WAIT_SECONDS)
    try:
        yield
    finally:
        if not conn.broken:
            conn.execute(_SQL["let_others_import"])


def _todo(conn: psycopg.Connection, found: list[Found]) -> list[tuple[Found, int]]:
    """The files that changed since they were read, each with where to go on."""
    parameters = {"source": SOURCE, "paths": [one.key for one in found]}
    known = {row[0]: row[1:] for row in conn.execute(_SQL["progress"], parameters)}
    todo: list[tuple[Found, int]] = []
    for one in found:
        size, modified, read = known.get(one.key, (-1, None, 0))
        if (size, modified) == (one.size_bytes, one.modified_at):
            continue
        # Grown: go on. Of the same size or smaller, but changed: it was written anew.
        todo.append((one, read if one.size_bytes > size else 0))
    return todo


def _read_file(one: Found, start: int, report: Report, chunks: _Chunks, progress: Progress) -> None:
    """Read a file from `start` on into chunks."""
    try:
        with one.path.open("rb", buffering=transcript_files.BLOCK_BYTES) as file:
            if not transcript_files.goes_on(file, start):
                start = 0
            report.files_read += 1
            reader = claude_code.Reader(chunks.facts, one.session_id)
            position = start
            for line in transcript_files.lines(file, start):
                if not _take(line, one, reader, report):
                    break
                progress.advance(line.end - position)
                report.bytes_read += line.end - position
                chunks.count(line.end - position)
                position = line.end
                if chunks.full:
                    chunks.note(one, position, finished=False)
                    reader.go_on(chunks.flush())
            chunks.note(one, position, finished=True)
    except OSError as error:
        report.fault(one.key, None, error.strerror or str(error))


_DECODER = json.JSONDecoder()
_SPACE: Final = " \t\r\n"


def _take(line: Line, one: Found, reader: claude_code.Reader, report: Report) -> bool:
    """Take one line; False for a last one that is cut in half."""
    if line.data is None:
        megabytes = transcript_files.LINE_BYTES_MAX >> 20
        report.fault(one.key, line.number, f"is longer than {megabytes} MiB")
        return True
    try:
        report.kind(reader.take(_loads(line.data.decode())))
    except RefusedRecordError as error:
        report.fault(one.key, line.number, error.message)
    except (ValueError, RecursionError) as error:
        if not line.data.strip():
            return True
        if not line.whole:
            report.unfinished_lines += 1
            return False
        report.fault(one.key, line.number, _reason(error))
    return True


def _loads(written: str) -> object:
    """As `json.loads`, without what that does for each call anew."""
    written = written.strip(_SPACE)
    record, end = _DECODER.raw_decode(written)
    if end != len(written):
        raise json.JSONDecodeError("Extra data", written, end)
    return record


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"is no UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return f"is no JSON: {error}"


class _Chunks:
    """Facts on their way into the database: one lot is stored in a thread while the next is collected."""

    def __init__(self, conn: psycopg.Connection, report: Report, now: datetime) -> None:
        self.facts = Facts()
        self._conn = conn
        self._report = report
        self._now = now
        self._bytes = self._lines = 0
        self._progress: dict[str, dict[str, object]] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cynic-import")
        self._under_way: Future[Stored] | None = None

    @property
    def full(self) -> bool:
        """Whether it is time to store what was collected."""
        return self._bytes >= CHUNK_BYTES or self._lines >= CHUNK_LINES

    def count(self, read_bytes: int) -> None:
        """One more line of so many bytes was read for this chunk."""
        self._bytes += read_bytes
        self._lines += 1

    def note(self, one: Found, position: int, *, finished: bool) -> None:
        """How far a file was read; one that is not finished is noted as if it ended here, so that it has grown."""
        self._progress[one.key] = {
            "path": one.key,
            "size_bytes": max(one.size_bytes, position) if finished else position,
            "modified_at": one.modified_at.isoformat(),
            "read_bytes": position,
        }

    def flush(self) -> Facts:
        """Let what was collected be stored, once what went before is; return where to collect on."""
        self._finish()
        if self._progress:
            self._under_way = self._thread.submit(
                self._store, self.facts, list(self._progress.values())
            )
        self.facts, self._progress = Facts(), {}
        self._bytes = self._lines = 0
        return self.facts

    def _finish(self) -> None:
        if self._under_way is not None:
            self._report.stored.add(self._under_way.result())
            self._under_way = None

    def _store(self, facts: Facts, progress: list[dict[str, object]]) -> Stored:
        noted = {"source": SOURCE, "now": self._now, "rows": json.dumps(progress)}
        for _ in range(ATTEMPTS_MAX):
            try:
                with self._conn.transaction():
                    stored = store(self._conn, facts, SOURCE, "transcript")
                    self._conn.execute(_SQL["note_progress"], noted)
            except (errors.DeadlockDetected, errors.LockNotAvailable):
                continue
            return stored
        raise ImportCrowdedError("others keep changing the same sessions")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.flush()
            self._finish()
        finally:
            self._thread.shutdown()
