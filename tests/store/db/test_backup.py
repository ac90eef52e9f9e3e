"""Backup and restore: the same rows, the same schema, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from cynic.db import catalogue
from cynic.db.backup import (
    BackupFailedError,
    NotEmptyError,
    OtherSchemaError,
    back_up,
    restore_into,
)
from cynic.db.connect import Database
from cynic.db.migrate import Migrator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = (
    "INSERT INTO users (username) VALUES ('ada')",
    (
        "INSERT INTO judgments (judgment_id, user_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores) "
        "SELECT 'jdg_' || n, (SELECT id FROM users), 'code', 'text', 'h', n, 0.618, 'BARK', '{}' FROM generate_series(1, 30) AS n"
    ),
    "INSERT INTO dog_votes (dog_name, item_type, item_id, vote_score, confidence) VALUES ('Sage', 'judgment', 'jdg_1', 0.5, 0.5)",
    "SELECT update_budget(0.000000001)",
    "INSERT INTO facts (fact, confidence, embedding) VALUES ('dogs remember', 0.5, array_fill(1, ARRAY[1536])::vector)",
)


def database(dsn: str) -> Database:
    return Database(conninfo=dsn, source="test")


def fill(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in ROWS:
            conn.execute(statement.encode())


def everything(dsn: str) -> dict[str, list[str]]:
    with psycopg.connect(dsn) as conn:
        tables = conn.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        return {
            table: [
                row[0]
                for row in conn.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1".encode())
            ]
            for (table,) in tables
        }


def test_a_backup_restored_into_an_empty_database_is_the_same(
    fresh_database: str, empty_database: str, tmp_path: Path
) -> None:
    fill(fresh_database)
    shown: list[str] = []
    summary = back_up(
        database(fresh_database),
        tmp_path / "b",
        lambda done, total, name: shown.append(f"{done}/{total} {name}"),
    )
    assert summary.tables >= 108
    assert summary.size_bytes == (tmp_path / "b").stat().st_size > 0
    assert len(shown) == summary.tables
    assert restore_into(database(empty_database), tmp_path / "b").tables == summary.tables
    assert everything(empty_database) == everything(fresh_database)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        report = catalogue.verify(conn, "public")
        assert report.ok, list(report.lines())
        # The guards came back as well, and sequences go on.
        with pytest.raises(psycopg.errors.RestrictViolation):
            conn.execute("DELETE FROM judgments")
        assert conn.execute("SELECT update_budget(1)").fetchone() == (2,)


def test_a_restore_over_data_is_refused(fresh_database: str, tmp_path: Path) -> None:
    back_up(database(fresh_database), tmp_path / "b")
    fill(fresh_database)
    before = everything(fresh_database)
    with pytest.raises(NotEmptyError, match="already holds"):
        restore_into(database(fresh_database), tmp_path / "b")
    assert everything(fresh_database) == before


def test_a_damaged_backup_restores_nothing(
    fresh_database: str, empty_database: str, tmp_path: Path
) -> None:
    file = tmp_path / "b"
    fill(fresh_database)
    back_up(database(fresh_database), file)
    content = bytearray(file.read_bytes())
    file.write_bytes(bytes(content[: len(content) // 2]))
    with pytest.raises(BackupFailedError):
        restore_into(database(empty_database), file)
    with psycopg.connect(empty_database) as conn:
        assert conn.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)
    file.write_bytes(b"no backup at all")
    with pytest.raises(BackupFailedError, match="cannot be read"):
        restore_into(database(empty_database), file)


def test_a_backup_that_fails_leaves_an_older_one_alone(fresh_database: str, tmp_path: Path) -> None:
    file = tmp_path / "b"
    back_up(database(fresh_database), file)
    good = file.read_bytes()
    (tmp_path / "b.partial").mkdir()  # pg_dump cannot write there
    with pytest.raises((BackupFailedError, OSError)):
        back_up(database(fresh_database), file)
    assert file.read_bytes() == good


def test_one_schema_is_backed_up_alone(
    empty_database: str, make_database: object, tmp_path: Path
) -> None:
    assert callable(make_database)
    with psycopg.connect(empty_database, autocommit=True) as conn:
        Migrator(conn, "acme").up()
        conn.execute("CREATE TABLE public.other (n integer)")
    tenant = Database(conninfo=empty_database, source="test", schema="acme")
    back_up(tenant, tmp_path / "b")
    target = make_database()
    restore_into(Database(conninfo=target, source="test", schema="acme"), tmp_path / "b")
    with psycopg.connect(target) as conn:
        assert conn.execute(
            "SELECT to_regclass('acme.judgments') IS NOT NULL, to_regclass('public.other')"
        ).fetchone() == (True, None)


def test_each_of_two_tenants_is_backed_up_and_restored_by_itself(
    fresh_database: str, make_database: Callable[..., str], tmp_path: Path
) -> None:
    fill(fresh_database)
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        Migrator(conn, "acme").up()
        conn.execute("INSERT INTO acme.users (username) VALUES ('hers')")
    for schema, users in ((None, "ada"), ("acme", "hers")):
        file = tmp_path / f"{schema}.backup"
        back_up(Database(conninfo=fresh_database, source="test", schema=schema), file)
        assert file.stat().st_mode & 0o777 == 0o600
        target = Database(conninfo=make_database(), source="test", schema=schema)
        restore_into(target, file)
        with target.connect() as conn:
            assert conn.execute("SELECT username FROM users").fetchall() == [(users,)]
            secret = conn.execute("SELECT value FROM ops_secrets").fetchone()
        with Database(conninfo=fresh_database, source="test", schema=schema).connect() as conn:
            # With the same key, what was recorded before is still told from what was not.
            assert conn.execute("SELECT value FROM ops_secrets").fetchone() == secret
    with pytest.raises(OtherSchemaError, match="acme"):
        restore_into(database(make_database()), tmp_path / "acme.backup")
