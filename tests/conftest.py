"""A real PostgreSQL for every test: one server per test process, one migrated template, clones of it.

CYNIC_TEST_PG=16 or 18 chooses the server's major version (default 18). Variables that would point a test
at somebody's database are removed first.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import conninfo, sql

from cynic.db.binaries import find_binaries
from cynic.db.embedded import EmbeddedServer
from cynic.db.migrate import Migrator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

for _name in list(os.environ):
    if (
        _name.startswith(("PG", "CYNIC_"))
        and not _name.startswith("CYNIC_TEST_")
        and _name != "CYNIC_GOLDEN"
    ):
        del os.environ[_name]
os.environ.pop("DATABASE_URL", None)

SHARED_MEMORY_FREE_MIN = 6 << 30
FAST = {
    # Its transactions are of nobody's making here, and answers wait for every one that is open in the server.
    "autovacuum": "off",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
}


def pytest_report_header() -> str:
    return f"PostgreSQL under test: {os.environ.get('CYNIC_TEST_PG', '18')}"


@pytest.fixture(scope="session")
def pg_major() -> int:
    return int(os.environ.get("CYNIC_TEST_PG", "18"))


@pytest.fixture(scope="session")
def server(pg_major: int) -> Iterator[EmbeddedServer]:
    """The test process's own server, gone with it."""
    home = Path(tempfile.mkdtemp(prefix="cynic-test-", dir=_quick_folder()))
    home.chmod(0o755)
    with EmbeddedServer.start(home, binaries=find_binaries(pg_major), options=FAST) as started:
        yield started
        data = started.data_dir
    shutil.rmtree(home, ignore_errors=True)
    if data is not None and not data.is_relative_to(home) and "cynic" in data.parts:
        shutil.rmtree(data.parent, ignore_errors=True)


def _quick_folder() -> str | None:
    """Memory instead of a disk for the many files of many databases, where there is enough of it."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK):
        free = shutil.disk_usage(memory).free
        return str(memory) if free >= SHARED_MEMORY_FREE_MIN else None
    return None


@pytest.fixture(scope="session")
def admin(server: EmbeddedServer) -> Iterator[psycopg.Connection]:
    """A superuser's connection to the maintenance database, for CREATE and DROP DATABASE."""
    with psycopg.connect(server.conninfo, dbname="postgres", autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def template(server: EmbeddedServer, admin: psycopg.Connection) -> str:
    """A database with every migration applied, never connected to again: clones are cut from it."""
    name = "cynic_template"
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(server.conninfo, dbname=name, autocommit=True) as conn:
        Migrator(conn).up()
    return name


@pytest.fixture(scope="session")
def make_database(server: EmbeddedServer, admin: psycopg.Connection) -> Callable[..., str]:
    """Make databases, cloned from a template or empty; they go with the server, which is quicker than to drop each."""

    def make(template: str | None = None) -> str:
        name = f"t_{uuid4().hex[:12]}"
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        admin.execute(create.format(sql.Identifier(name), sql.Identifier(template or "template0")))
        return conninfo.make_conninfo(server.conninfo, dbname=name)

    return make


@pytest.fixture(scope="session")
def dsn(make_database: Callable[..., str], template: str) -> str:
    """The migrated database that `db` tests share; who commits in it cleans up."""
    return make_database(template)


@pytest.fixture
def fresh_database(make_database: Callable[..., str], template: str) -> str:
    """A migrated database for this test alone."""
    return make_database(template)


@pytest.fixture
def empty_database(make_database: Callable[..., str]) -> str:
    """A database without anything in it."""
    return make_database()


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    """A superuser's connection inside a transaction that is rolled back."""
    with psycopg.connect(dsn) as conn:
        yield conn
        conn.rollback()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the contract, golden vectors and data, beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}: the contract for tests lies there")
    return SHARED


@pytest.fixture(scope="session")
def contract(shared: Path) -> dict[str, Any]:
    """The schema document as data: tables, columns, bounds, indexes, files."""
    return json.loads((shared / "spec" / "catalogue.json").read_text(encoding="utf-8"))
