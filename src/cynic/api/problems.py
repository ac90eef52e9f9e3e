"""Errors as problem documents (RFC 9457), with a stable `code` and the request's `trace_id`."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import OperationalError, errors
from starlette.exceptions import HTTPException

from cynic.base.errors import (
    CynicError,
    InvalidDataError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from cynic.db.datadir import DiskFullError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_LOG = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "1"


def install(app: FastAPI) -> None:
    """Let every error of the application leave it as a problem document."""
    app.add_exception_handler(CynicError, _cynic_error)
    app.add_exception_handler(OperationalError, _database_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def problem(
    request: Request,
    code: str,
    status: int,
    detail: str,
    more: Mapping[str, object] | None = None,
    *,
    trace: str | None = None,
) -> JSONResponse:
    """One problem document; `more` adds members of its own."""
    document = {
        "type": "about:blank",
        "title": code.replace("-", " "),
        "status": status,
        "detail": detail,
        "code": code,
        "trace_id": trace or trace_id(request),
        **(more or {}),
    }
    headers = (
        {"Retry-After": RETRY_AFTER_SECONDS} if status == UnavailableError.http_status else None
    )
    return JSONResponse(document, status, headers, MEDIA_TYPE)


def trace_id(request: Request) -> str:
    """The trace of the request's `traceparent` (W3C Trace Context), else a new one of 32 hex digits."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return found[1] if found else uuid4().hex


def _cynic_error(request: Request, error: Exception) -> JSONResponse:
    known = cast("CynicError", error)
    more: dict[str, object] = {**known.details}
    if known.hint:
        more["hint"] = known.hint
    return problem(request, known.code, known.http_status, known.message, more)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, errors.DiskFull):
        detail = "the database's disk is full"
        return problem(request, DiskFullError.code, DiskFullError.http_status, detail)
    return problem(  # without the error's text, which may name hosts and users
        request, UnavailableError.code, UnavailableError.http_status, "the database does not answer"
    )


def _invalid_request(request: Request, error: Exception) -> JSONResponse:
    faults = [
        {"field": ".".join(str(step) for step in fault["loc"]), "detail": fault["msg"]}
        for fault in cast("RequestValidationError", error).errors()
    ]
    return problem(
        request,
        InvalidDataError.code,
        InvalidDataError.http_status,
        "the request breaks a rule",
        {"errors": faults},
    )


def _http_error(request: Request, error: Exception) -> JSONResponse:
    known = cast("HTTPException", error)
    code = NotFoundError.code if known.status_code == NotFoundError.http_status else UsageError.code
    return problem(request, code, known.status_code, known.detail)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours: logged whole, told without its text, which may hold anything."""
    trace = trace_id(request)
    _LOG.error("request %s failed", trace, exc_info=error)
    return problem(
        request,
        CynicError.code,
        CynicError.http_status,
        "something failed here; see the log",
        trace=trace,
    )
