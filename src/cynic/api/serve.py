"""Uvicorn around the application: bind first, say the address, end cleanly on a signal."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import uvicorn

from cynic.api.grpc import Protocol
from cynic.base.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

GRACE_SECONDS = 10


class PortTakenError(UnavailableError):
    """The address cannot be bound: another program has the port."""

    code = "port-taken"


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], closing: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._closing = closing

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams never end by themselves: without this, closing would wait for them.
        self._closing()
        await super().shutdown(sockets)


def serve(app: FastAPI, host: str, port: int, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the URL once requests are answered.

    Port 0 takes a free one. Requests under way get ten seconds to end.
    """
    server, bound = serving(app, host, port, ready=ready)
    with bound:
        server.run(sockets=[bound])


def serving(
    app: FastAPI, host: str, port: int, *, ready: Callable[[str], None]
) -> tuple[uvicorn.Server, socket.socket]:
    """A server that does not run yet, and the socket that it is to run on."""
    bound = _bind(host, port)
    number = bound.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        lifespan="on",
        http=Protocol,
    )

    def closing() -> None:
        app.state.broadcaster.release()  # made when the application starts

    return _Server(config, lambda: ready(f"http://{shown}:{number}"), closing), bound


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle off only where the protocol is named; with it on, an answer in two parts waits 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise PortTakenError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="give another one with --port"
        ) from error
    return bound
