"""Backup and restore with the server's own programs, each with a check at its end.

A backup is one consistent snapshot in pg_dump's custom format. It is written beside its place and renamed
into it, so a file under the final name is a whole one. A restore goes into an empty database in a single
transaction: whole, or not at all.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import conninfo, sql

from cynic.base.errors import ConflictError, CynicError
from cynic.db import catalogue
from cynic.db.migrate import Migrator, quiet, statement
from cynic.db.tools import program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import psycopg

    from cynic.db.connect import Database
    from cynic.db.migrate import Progress

_TABLE_LINE = re.compile(r"^\d+; \d+ \d+ TABLE DATA (\S+) (\S+) ")
_DUMPING = re.compile(r"dumping contents of table \"?[^.]*\.(\S+?)\"?$")
_RESTORING = re.compile(r"processing data for table \"?[^.]*\.(\S+?)\"?$")
_VECTOR_TYPE = re.compile(r'(?:"([^"]+)"|(\w+))\.vector\(')
# What the restore makes itself beforehand (schema, extension), so that no superuser right is needed twice.
_MADE_BEFORE = re.compile(r"^\d+; \d+ \d+ (SCHEMA|COMMENT - SCHEMA|EXTENSION|COMMENT - EXTENSION) ")


class BackupFailedError(CynicError):
    """pg_dump or pg_restore failed, or the backup does not hold what the database does."""

    code = "backup-failed"


class OtherSchemaError(ConflictError):
    """The backup is of another schema than the one to restore into."""

    code = "other-schema"


class NotEmptyError(ConflictError):
    """The database to restore into already holds tables of cynic."""

    code = "database-not-empty"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup or a restore moved."""

    tables: int
    size_bytes: int


def back_up(database: Database, file: Path, progress: Progress = quiet) -> Summary:
    """Write a backup of one schema, which is one tenant, to `file`, readable by its owner alone.

    Raises `BackupFailedError`, leaving nothing behind, when the disk fills or the archive cannot be read
    back with every table in it.
    """
    with database.connect() as conn:
        schema = Migrator(conn, database.schema).schema
        tables = _tables(conn)
        major = conn.info.server_version // 10000
    partial = file.with_name(file.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _run(
            [
                program("pg_dump", major),
                "--format=custom",
                "--verbose",
                f"--file={partial}",
                f"--dbname={_libpq(database)}",
                f'--schema="{schema}"',
            ],
            database,
            (_DUMPING, len(tables), progress),
        )
        missing = tables - set(_listed_tables(partial, major))
        if missing:
            raise BackupFailedError(f"the backup lacks tables: {', '.join(sorted(missing))}")
        _flush(partial)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return Summary(tables=len(tables), size_bytes=file.stat().st_size)


def restore_into(database: Database, file: Path, progress: Progress = quiet) -> Summary:
    """Restore `file` into an empty schema in one transaction, then verify it.

    Raises `NotEmptyError` when cynic's tables are there already, `OtherSchemaError` when the backup is of
    another schema: names do not change on the way.
    """
    with database.connect(new_schema=True) as conn:
        migrator = Migrator(conn, database.schema)
        row = conn.execute(statement("has_ledger")).fetchone()
        if row and row[0]:
            raise NotEmptyError(
                f"schema {migrator.schema} already holds cynic's tables",
                hint="restore into an empty database: createdb, then --database; or another CYNIC_HOME",
            )
        major = conn.info.server_version // 10000
        tables = _listed_tables(file, major)
        _check_schema(file, major, migrator.schema)
        _make_extension(conn, file, major)
        migrator.prepare()
        _restore(database, file, major, (len(tables), progress))
        report = catalogue.verify(conn, migrator.schema)
        if not report.ok:
            raise BackupFailedError(
                "restored, but the schema differs from this cynic's",
                hint="an older backup: run cynic db migrate, then cynic db verify",
                details=report.as_document(),
            )
    return Summary(tables=len(tables), size_bytes=file.stat().st_size)


def _restore(database: Database, file: Path, major: int, shown: tuple[int, Progress]) -> None:
    wanted = [line for line in _list(file, major) if not _MADE_BEFORE.match(line)]
    contents = file.with_name(f"{file.name}.{os.getpid()}.list")
    try:
        contents.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        _run(
            [
                program("pg_restore", major),
                "--single-transaction",
                "--exit-on-error",
                "--verbose",
                f"--use-list={contents}",
                f"--dbname={_libpq(database)}",
                str(file),
            ],
            database,
            (_RESTORING, *shown),
        )
    finally:
        contents.unlink(missing_ok=True)


def _check_schema(file: Path, major: int, schema: str) -> None:
    held = {match.group(1) for line in _list(file, major) if (match := _TABLE_LINE.match(line))}
    if held != {schema}:
        shown = ", ".join(sorted(held)) or "nothing"
        raise OtherSchemaError(
            f"the backup holds schema {shown}, and {schema} is to be restored",
            hint=f"name it: cynic db restore --schema {shown}",
        )


def _make_extension(conn: psycopg.Connection, file: Path, major: int) -> None:
    """Have the vector extension where the backup's tables look for it; where it is already, it stays."""
    done = subprocess.run(
        [program("pg_restore", major), "--schema-only", "--file=-", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = _VECTOR_TYPE.search(done.stdout)
    if found is None:
        return
    name = sql.Identifier(found.group(1) or found.group(2))
    conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
    conn.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS vector SCHEMA {}").format(name))


def _tables(conn: psycopg.Connection) -> set[str]:
    return {str(row[0]) for row in conn.execute(statement("tables"))}


def _list(file: Path, major: int) -> list[str]:
    done = subprocess.run(
        [program("pg_restore", major), "--list", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupFailedError(f"{file} cannot be read as a backup: {done.stderr.strip()}")
    return done.stdout.splitlines()


def _listed_tables(file: Path, major: int) -> list[str]:
    return [match.group(2) for line in _list(file, major) if (match := _TABLE_LINE.match(line))]


def _libpq(database: Database) -> str:
    """The connection without its password, which must not stand in a process list."""
    return database.shown


def _run(
    command: Sequence[str], database: Database, shown: tuple[re.Pattern[str], int, Progress]
) -> None:
    """Run a program, turn its verbose lines into progress, and its failure into an error."""
    pattern, total, progress = shown
    password = conninfo.conninfo_to_dict(database.conninfo).get("password")
    environment = dict(os.environ)
    if isinstance(password, str):
        environment["PGPASSWORD"] = password
    done = 0
    talk: list[str] = []
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        for line in process.stderr or ():
            talk.append(line.rstrip())
            if match := pattern.search(line.rstrip()):
                progress(done, total, match.group(1))
                done += 1
    if process.returncode:
        reasons = [line for line in talk if "error:" in line] or talk[-1:]
        raise BackupFailedError("\n".join(reasons) or f"{command[0]} failed")


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
