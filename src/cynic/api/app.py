"""The application: routes, the memory behind them, the worker beside them, and errors as problem documents."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from cynic.api import (
    budget,
    describe,
    health,
    hooks,
    judgments,
    learning,
    otlp,
    problems,
    sessions,
    stream,
    tables,
    traces,
)
from cynic.api.auth import Authentication
from cynic.api.limits import Limits
from cynic.base.version import __version__
from cynic.flows.otlp_money import Book
from cynic.flows.otlp_receiver import Receiver
from cynic.flows.worker import Worker
from cynic.memory import POOL_SIZE, Memory
from cynic.web import learning_pages, pages, session_pages, trace_pages

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cynic.db.connect import Database
    from cynic.domains.system.keys import GivenKey


def create_app(
    database: Database,
    *,
    with_worker: bool = True,
    pool_size: int = POOL_SIZE,
    env_keys: tuple[GivenKey, ...] = (),
    open_to_network: bool = False,
) -> FastAPI:
    """The service over one database whose schema is up to date.

    A service that other machines can reach (`open_to_network`) asks for an API key even while there is none.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        with ExitStack() as opened:
            app.state.memory = opened.enter_context(Memory(database, pool_size=pool_size))
            app.state.broadcaster = stream.Broadcaster(app.state.memory)
            opened.callback(app.state.broadcaster.stop)
            app.state.receiver = Receiver(database, Book())
            app.state.otlp_readers = asyncio.Semaphore(otlp.READERS_MAX)
            app.state.receiver.start()
            opened.callback(app.state.receiver.stop)
            app.state.worker = None
            if with_worker:
                app.state.worker = Worker(database)
                app.state.worker.start()
                opened.callback(app.state.worker.stop)
            yield

    app = FastAPI(
        title="cynic",
        version=__version__,
        summary="The memory of a pack of AI agents, kept in one PostgreSQL.",
        lifespan=lifespan,
    )
    app.include_router(health.router)
    app.include_router(stream.router)
    app.include_router(judgments.router)
    app.include_router(learning.router)
    app.include_router(sessions.router)
    app.include_router(traces.router)
    app.include_router(budget.router)
    app.include_router(hooks.router)
    app.include_router(otlp.router)
    app.include_router(tables.router)
    app.include_router(pages.router)
    app.include_router(session_pages.router)
    app.include_router(learning_pages.router)
    app.include_router(trace_pages.router)
    problems.install(app)
    app.add_middleware(Authentication, env_keys=env_keys, always=open_to_network)
    app.add_middleware(Limits)
    app.openapi = lambda: describe.complete(app)
    return app
