"""A thousand judgments with eleven votes at once, against COPY of the rows they leave into the same tables."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

from benchmarks import ground, load
from benchmarks.measure import Result, Throughput, paired, pairs, seconds
from benchmarks.over_http import service
from cynic.base.errors import CynicError
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cynic.db.connect import Database

ROUNDS = 9
JUDGMENTS = 1000
AGENTS = 20
HTTP_ROUNDS = 3
HTTP_SECONDS = 2.0
PATH = "/api/v1/judgments:batch"
# Every table that recording writes, by the column that names the judgment. The queue of counters is not among them: a
# trigger fills it for whoever inserts judgments.
TABLES: Mapping[str, LiteralString] = {
    "judgments": "judgment_id",
    "dog_votes": "item_id",
    "consensus_votes": "judgment_id",
    "dog_events": "event_data ->> 'judgment_id'",
    "dog_signals": "payload ->> 'judgment_id'",
    "dog_pipeline_state": "judgment_id",
    "unified_signals": "judgment ->> 'judgmentId'",
}


def run() -> Iterator[Result | Throughput]:
    """Nine pairs through the Python API; three through HTTP for information."""
    with ground.server() as address:
        database = ground.migrated(address, "batch")
        with Memory(database) as memory:
            numbers = count()

            def ours() -> float:
                documents = _documents(f"ours{next(numbers):06}")
                return seconds(lambda: _store(memory, documents))

            _store(memory, _documents("model_____"))
            copy = _Copy(database, "model_____")
            ours()
            mine, theirs = paired(ours, copy.seconds, ROUNDS)
            yield Result(
                what=f"batch of {JUDGMENTS}, 11 votes vs COPY of its rows",
                ours_seconds=mine,
                limit_seconds=theirs,
                ratio_max=2.0,
            )
            with service(database) as port:
                body = json.dumps([ground.judgment(n % AGENTS) for n in range(JUDGMENTS)]).encode()
                rounds = pairs(
                    lambda: JUDGMENTS * load.rate(port, PATH, [body], HTTP_SECONDS),
                    lambda: JUDGMENTS / copy.seconds(),
                    HTTP_ROUNDS,
                )
                yield Throughput(what="judgments through :batch vs COPY", rounds=rounds)


def _documents(prefix: str) -> list[dict[str, object]]:
    return [
        ground.judgment(number % AGENTS) | {"judgment_id": f"jdg_{prefix}{number:06}"}
        for number in range(JUDGMENTS)
    ]


def _store(memory: Memory, documents: list[dict[str, object]]) -> None:
    """Record them, and make sure that all were."""
    for result in memory.judge_many(documents):
        if isinstance(result, CynicError):
            raise result


class _Copy:
    """The rows of one batch as the text that COPY reads, and their way back in under new identifiers."""

    def __init__(self, database: Database, prefix: str) -> None:
        self._conn = database.connect("cynic_app", autocommit=False)
        self._numbers = count()
        self._prefix = prefix
        self._columns = {name: self._columns_of(name) for name in TABLES}
        self._rows = {name: self._dump(name) for name in TABLES}
        self._conn.rollback()

    def seconds(self) -> float:
        """Seconds to copy all in one transaction."""
        prefix = f"copy{next(self._numbers):06}".encode()
        rows = {
            name: data.replace(self._prefix.encode(), prefix) for name, data in self._rows.items()
        }
        return seconds(lambda: self._load(rows))

    def _load(self, rows: Mapping[str, bytes]) -> None:
        for name, data in rows.items():
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(name), sql.SQL(", ").join(self._columns[name])
            )
            with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(data)
        self._conn.commit()

    def _dump(self, name: str) -> bytes:
        statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {} LIKE {}) TO STDOUT").format(
            sql.SQL(", ").join(self._columns[name]),
            sql.Identifier(name),
            sql.SQL(TABLES[name]),
            sql.Literal(f"%{self._prefix}%"),
        )
        with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            return b"".join(map(bytes, copy))

    def _columns_of(self, name: str) -> list[sql.Identifier]:
        """Without generated columns, and without an id that the table makes itself."""
        found = self._conn.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attgenerated = '' AND NOT (attname = 'id' AND atthasdef) ORDER BY attnum",
            [name],
        )
        return [sql.Identifier(row[0]) for row in found]
