"""What every page stands in: the state of the service, the memory behind it, and errors as pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from psycopg import OperationalError

from cynic.base.errors import CynicError, NotFoundError, UnavailableError
from cynic.web import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Request
    from fastapi.responses import HTMLResponse

    from cynic.flows.worker import Worker
    from cynic.memory import Memory


def answered(request: Request, work: Callable[[], HTMLResponse]) -> HTMLResponse:
    """The page, or the page that says why there is none."""
    try:
        return work()
    except OperationalError:  # its text may name hosts and users
        return _failed(request, UnavailableError.http_status, "the database does not answer")
    except CynicError as error:
        return _failed(request, error.http_status, error.message)


def state(request: Request, count: str | None = None, *, database: bool = True) -> dict[str, Any]:
    """What the head of a page says of the service."""
    worker = cast("Worker | None", request.app.state.worker)
    return {
        "database": database,
        "worker": None if worker is None else worker.alive,
        "count": count,
    }


def memory(request: Request) -> Memory:
    """The memory that the application has open."""
    return cast("Memory", request.app.state.memory)


def _failed(request: Request, status: int, message: str) -> HTMLResponse:
    titles = {
        NotFoundError.http_status: "Not found",
        UnavailableError.http_status: "Not available now",
    }
    available = status != UnavailableError.http_status
    return render.page(
        request,
        "error.html",
        status,
        state=state(request, database=available),
        status=status,
        title=titles.get(status, "That cannot be read"),
        message=message,
        again=not available,
    )
