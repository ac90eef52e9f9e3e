"""The budget over HTTP: what it is, reservations, settlements, costs, alerts. All money is text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

from fastapi import APIRouter, Header, Path, Query, Request  # FastAPI reads them
from fastapi.responses import JSONResponse

from cynic.api import budget_models as models
from cynic.api.describe import json_body, problems
from cynic.api.state import in_thread, memory_of
from cynic.base import clock
from cynic.flows import budget_care, spending
from cynic.reads import budget

if TYPE_CHECKING:
    from uuid import UUID

    from cynic.memory import Memory

ID_MAX = 2**63 - 1
Key = Annotated[str | None, Header(min_length=1, max_length=255)]
Rows = Annotated[int, Query(ge=1, le=budget.LIST_ROWS_MAX)]

router = APIRouter(prefix="/api/v1", tags=["budget"])


@router.get("/budget", responses={200: {"model": models.BudgetShown}, **problems(503)})
def show(request: Request) -> JSONResponse:
    """Show the budget: limit, consumed, held, level, breaker, burn rate, runway, and where the money went."""
    return JSONResponse(memory_of(request).budget())


@router.put(
    "/budget",
    responses={200: {"model": models.BudgetState}, **problems(400, 409, 413, 422, 503)},
    openapi_extra=json_body(models.LimitBody),
)
async def set_limit(request: Request) -> JSONResponse:
    """Set the limit; needs a key of scope admin. With `expected_usd` it is a conflict when somebody else was quicker."""
    return await in_thread(_set_limit, memory_of(request), await request.body(), _caller(request))


@router.post(
    "/budget/reset",
    responses={200: {"model": models.BudgetState}, **problems(400, 413, 422, 503)},
    openapi_extra=json_body(models.ResetBody),
)
async def reset(request: Request) -> JSONResponse:
    """Begin a new period; needs a key of scope admin. The ledger and what the former period was stay."""
    return await in_thread(_reset, memory_of(request), await request.body(), _caller(request))


@router.post(
    "/budget/reservations",
    status_code=201,
    responses={201: {"model": models.ReservationAnswer}, **problems(400, 409, 413, 422, 503)},
    openapi_extra=json_body(models.ReservationBody),
)
async def reserve(request: Request, idempotency_key: Key = None) -> JSONResponse:
    """Ask to spend: allow, degrade (call the model that is named instead) or refuse. The hold ends by itself.

    The same `Idempotency-Key` with the same body again gets the first answer while the hold lasts, and a refusal once
    it has ended; with another body it is a conflict.
    """
    body = await request.body()
    return await in_thread(_reserve, memory_of(request), body, idempotency_key, _caller(request))


@router.post(
    "/budget/reservations/{reservation_id}/settle",
    status_code=201,
    responses={201: {"model": models.EntryAnswer}, **problems(400, 404, 413, 422, 503)},
    openapi_extra=json_body(models.SettleBody),
)
async def settle(request: Request, reservation_id: str) -> JSONResponse:
    """Book what the call cost and give back the rest of the hold; again, it is the first answer."""
    body = await request.body()
    return await in_thread(
        _settle, memory_of(request), spending.reservation_id(reservation_id), body
    )


@router.post(
    "/budget/reservations/{reservation_id}/release",
    status_code=201,
    responses={201: {"model": models.ReservationAnswer}, **problems(404, 409, 503)},
)
async def release(request: Request, reservation_id: str) -> JSONResponse:
    """Give the hold back: nothing was spent."""
    return await in_thread(_release, memory_of(request), spending.reservation_id(reservation_id))


@router.post(
    "/costs",
    status_code=201,
    responses={201: {"model": models.EntryAnswer}, **problems(400, 409, 413, 422, 503)},
    openapi_extra=json_body(models.CostBody),
)
async def charge(request: Request, idempotency_key: Key = None) -> JSONResponse:
    """Book a call that was not reserved; one that is booked already is linked to its row, not booked again.

    The same `Idempotency-Key` with the same body again gets the first answer; with another body it is a conflict.
    """
    body = await request.body()
    return await in_thread(_charge, memory_of(request), body, idempotency_key, _caller(request))


@router.get(
    "/budget/unpriced", responses={200: {"model": models.UnpricedList}, **problems(422, 503)}
)
def unpriced(request: Request, limit: Rows = budget.LIST_ROWS_MAX) -> JSONResponse:
    """List calls without a price, by model and reason."""
    with memory_of(request).connection() as conn:
        return JSONResponse({"unpriced": budget.unpriced(conn, limit=limit)})


@router.get("/budget/alerts", responses={200: {"model": models.AlertList}, **problems(422, 503)})
def alerts(request: Request, limit: Rows = budget.LIST_ROWS_MAX) -> JSONResponse:
    """List alerts, those that nobody has seen first."""
    with memory_of(request).connection() as conn:
        return JSONResponse({"alerts": budget.alerts(conn, limit=limit)})


@router.post(
    "/budget/alerts/{alert_id}/acknowledge",
    responses={200: {"model": models.AlertList}, **problems(404, 422, 503)},
)
def acknowledge(request: Request, alert_id: Annotated[int, Path(ge=1, le=ID_MAX)]) -> JSONResponse:
    """Say that a person has seen an alert; alerts that nobody has seen are kept for ever."""
    with memory_of(request).connection() as conn:
        budget_care.acknowledge(conn, alert_id, _caller(request) or None, clock.now())
        return JSONResponse({"alerts": budget.alerts(conn)})


@router.get("/budget/changes", responses={200: {"model": models.ChangeList}, **problems(422, 503)})
def changes(request: Request, limit: Rows = budget.LIST_ROWS_MAX) -> JSONResponse:
    """List changes of the limit and resets, the newest first."""
    with memory_of(request).connection() as conn:
        return JSONResponse({"changes": budget.changes(conn, limit=limit)})


def _set_limit(memory: Memory, body: bytes, caller: str) -> JSONResponse:
    fields = spending.known_fields(
        spending.loads(body), frozenset({"limit_usd", "expected_usd", "next_reset"})
    )
    state = memory.set_budget(
        fields.get("limit_usd"),
        expected_usd=fields.get("expected_usd"),
        by=caller or None,
        next_reset=spending.moment(fields.get("next_reset"), "next_reset"),
    )
    return JSONResponse(state)


def _reset(memory: Memory, body: bytes, caller: str) -> JSONResponse:
    document = spending.loads(body or b"{}")
    fields = spending.known_fields(document, frozenset({"limit_usd", "next_reset"}))
    state = memory.reset_budget(
        fields.get("limit_usd"),
        by=caller or None,
        next_reset=spending.moment(fields.get("next_reset"), "next_reset"),
    )
    return JSONResponse(state)


def _reserve(memory: Memory, body: bytes, key: str | None, caller: str) -> JSONResponse:
    ask = spending.read_ask(spending.loads(body))
    return JSONResponse(memory.desk.reserve(ask, key=key, caller=caller).document(), 201)


def _settle(memory: Memory, reservation_id: UUID, body: bytes) -> JSONResponse:
    report = spending.read_settlement(spending.loads(body))
    return JSONResponse(memory.desk.settle(reservation_id, report).document(), 201)


def _release(memory: Memory, reservation_id: UUID) -> JSONResponse:
    return JSONResponse(memory.desk.release(reservation_id).document(), 201)


def _charge(memory: Memory, body: bytes, key: str | None, caller: str) -> JSONResponse:
    report = spending.read_cost(spending.loads(body))
    return JSONResponse(memory.desk.charge(report, key=key, caller=caller).document(), 201)


def _caller(request: Request) -> str:
    return cast("str", getattr(request.state, "caller", ""))
