"""The whole migration as one SQL script, for whoever wants to read it first or has only psql."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from cynic.base.version import __version__
from cynic.db.migrate import statement
from cynic.db.migration import packaged, target_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.db.migration import Migration


def script(to: str | None = None, schema: str | None = None) -> Iterator[str]:
    """The whole migration as SQL text for one psql session: roles, files with their ledger rows, rights.

    For a database that is empty: the script does not look at what is there, and stops at the first error.
    """
    migrations = packaged()[: target_index(packaged(), to)]
    yield f"-- cynic {__version__}: {len(migrations)} migrations for an empty database, for one psql session\n"
    yield "\\set ON_ERROR_STOP on\nSET client_min_messages = warning;\n"
    if schema is not None:
        name = sql.Identifier(schema).as_string()
        yield f"CREATE SCHEMA IF NOT EXISTS {name};\nSET search_path = {name};\n"
    for name in ("make_roles", "make_extension"):
        yield f"{statement(name, 'roles.sql')};\n"
    for migration in migrations:
        yield f"\n-- {migration.name}\n"
        body = f"{migration.up.strip()}\n{_literal_record(migration)}\n"
        owner = f"{statement('become_owner')} \\g /dev/null\n"
        yield f"BEGIN;\n{owner}{body}COMMIT;\n" if migration.transactional else body
    yield f"\n{statement('grant_rights', 'grants.sql')};\n"


def _literal_record(migration: Migration) -> str:
    values = [migration.name, migration.sha256, __version__]
    literals = sql.SQL(", ").join(map(sql.Literal, values)).as_string()
    return f"INSERT INTO _migrations (name, sha256, app_version) VALUES ({literals});"
