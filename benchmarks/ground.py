"""The ground that benchmarks of the service share: one durable server, migrated databases, one judgment of the pack."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo, sql

from cynic.db.connect import Database
from cynic.db.embedded import EmbeddedServer
from cynic.db.migrate import Migrator
from cynic.domains.dogs.pack import DOGS

if TYPE_CHECKING:
    from collections.abc import Generator

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@contextmanager
def server() -> Generator[str]:
    """Start a server as `cynic up` does; its address for as long as the context lasts. Refuses a server that may forget."""
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedServer.start(Path(folder)) as started:
            with psycopg.connect(started.conninfo, autocommit=True) as conn:
                for name in DURABLE:
                    row = conn.execute("SELECT current_setting(%s)", [name]).fetchone()
                    if row != ("on",):
                        raise RuntimeError(f"{name} is {row}: nothing measured here would count")
            yield started.conninfo


def migrated(address: str, name: str) -> Database:
    """Make a database of its own with the whole schema."""
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    target = conninfo.make_conninfo(address, dbname=name)
    with psycopg.connect(target, autocommit=True) as conn:
        Migrator(conn).up()
    return Database(conninfo=target, source="benchmark")


def judgment(agent: int) -> dict[str, object]:
    """A judgment with the votes of all eleven dogs, by an agent with a user and a session of its own."""
    votes = [
        {"dog": dog, "score": round(0.55 + 0.03 * index, 2), "reasoning": f"{dog} looked at it"}
        for index, dog in enumerate(DOGS)
    ]
    return {
        "item_type": "code_review",
        "item_content": "def area(radius): return 3.14159 * radius ** 2",
        "user": f"agent-{agent}",
        "session_id": f"session-{agent}",
        "votes": votes,
    }
