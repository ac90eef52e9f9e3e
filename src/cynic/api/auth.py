"""Who may call: API keys, asked for as soon as there is one, or when other machines can reach the service.

Nothing here opens by accident: what cannot be checked is answered with 503, and a fault of ours ends in 500.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import urlsplit

from psycopg import Error
from starlette.requests import Request

from cynic.api.problems import problem
from cynic.api.state import in_thread, memory_of
from cynic.base import clock
from cynic.base.errors import CynicError, UnavailableError
from cynic.domains.system.keys import KEY_BYTES_MAX, GivenKey, among, covers, digest
from cynic.flows import keys
from cynic.flows.keys import ApiKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from cynic.memory import Memory

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
READING_METHODS: Final = frozenset({"GET", "HEAD"})
ADMIN_REQUESTS: Final = frozenset({("PUT", "/api/v1/budget"), ("POST", "/api/v1/budget/reset")})
"""Whoever spends with a key must not be able to raise the limit with it."""
BELIEVED_SECONDS: Final = 1.0
"""A key made or revoked takes effect on a running service within this time."""
KEPT_MAX: Final = 1024
QUESTIONS_MAX: Final = 4
"""Of the pool's connections: a flood of made-up keys leaves the others to those who have one."""
CHALLENGES: Final = ('Bearer realm="cynic"', 'Basic realm="cynic", charset="UTF-8"')

_VISIBLE = re.compile(rf"[!-~]{{1,{KEY_BYTES_MAX}}}")
_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class UnauthorizedError(CynicError):
    """The request carries no API key, or one that is unknown, expired or revoked."""

    code = "unauthorized"
    http_status = 401


class ForbiddenError(CynicError):
    """The API key is good, but not for this."""

    code = "forbidden"
    http_status = 403


class Authentication:
    """Middleware: 401 without a good key, 403 where its scope ends, 503 when the database cannot be asked.

    `always` asks for a key even while there is none; so does any key of the environment.
    """

    def __init__(
        self, app: ASGIApp, env_keys: tuple[GivenKey, ...] = (), *, always: bool = False
    ) -> None:
        self._app = app
        self._env_keys = env_keys
        self._always = always or bool(env_keys)
        questions = asyncio.Semaphore(QUESTIONS_MAX)
        self._any = _Recent[bool](questions)
        self._known = _Recent[ApiKey](questions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its caller in `request.state.caller`, if it may pass."""
        if scope["type"] == "websocket":
            # None is served; one that comes to be has to be let through here, not to slip past.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            request = Request(scope)
            try:
                caller = await self._admit(request)
            except (CynicError, Error) as error:
                await _refusal(request, error)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)

    async def _admit(self, request: Request) -> str:
        """Who calls, or "" while authentication is off."""
        memory = memory_of(request)
        if not (self._always or await self._any.get(b"", lambda: _any_key(memory))):
            _check_own_page(request)
            return ""
        presented = _presented(request.headers)
        if presented is None:
            raise UnauthorizedError(
                "an API key is needed",
                hint="send Authorization: Bearer KEY, X-API-Key: KEY, or the key as Basic password",
            )
        found = await self._find(memory, digest(presented.key))
        if found is None:
            raise UnauthorizedError("the API key is not valid")
        needed = "read" if request.method in READING_METHODS else "write"
        if (request.method, request.url.path) in ADMIN_REQUESTS:
            needed = "admin"
        if not covers(found.scope, needed):
            raise ForbiddenError(f"the key's scope is {found.scope}; this needs {needed}")
        if presented.basic and needed != "read" and _from_another_site(request.headers):
            raise ForbiddenError("a page of another site may not write with the browser's key")
        return found.caller

    async def _find(self, memory: Memory, presented: bytes) -> GivenKey | ApiKey | None:
        if given := among(self._env_keys, presented):
            return given
        found = await self._known.get(presented, lambda: _recognise(memory, presented))
        return found if found is not None and found.state(clock.now()) == "active" else None


def _check_own_page(request: Request) -> None:
    """Without keys only programs of this machine are let in, not a page of another site in its browser.

    A page that had its own name resolve to this machine (DNS rebinding) still says that name as the host.
    """
    host = request.headers.get("host")
    try:
        name = None if host is None else urlsplit(f"//{host}").hostname
    except ValueError:
        name = host
    if name is not None and name != "localhost" and not _is_loopback(name):
        raise ForbiddenError(
            "without API keys the service answers to this machine's own name only",
            hint="make a key with cynic keys create NAME, or ask for 127.0.0.1 or localhost",
        )
    if request.method not in READING_METHODS and _from_another_site(request.headers):
        raise ForbiddenError("a page of another site may not write here")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _Presented:
    key: str
    basic: bool


class _Recent(Generic[T]):
    """Answers of the database, believed for a second; the same question is under way once at most.

    None is not kept, so that made-up keys fill nothing.
    """

    def __init__(self, questions: asyncio.Semaphore) -> None:
        self._questions = questions
        self._kept: dict[bytes, tuple[float, T]] = {}
        self._asked: dict[bytes, asyncio.Task[T | None]] = {}

    async def get(self, key: bytes, ask: Callable[[], T | None]) -> T | None:
        """What is known, else what `ask` says in a thread; its error goes to all who wait for it."""
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._ask(key, ask))
            task.add_done_callback(lambda _: self._asked.pop(key))
        # One caller who hangs up must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, key: bytes, ask: Callable[[], T | None]) -> T | None:
        async with self._questions:
            # From before the question: the answer may be as old as that.
            until = time.monotonic() + BELIEVED_SECONDS
            answer = await in_thread(ask)
        if answer is None:
            self._kept.pop(key, None)
        else:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[key] = (until, answer)
        return answer


def _any_key(memory: Memory) -> bool:
    with memory.connection() as conn:
        return keys.any_key(conn)


def _recognise(memory: Memory, presented: bytes) -> ApiKey | None:
    with memory.connection() as conn:
        return keys.recognise(conn, presented, clock.now())


def _presented(headers: Headers) -> _Presented | None:
    """The key of the request; None without one, and for a header that is malformed or there twice.

    X-API-Key goes first: Authorization may belong to a proxy in front.
    """
    own = headers.getlist("x-api-key")
    values = own or headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, value = ("bearer", "", values[0]) if own else values[0].partition(" ")
    basic = scheme.lower() == "basic"
    if basic:
        try:
            value = base64.b64decode(value.strip(), validate=True).partition(b":")[2].decode()
        except ValueError:
            return None
    elif scheme.lower() != "bearer":
        return None
    value = value.strip()
    return _Presented(value, basic) if _VISIBLE.fullmatch(value) else None


def _from_another_site(headers: Headers) -> bool:
    """Whether a page of another origin sent this: a browser adds a Basic password to anybody's request."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _refusal(request: Request, error: CynicError | Error) -> Response:
    if not isinstance(error, (UnauthorizedError, ForbiddenError)):
        _LOG.warning("a caller could not be checked: %s", error)
        return problem(
            request,
            UnavailableError.code,
            UnavailableError.http_status,
            "API keys cannot be checked: the database does not answer",
        )
    more = {"hint": error.hint} if error.hint else None
    answer = problem(request, error.code, error.http_status, error.message, more)
    if isinstance(error, UnauthorizedError):
        # A line for each: some browsers do not look behind the first challenge of a line.
        for challenge in CHALLENGES:
            answer.headers.append("WWW-Authenticate", challenge)
    return answer
