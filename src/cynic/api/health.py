"""`/healthz`: the process lives. `/readyz`: it can serve (database and schema)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from cynic import __version__
from cynic.base.errors import UnavailableError
from cynic.db.migrate import Migrator

if TYPE_CHECKING:
    from psycopg_pool import ConnectionPool

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers; nothing else is asked."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", responses={503: {"description": "not ready; `checks` says why"}})
def readyz(request: Request) -> JSONResponse:
    """The database answers and its schema is the one this version knows."""
    pool = cast("ConnectionPool", request.app.state.pool)
    checks = {"database": "ok", "schema": "ok"}
    try:
        with pool.connection() as conn:
            behind = [s.name for s in Migrator(conn).status() if s.state != "applied"]
        if behind:
            checks["schema"] = f"not as this version knows it: {', '.join(behind)}"
    except (OperationalError, PoolTimeout):
        checks = {"database": "does not answer", "schema": "unknown"}
    ready = all(value == "ok" for value in checks.values())
    status = 200 if ready else UnavailableError.http_status
    return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, status)
