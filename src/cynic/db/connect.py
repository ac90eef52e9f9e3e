"""Where the database is, and connections to it with the right role, schema and limits.

Order: --database > CYNIC_DATABASE_URL > DATABASE_URL > PG* > the embedded server under CYNIC_HOME.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

import psycopg
from psycopg import conninfo, errors, sql

from cynic.base.errors import UnavailableError
from cynic.db.disk_guard import DiskGuard
from cynic.db.migrate import statement, use_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from cynic.base.settings import Settings

Role = Literal["cynic_owner", "cynic_app", "cynic_reader"]

CONNECT_TIMEOUT_SECONDS = 10
SERVER_VERSION_MIN = 160000


class DatabaseUnreachableError(UnavailableError):
    """The database that the settings name does not answer."""

    code = "database-unreachable"


class ServerTooOldError(UnavailableError):
    """The server is older than PostgreSQL 16."""

    code = "server-too-old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One reachable database and the schema in it that holds cynic's tables."""

    conninfo: str
    source: str
    """What decided on this database: an option, a variable, or "embedded server"."""
    schema: str | None = None
    data_dir: Path | None = None
    """Where the embedded server keeps its files; None for any other server."""
    disk: DiskGuard = field(default_factory=lambda: DiskGuard(None, 0), compare=False)
    """Asked before something is taken in."""

    @property
    def shown(self) -> str:
        """The connection as a keyword string without its password, fit for eyes and logs."""
        parameters = conninfo.conninfo_to_dict(self.conninfo)
        parameters.pop("password", None)
        return conninfo.make_conninfo("", **cast("dict[str, str]", parameters))

    def connect(
        self, role: Role | None = None, *, autocommit: bool = True, new_schema: bool = False
    ) -> psycopg.Connection:
        """Connect and act as `role` where the session may; the caller closes the connection.

        With `role` the session gives up the rights of an owner or superuser for those of the role;
        where the roles could not be made, it keeps its own. `new_schema` leaves the search_path to
        the migration runner, which makes the schema first.
        """
        conn = _open(self.conninfo)
        try:
            if not new_schema:
                use_schema(conn, self.schema)
            if role is not None:
                set_role(conn, role)
            conn.autocommit = autocommit
        except BaseException:
            conn.close()
            raise
        return conn

    def prepare_for_app(self, conn: psycopg.Connection) -> None:
        """Make a new connection of a pool one of the service: its schema, role and limits."""
        use_schema(conn, self.schema)
        set_role(conn, "cynic_app")
        conn.execute(statement("app_limits"))


def set_role(conn: psycopg.Connection, role: Role) -> bool:
    """Act as `role` from now on, where it exists and the session may; tell whether it does."""
    row = conn.execute(statement("may_be"), {"role": role}).fetchone()
    if not (row and row[0]):
        return False
    conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    return True


@contextmanager
def database(
    settings: Settings, progress: Callable[[str], None] | None = None
) -> Generator[Database]:
    """The database that the settings name, for as long as the context lasts.

    The embedded server is started when it is the one and does not run yet, and stops with the last
    process that uses it.
    """
    if settings.database is not None:
        yield Database(
            conninfo=settings.database, source=settings.database_source, schema=settings.schema
        )
        return
    from cynic.db.embedded import EmbeddedServer

    with EmbeddedServer.start(settings.home, progress=progress) as server:
        yield Database(
            conninfo=server.conninfo,
            source=settings.database_source,
            schema=settings.schema,
            data_dir=server.data_dir,
            disk=DiskGuard(server.data_dir, settings.disk_free_bytes_min),
        )


def _open(info: str) -> psycopg.Connection:
    try:
        conn = psycopg.connect(
            info,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            fallback_application_name="cynic",
        )
    except (errors.OperationalError, errors.ProgrammingError) as error:
        raise DatabaseUnreachableError(
            f"the database does not answer: {str(error).strip()}",
            hint="check the address (cynic db url shows it) and that the server runs",
        ) from error
    if conn.info.server_version < SERVER_VERSION_MIN:
        version = conn.info.parameter_status("server_version")
        conn.close()
        raise ServerTooOldError(f"the server is PostgreSQL {version}; cynic needs 16 or later")
    return conn
