"""The migration runner: plan, up, down, status.

A migration is one SQL file with an up and a down part; its identity and its place in the order are its
full file name. Each file runs in one transaction together with its row in the ledger `_migrations`, so a
runner that dies leaves whole files only. Runners exclude one another by an advisory lock that is polled:
any number may start at once, one works, the others find the work done.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, Protocol, cast

import psycopg
from psycopg import errors, sql

from cynic.base.errors import (
    ConflictError,
    CynicError,
    TryAgainError,
    UnavailableError,
)
from cynic.base.version import __version__
from cynic.db import sqlfile
from cynic.db.migration import Migration, packaged, target_index

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from datetime import datetime

LOCK_POLL_SECONDS = 0.05
LOCK_WAIT_SECONDS_MAX = 600
FILE_LOCK_TIMEOUT_MS = 3000
FILE_ATTEMPTS_MAX = 5

_HERE = Path(str(files("cynic.db")))


class MigrationFailedError(CynicError):
    """A statement of a migration failed; its file was rolled back and earlier files stand."""

    code = "migration-failed"


class MigrationEditedError(ConflictError):
    """A file that was applied reads differently now."""

    code = "migration-edited"


class DatabaseNewerError(ConflictError):
    """The database was migrated by a newer cynic than this one."""

    code = "database-newer"


class MigrationOrderError(ConflictError):
    """A file that was never applied stands before one that was."""

    code = "migration-order"


class MigrationBusyError(TryAgainError):
    """Another session holds a lock that a migration needs, or migrates for too long."""

    code = "migration-busy"


class NoSchemaError(UnavailableError):
    """The connection's search_path names no schema that exists."""

    code = "no-schema"


@dataclass(frozen=True, slots=True)
class State:
    """A migration as one database knows it."""

    name: str
    state: str
    """applied, pending, edited (applied, and the file reads differently now) or unknown (newer)."""
    applied_at: datetime | None


class Progress(Protocol):
    """Told before each file: how many of how many are done, and which comes now."""

    def __call__(self, done: int, total: int, name: str) -> None:
        """Take note."""
        ...


def quiet(done: int, total: int, name: str) -> None:
    """Report nothing."""
    del done, total, name


@cache
def _statements(name: str) -> Mapping[str, LiteralString]:
    return cast("Mapping[str, LiteralString]", sqlfile.load(_HERE / name))


def statement(name: str, file: str = "migrate.sql") -> LiteralString:
    """A named statement of the runner's own file, of roles.sql or of grants.sql."""
    return _statements(file)[name]


def use_schema(conn: psycopg.Connection, schema: str | None) -> str:
    """Put `schema` (default: the connection's own) first on the search_path; return its name.

    The schema of the vector extension follows, wherever it was installed; nothing else is on the path.
    """
    if schema is None:
        row = conn.execute(statement("current_schema")).fetchone()
        schema = cast("str | None", row[0]) if row else None
        if schema is None:
            raise NoSchemaError(
                "the connection's search_path names no existing schema",
                hint="give one with --schema",
            )
    row = conn.execute(statement("extension_schema")).fetchone()
    path = [schema] if row is None or row[0] == schema else [schema, cast("str", row[0])]
    quoted = sql.SQL(", ").join(map(sql.Identifier, path)).as_string(conn)
    conn.execute(statement("set_search_path"), {"path": quoted})
    return schema


class SchemaInUseError(CynicError):
    """The schema holds what others need."""

    code = "schema-in-use"


def drop_schema(conn: psycopg.Connection, schema: str) -> None:
    """Remove a schema and all that is in it; refused where the vector extension lives, on which other schemas rest."""
    row = conn.execute(statement("extension_schema")).fetchone()
    if row is not None and row[0] == schema:
        raise SchemaInUseError(f"the vector extension lives in {schema}, so it stays")
    conn.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


class Migrator:
    """Migrates one schema of one database over one connection of its own, in autocommit mode.

    The connection must reach the server directly: session locks do not survive a pooler that hands out
    a server connection per transaction.
    """

    def __init__(
        self,
        conn: psycopg.Connection,
        schema: str | None = None,
        *,
        migrations: Sequence[Migration] | None = None,
        progress: Progress = quiet,
    ) -> None:
        if not conn.autocommit:
            raise CynicError("the migration runner needs a connection in autocommit mode")
        self._conn = conn
        self._migrations = tuple(packaged() if migrations is None else migrations)
        self._progress = progress
        if schema is not None:
            conn.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        self.schema = use_schema(conn, schema)

    def status(self) -> list[State]:
        """Every file that the code or the ledger knows, in order."""
        known = {migration.name: migration for migration in self._migrations}
        ledger = self._ledger()
        states: list[State] = []
        for name in sorted(known.keys() | ledger.keys()):
            sha256, applied_at = ledger.get(name, (None, None))
            if name not in known:
                state = "unknown"
            elif name not in ledger:
                state = "pending"
            else:
                state = "applied" if sha256 in {None, known[name].sha256} else "edited"
            states.append(State(name, state, applied_at))
        return states

    def up(self, to: str | None = None) -> list[str]:
        """Apply what is pending up to `to`; return the names applied. Takes no lock when nothing is."""
        end = target_index(self._migrations, to)
        if not self._pending(end):
            return []
        with self._exclusive():
            pending = self._pending(end)
            if pending:
                self.prepare()
            for done, migration in enumerate(pending):
                self._progress(done, len(pending), migration.name)
                self._apply(migration)
            self._progress(len(pending), len(pending), "rights")
            self._grant()
        return [migration.name for migration in pending]

    def down(self, to: str) -> list[str]:
        """Undo every applied file after `to` (0 undoes all), newest first; return their names."""
        keep = {
            migration.name for migration in self._migrations[: target_index(self._migrations, to)]
        }
        with self._exclusive():
            self._check()
            ledger = self._ledger()
            undo = [
                m for m in reversed(self._migrations) if m.name in ledger and m.name not in keep
            ]
            for done, migration in enumerate(undo):
                self._progress(done, len(undo), migration.name)
                self._revert(migration)
        return [migration.name for migration in undo]

    def grant(self) -> None:
        """State the rights of the three roles anew; without those roles, do nothing."""
        with self._exclusive():
            self._grant()

    def _grant(self) -> None:
        with self._conn.transaction():
            self._conn.execute(_statements("grants.sql")["grant_rights"])

    def prepare(self) -> None:
        """Make the roles and the vector extension where they are missing and may be made."""
        roles = _statements("roles.sql")
        self._conn.execute(roles["make_roles"])
        self._conn.execute(roles["make_extension"])
        use_schema(self._conn, self.schema)

    def _ledger(self) -> dict[str, tuple[str | None, datetime]]:
        row = self._conn.execute(statement("has_ledger")).fetchone()
        if row is None or not row[0]:
            return {}
        return {name: (digest, at) for name, digest, at in self._conn.execute(statement("ledger"))}

    def _check(self) -> list[State]:
        """Refuse a ledger that contradicts the files; return the states otherwise."""
        states = self.status()
        if unknown := [state.name for state in states if state.state == "unknown"]:
            raise DatabaseNewerError(
                f"the database has migrations that this cynic {__version__} does not know: {', '.join(unknown)}",
                hint="use the version of cynic that migrated it, or a later one",
                details={"unknown": unknown},
            )
        if edited := [state.name for state in states if state.state == "edited"]:
            raise MigrationEditedError(
                f"applied migrations read differently now: {', '.join(edited)}",
                hint="a migration that was applied never changes; add a new one",
                details={"edited": edited},
            )
        return states

    def _pending(self, end: int) -> list[Migration]:
        states = self._check()
        names = {state.name for state in states if state.state == "pending"}
        last_applied = max((s.name for s in states if s.state == "applied"), default="")
        if gaps := sorted(name for name in names if name < last_applied):
            raise MigrationOrderError(
                f"never applied, though later ones were: {', '.join(gaps)}", details={"gaps": gaps}
            )
        return [m for m in self._migrations[:end] if m.name in names]

    def _exclusive(self) -> _AdvisoryLock:
        return _AdvisoryLock(self._conn, self.schema)

    def _apply(self, migration: Migration) -> None:
        started = time.monotonic()
        self._run(migration, migration.up, "up", started)

    def _revert(self, migration: Migration) -> None:
        self._run(migration, migration.down, "down", time.monotonic())

    def _run(self, migration: Migration, text: str, direction: str, started: float) -> None:
        """One file in one transaction with its ledger row; waits for locks a few times, never long."""
        for attempt in range(1, FILE_ATTEMPTS_MAX + 1):
            try:
                self._attempt(migration, text, direction, started)
            except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
                if attempt == FILE_ATTEMPTS_MAX:
                    raise MigrationBusyError(
                        f"{migration.name}: another session holds a lock it needs "
                        f"(tried {attempt} times, {FILE_LOCK_TIMEOUT_MS} ms each)",
                        hint="end long transactions (see pg_stat_activity) and migrate again",
                    ) from error
            else:
                return

    def _attempt(self, migration: Migration, text: str, direction: str, started: float) -> None:
        """Send the statements without waiting for each answer; when one fails, again one by one to name it."""
        if not migration.transactional:
            self._execute(migration, text, direction, started)
            return
        try:
            with self._conn.transaction(), self._conn.pipeline():
                self._execute(migration, text, direction, started)
        except (errors.LockNotAvailable, errors.DeadlockDetected):
            raise
        except (MigrationFailedError, psycopg.DatabaseError):
            with self._conn.transaction():
                self._execute(migration, text, direction, started)

    def _execute(self, migration: Migration, text: str, direction: str, started: float) -> None:
        if migration.transactional:
            self._conn.execute(statement("become_owner"))
        for index, one in enumerate(sqlfile.split(text), start=1):
            with _named(migration, direction, index, one):
                # Never a server-side prepared one: each is sent once.
                self._conn.execute(one.encode(), prepare=False)
        if direction == "up":
            self._conn.execute(statement("record"), _ledger_row(migration, started))
        elif self._ledger():
            self._conn.execute(statement("forget"), {"name": migration.name})


@contextmanager
def _named(migration: Migration, direction: str, index: int, text: str) -> Generator[None]:
    """Say which statement an error comes from; locks are another matter, and tried again."""
    try:
        yield
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        raise
    except psycopg.Error as error:
        raise MigrationFailedError(
            f"{migration.name} ({direction}), statement {index}: {error.diag.message_primary or error}",
            hint=f"the statement begins: {_first_line(text)}",
            details={
                "migration": migration.name,
                "statement": index,
                "sqlstate": error.sqlstate,
            },
        ) from error


def _ledger_row(migration: Migration, started: float) -> dict[str, object]:
    duration_ms = round((time.monotonic() - started) * 1000)
    return {
        "name": migration.name,
        "sha256": migration.sha256,
        "duration_ms": duration_ms,
        "app_version": __version__,
    }


def _first_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("--")]
    return lines[0][:120] if lines else ""


class _AdvisoryLock:
    """The session lock of one schema's runners; waits politely, gives up after ten minutes."""

    def __init__(self, conn: psycopg.Connection, schema: str) -> None:
        self._conn = conn
        digest = hashlib.sha256(f"cynic migrations of {schema}".encode()).digest()
        self._parameters = {"key": int.from_bytes(digest[:8], "big", signed=True)}

    def __enter__(self) -> None:
        self._conn.execute(
            statement("session_limits"), {"lock_timeout": f"{FILE_LOCK_TIMEOUT_MS}ms"}
        )
        deadline = time.monotonic() + LOCK_WAIT_SECONDS_MAX
        while not self._ask("try_lock"):
            if time.monotonic() > deadline:
                raise MigrationBusyError(
                    f"another process has been migrating for {LOCK_WAIT_SECONDS_MAX} s"
                )
            time.sleep(LOCK_POLL_SECONDS)

    def __exit__(self, *_: object) -> None:
        if not self._conn.closed and not self._conn.broken:
            self._ask("unlock")

    def _ask(self, name: str) -> bool:
        row = self._conn.execute(statement(name), self._parameters).fetchone()
        return bool(row and row[0])
