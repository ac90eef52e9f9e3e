"""What the handlers reach through the request: the open memory, and work handed to a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request

    from cynic.memory import Memory

P = ParamSpec("P")
T = TypeVar("T")


def memory_of(request: Request) -> Memory:
    """The memory that the application has open."""
    return cast("Memory", request.app.state.memory)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what waits for the database in a thread, so that the socket's loop goes on."""
    return await run_in_threadpool(work, *args, **kwargs)
