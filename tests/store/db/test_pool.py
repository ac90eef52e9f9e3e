"""Connections of the memory's pool are looked at before use, without a round trip."""

from __future__ import annotations

import select

import psycopg

from cynic.db.connect import Database
from cynic.memory import Memory

JUDGMENT = {"item_type": "code", "item_content": "x = 1", "dimensions": {"ACCURACY": 50}}


def end_all_sessions(admin: psycopg.Connection, dsn: str) -> int:
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    rows = admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
    ).fetchall()
    return len(rows)


def test_a_server_that_hung_up_is_not_the_callers_concern(
    admin: psycopg.Connection, fresh_database: str
) -> None:
    with Memory(Database(conninfo=fresh_database, source="test"), pool_size=3) as memory:
        for _ in range(3):
            assert memory.judge(**JUDGMENT).new
            assert end_all_sessions(admin, fresh_database) >= 1
            assert memory.judge(**JUDGMENT).new


def test_a_message_of_the_server_does_not_cost_the_connection(fresh_database: str) -> None:
    with (
        Memory(Database(conninfo=fresh_database, source="test"), pool_size=1) as memory,
        psycopg.connect(fresh_database, autocommit=True) as other,
    ):
        with memory.connection() as conn:
            pid, socket = conn.info.backend_pid, conn.fileno()
            conn.execute("LISTEN heard")
        other.execute("NOTIFY heard")
        assert select.select([socket], [], [], 10)[0]
        with memory.connection() as conn:
            assert conn.info.backend_pid == pid
