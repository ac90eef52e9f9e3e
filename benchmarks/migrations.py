"""The 47 migrations on an empty database, against the same SQL piped through one psql session."""

from __future__ import annotations

import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo, sql

from benchmarks.measure import Result, paired, seconds
from cynic.db.embedded import EmbeddedServer
from cynic.db.migrate import Migrator
from cynic.db.migration import packaged
from cynic.db.offline import script
from cynic.db.tools import program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5


def run() -> Iterator[Result]:
    """Five pairs on one server, each on a new database; connecting counts on both sides."""
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer.start(Path(folder)) as server:
            yield _compare(server.conninfo)


def _compare(address: str) -> Result:
    numbers = count()
    text = "".join(script())
    psql = program("psql")

    def new_database() -> str:
        name = f"bench_{next(numbers)}"
        with psycopg.connect(address, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            )
        return conninfo.make_conninfo(address, dbname=name)

    def ours() -> float:
        target = new_database()

        def migrate() -> None:
            with psycopg.connect(target, autocommit=True) as conn:
                Migrator(conn).up()

        return seconds(migrate)

    def limit() -> float:
        target = new_database()
        command = [psql, "-X", "-q", "-d", target]
        return seconds(
            lambda: subprocess.run(
                command, input=text, text=True, check=True, stdout=subprocess.DEVNULL
            )
        )

    packaged()
    mine, theirs = paired(ours, limit, ROUNDS)
    return Result(
        what=f"{len(packaged())} migrations vs one psql session",
        ours_seconds=mine,
        limit_seconds=theirs,
        ratio_max=1.5,
    )
