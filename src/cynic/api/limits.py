"""How much is taken: the size of a body, and the number of requests at once. More gets a clear answer at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.requests import Request

from cynic.api.problems import problem
from cynic.base.errors import TryAgainError
from cynic.flows.submission import TooLargeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
BATCH_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
REQUESTS_MAX: Final = 512


class Limits:
    """Middleware: 413 for a body over its limit, also without a Content-Length; 503 when too many are under way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it is within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._under_way >= REQUESTS_MAX:
            answer = problem(
                Request(scope),
                TryAgainError.code,
                TryAgainError.http_status,
                f"{REQUESTS_MAX} requests are under way already",
            )
            await answer(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._bounded(scope, receive, send)
        finally:
            self._under_way -= 1

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = BATCH_BODY_BYTES_MAX if scope["path"].endswith(":batch") else BODY_BYTES_MAX
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > limit:
            await self._refuse(scope, receive, send, limit)
            return
        taken = 0
        started = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _OverLimitError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _OverLimitError:
            if not started:
                await self._refuse(scope, receive, send, limit)

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        answer = problem(
            Request(scope),
            TooLargeError.code,
            TooLargeError.http_status,
            f"the body is over the limit of {limit} bytes",
        )
        answer.headers["Connection"] = "close"
        await answer(scope, receive, send)


class _OverLimitError(Exception):
    """The body went over the limit while it was read."""
