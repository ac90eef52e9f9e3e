"""`/healthz`: the process lives. `/readyz`: it can serve (database, schema, worker)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import OperationalError

from cynic.api.state import memory_of
from cynic.base.errors import UnavailableError
from cynic.base.version import __version__
from cynic.db.migrate import Migrator
from cynic.db.pool import BusyError

if TYPE_CHECKING:
    from cynic.flows.worker import Worker

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers; nothing else is asked, not even a thread."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses={503: {"description": "not ready; `checks` says why"}})
def readyz(request: Request) -> JSONResponse:
    """The database answers, its schema is the one this version knows, and the worker goes its rounds."""
    worker = cast("Worker | None", request.app.state.worker)
    checks = {"database": "ok", "schema": "ok", "worker": "not asked for"}
    if worker is not None:
        checks["worker"] = "ok" if worker.alive else "does not run"
    try:
        with memory_of(request).connection() as conn:
            behind = [s.name for s in Migrator(conn).status() if s.state != "applied"]
        if behind:
            checks["schema"] = f"not as this version knows it: {', '.join(behind)}"
    except (OperationalError, BusyError):
        checks |= {"database": "does not answer", "schema": "unknown"}
    ready = all(value in {"ok", "not asked for"} for value in checks.values())
    status = 200 if ready else UnavailableError.http_status
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, status)
