"""Traces over HTTP, and what they add up to: tokens by model and day, metrics by hour."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003  # FastAPI reads them
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request  # FastAPI reads them
from fastapi.responses import JSONResponse

from cynic.api import trace_models as models
from cynic.api.describe import problems
from cynic.api.state import memory_of
from cynic.base.checks import check_text
from cynic.reads import traces, usage

TEXT_CHARACTERS_MAX = 1024
Text = Annotated[str, Query(min_length=1, max_length=TEXT_CHARACTERS_MAX)]

router = APIRouter(prefix="/api/v1", tags=["traces"])


@router.get("/traces", responses={200: {"model": models.TracePage}, **problems(422, 503)})
def list_traces(  # noqa: PLR0913, PLR0917  # one argument for each filter
    request: Request,
    session_id: Text | None = None,
    service: Text | None = None,
    operation: Annotated[Text | None, Query(description="the name of the root span")] = None,
    failed: Annotated[  # noqa: FBT002  # a query parameter
        bool, Query(description="only those in which a span ended in an error")
    ] = False,
    since: Annotated[
        datetime | None, Query(description="begun at this moment or later; UTC without an offset")
    ] = None,
    until: Annotated[datetime | None, Query(description="begun before this moment")] = None,
    order: Annotated[
        Literal["newest", "cost"],
        Query(description="cost: the dearest first, without those of which no price is known"),
    ] = "newest",
    limit: Annotated[int, Query(ge=1, le=traces.PAGE_ROWS_MAX)] = traces.PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
) -> JSONResponse:
    """List traces, newest or dearest first, in pages; conditions hold together."""
    _check(session_id=session_id, service=service, operation=operation)
    page = memory_of(request).traces(
        order=order,
        limit=limit,
        cursor=cursor,
        session_id=session_id,
        service=service,
        operation=operation,
        failed=failed,
        since=since,
        until=until,
    )
    return JSONResponse({"traces": [line.document() for line in page.lines], "cursor": page.cursor})


@router.get(
    "/traces/{trace_id}", responses={200: {"model": models.TraceShown}, **problems(404, 422, 503)}
)
def one_trace(request: Request, trace_id: str) -> JSONResponse:
    """Show one trace: its spans depth first, with times, tools, tokens and errors."""
    _check(trace_id=trace_id)
    return JSONResponse(memory_of(request).trace(trace_id).document())


@router.get(
    "/traces/{trace_id}/spans/{span_id}",
    responses={200: {"model": models.WholeSpan}, **problems(404, 422, 503)},
)
def one_span(request: Request, trace_id: str, span_id: str) -> JSONResponse:
    """Show everything that one span said."""
    _check(trace_id=trace_id, span_id=span_id)
    return JSONResponse(memory_of(request).span(trace_id, span_id))


@router.get("/usage", responses={200: {"model": models.UsageShown}, **problems(422, 503)})
def tokens_by_day(
    request: Request,
    since: Annotated[
        date | None, Query(description="first day (UTC), by default 29 before")
    ] = None,
    until: Annotated[date | None, Query(description="last day (UTC), by default today")] = None,
) -> JSONResponse:
    """Tokens and cost by day and model, exact at the moment of asking."""
    return JSONResponse(memory_of(request).usage(since=since, until=until).document())


@router.get("/usage/hourly", responses={200: {"model": models.Hours}, **problems(422, 503)})
def metric_by_hour(
    request: Request,
    metric: Annotated[str, Query(description=", ".join(usage.METRICS), max_length=64)],
    since: datetime | None = None,
    until: datetime | None = None,
    operation: Text | None = None,
    model: Text | None = None,
) -> JSONResponse:
    """Show count, sum and percentiles of a metric hour by hour, as rolled up; the last day by default."""
    _check(metric=metric, operation=operation, model=model)
    found = memory_of(request).hourly(
        metric, since=since, until=until, operation=operation, model=model
    )
    return JSONResponse({"hours": [hour.document() for hour in found]})


@router.get("/usage/store", responses={200: {"model": models.StoreSnapshots}, **problems(422, 503)})
def store(
    request: Request, limit: Annotated[int, Query(ge=1, le=usage.SNAPSHOTS_MAX)] = 1
) -> JSONResponse:
    """Show how much is stored and how much waits, as noted every ten minutes, newest first."""
    return JSONResponse({"snapshots": memory_of(request).store_snapshots(limit=limit)})


def _check(**texts: str | None) -> None:
    for name, text in texts.items():
        if text is not None:
            check_text(text, name, TEXT_CHARACTERS_MAX)
