"""The application: routes, the connection pool behind them, and errors as problem documents."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from psycopg_pool import ConnectionPool

from cynic import __version__
from cynic.api.health import router as health
from cynic.api.problems import install

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cynic.db.connect import Database

POOL_SIZE_MAX = 20
POOL_WAIT_SECONDS = 5.0


def create_app(database: Database) -> FastAPI:
    """The service over one database whose schema is up to date."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        with _pool(database) as pool:
            app.state.pool = pool
            app.state.database = database
            yield

    app = FastAPI(
        title="cynic",
        version=__version__,
        summary="The memory of a pack of AI agents, kept in one PostgreSQL.",
        lifespan=lifespan,
    )
    app.include_router(health)
    install(app)
    return app


def _pool(database: Database) -> ConnectionPool:
    """Connections that act as the application role, in the right schema, and are tested when taken."""
    return ConnectionPool(
        database.conninfo,
        min_size=1,
        max_size=POOL_SIZE_MAX,
        timeout=POOL_WAIT_SECONDS,
        open=False,
        configure=database.prepare_for_app,
        check=ConnectionPool.check_connection,
        kwargs={"autocommit": True, "fallback_application_name": "cynic"},
    )
