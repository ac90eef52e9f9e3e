"""`cynic import claude-code` against reading the same bytes and `json.loads`-ing them, line by line.

The clock runs from the open database to the last commit. 60 MB by default, 200 MB with `--full`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from tools.transcript_maker import write_folder

from benchmarks.measure import Result, paired, seconds
from cynic.db.binaries import find_binaries
from cynic.db.embedded import EmbeddedServer
from cynic.db.migrate import Migrator
from cynic.flows.ingest_transcripts import import_claude_code

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
MEGABYTES, MEGABYTES_FULL = 60, 200
FACTS = ("sessions", "session_state", "session_summary", "tool_usage", "llm_usage", "ops_imports")


class _Silent:
    """Nobody looks."""

    def begin(self, total_bytes: int) -> None: ...

    def advance(self, read_bytes: int) -> None: ...

    def wait(self) -> None: ...


def run() -> Iterator[Result]:
    """Five pairs, each import into empty tables; after each the same import again."""
    megabytes = MEGABYTES_FULL if "--full" in sys.argv else MEGABYTES
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as name:
        home, folder = Path(name), Path(name, "projects")
        home.chmod(0o755)
        write_folder(folder, megabytes * 1_000_000)
        with EmbeddedServer.start(home / "server", binaries=find_binaries()) as server:
            with psycopg.connect(server.conninfo, autocommit=True) as conn:
                Migrator(conn).up()
            again: list[float] = []
            first, limit = paired(
                lambda: _import(server.conninfo, folder, again), lambda: _parse(folder), ROUNDS
            )
    yield Result(
        what=f"import of {megabytes} MB of transcripts vs json.loads",
        ours_seconds=first,
        limit_seconds=limit,
        ratio_max=3.0,
    )
    yield Result(
        what="the same import again vs the first",
        ours_seconds=sorted(again)[len(again) // 2],
        limit_seconds=first,
        ratio_max=0.5,
    )


def _import(conninfo: str, folder: Path, again: list[float]) -> float:
    now = datetime.now(UTC)
    with psycopg.connect(conninfo, autocommit=True) as conn:
        conn.execute(f"TRUNCATE {', '.join(FACTS)} CASCADE".encode())
        first = seconds(lambda: import_claude_code(conn, folder, now, _Silent()))
        before = _rows(conn)
        again.append(seconds(lambda: import_claude_code(conn, folder, now, _Silent())))
        if before != _rows(conn):
            raise RuntimeError("the same import again changed rows")
    return first


def _rows(conn: psycopg.Connection) -> list[object]:
    """Where every row lies and which transaction wrote it."""
    select = "SELECT count(*), md5(string_agg(concat(ctid, xmin), ',' ORDER BY ctid)) FROM {}"
    return [conn.execute(select.format(table).encode()).fetchone() for table in FACTS]


def _parse(folder: Path) -> float:
    def read() -> None:
        for path in folder.rglob("*.jsonl"):
            with path.open("rb") as file:
                for line in file:
                    json.loads(line)

    return seconds(read)
