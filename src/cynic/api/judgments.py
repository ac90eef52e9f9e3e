"""Judgments over HTTP: record one or many, read them, say whether one was right."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # FastAPI reads it
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import APIRouter, Header, Query, Request  # FastAPI reads them
from fastapi.responses import JSONResponse

from cynic.api import models
from cynic.api.describe import json_body, problems
from cynic.api.state import in_thread, memory_of
from cynic.base.checks import NAME_CHARACTERS_MAX, InvalidFieldError, check_text
from cynic.base.errors import CynicError
from cynic.flows import submission
from cynic.flows.submission import TooLargeError
from cynic.reads import judgments

if TYPE_CHECKING:
    from cynic.memory import Memory

BATCH_ROWS_MAX = 10_000
Item = Annotated[str, Query(min_length=1, max_length=NAME_CHARACTERS_MAX)]

router = APIRouter(prefix="/api/v1", tags=["judgments"])


@router.post(
    "/judgments",
    status_code=201,
    responses={201: {"model": models.JudgmentAnswer}, **problems(400, 409, 413, 422, 503)},
    openapi_extra=json_body(models.JudgmentBody),
)
async def judge(
    request: Request, idempotency_key: Annotated[str | None, Header(max_length=255)] = None
) -> JSONResponse:
    """Record one judgment: 201 says that it is committed.

    The same `judgment_id` or `Idempotency-Key` with the same body again gets the first answer; with another
    body it is a conflict.
    """
    body = await request.body()
    return await in_thread(_judge, memory_of(request), body, idempotency_key, _caller(request))


@router.post(
    "/judgments:batch",
    responses={200: {"model": models.BatchAnswer}, **problems(400, 413, 422, 503)},
    openapi_extra=json_body(list[models.JudgmentBody], also="application/x-ndjson"),
)
async def judge_many(request: Request) -> JSONResponse:
    """Record up to 10 000 judgments, as an array or as lines of JSON; a bad one does not keep the others out."""
    body = await request.body()
    if "idempotency-key" in request.headers:
        raise InvalidFieldError(
            "Idempotency-Key", "stands for one judgment; in a batch, give each its judgment_id"
        )
    lines = "ndjson" in request.headers.get("content-type", "")
    return await in_thread(_judge_many, memory_of(request), body, lines)


@router.get("/judgments", responses={200: {"model": models.JudgmentPage}, **problems(422, 503)})
def list_judgments(  # noqa: PLR0913, PLR0917  # one argument for each filter
    request: Request,
    user: Item | None = None,
    session_id: Item | None = None,
    verdict: models.Verdict | None = None,
    item_type: Item | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    min_q_score: Annotated[float | None, Query(ge=0, le=100)] = None,
    limit: Annotated[int, Query(ge=1, le=judgments.PAGE_ROWS_MAX)] = judgments.PAGE_ROWS_DEFAULT,
    cursor: str | None = None,
) -> JSONResponse:
    """List judgments, newest first, in pages; conditions hold together. `since` is included, `until` is not."""
    filters = judgments.Filters(
        user=user,
        session_id=session_id,
        verdict=verdict,
        item_type=item_type,
        since=since,
        until=until,
        min_q_score=None if min_q_score is None else Decimal(repr(min_q_score)),
    )
    with memory_of(request).connection() as conn:
        page = judgments.page(conn, filters, limit=limit, cursor=cursor)
    return JSONResponse(
        {"judgments": [line.document() for line in page.lines], "cursor": page.cursor}
    )


@router.get(
    "/judgments/{judgment_id}",
    responses={200: {"model": models.JudgmentShown}, **problems(404, 422, 503)},
)
def one_judgment(request: Request, judgment_id: str) -> JSONResponse:
    """Show one judgment with its votes, consensus, dimensions and feedback."""
    return JSONResponse(memory_of(request).judgment(_id(judgment_id)))


@router.post(
    "/judgments/{judgment_id}/feedback",
    status_code=201,
    responses={201: {"model": models.FeedbackAnswer}, **problems(400, 404, 413, 422, 503)},
    openapi_extra=json_body(models.FeedbackBody),
)
async def feedback(request: Request, judgment_id: str) -> JSONResponse:
    """Say whether a judgment was right. The same outcome again is the first answer; another one supersedes it."""
    body = await request.body()
    return await in_thread(_feedback, memory_of(request), _id(judgment_id), body)


def _judge(memory: Memory, body: bytes, key: str | None, caller: str) -> JSONResponse:
    given = submission.read_judgment(submission.loads(body), memory.added_dimensions)
    if key is not None and given.judgment_id is not None:
        raise InvalidFieldError(
            "Idempotency-Key", "stands for the judgment_id; give one of the two, not both"
        )
    return JSONResponse(memory.record(given, key=key, caller=caller).document(), 201)


def _judge_many(memory: Memory, body: bytes, lines: bool) -> JSONResponse:  # noqa: FBT001
    read = list(_read_lines(memory, body) if lines else _read_array(memory, body))
    if len(read) > BATCH_ROWS_MAX:
        raise TooLargeError(f"{len(read)} judgments; at most {BATCH_ROWS_MAX} are taken at once")
    stored: list[dict[str, object]] = []
    rejected: list[dict[str, object]] = []
    new = 0
    for index, result in enumerate(memory.record_many(read)):
        if isinstance(result, CynicError):
            rejected.append({"index": index, "code": result.code, "detail": result.message})
            continue
        new += result.new
        stored.append(
            {
                "index": index,
                "judgment_id": result.judgment_id,
                "q_score": float(result.q_score),
                "verdict": result.verdict,
            }
        )
    return JSONResponse({"stored": new, "judgments": stored, "rejected": rejected})


def _read_array(memory: Memory, body: bytes) -> list[submission.Submission | CynicError]:
    document = submission.loads(body)
    if not isinstance(document, list):
        raise submission.MalformedJsonError(
            "a batch is an array of judgments",
            hint="send lines of JSON as application/x-ndjson",
        )
    return [_read(memory, one) for one in cast("list[object]", document)]


def _read_lines(memory: Memory, body: bytes) -> list[submission.Submission | CynicError]:
    found: list[submission.Submission | CynicError] = []
    for line in body.splitlines():
        if not line.strip():
            continue
        try:
            found.append(_read(memory, submission.loads(line)))
        except submission.MalformedJsonError as error:
            found.append(error)
    return found


def _read(memory: Memory, document: object) -> submission.Submission | CynicError:
    try:
        return submission.read_judgment(document, memory.added_dimensions)
    except InvalidFieldError as error:
        return error


def _feedback(memory: Memory, judgment_id: str, body: bytes) -> JSONResponse:
    given = submission.read_feedback(submission.loads(body))
    return JSONResponse(memory.answer(judgment_id, given).document(), 201)


def _id(judgment_id: str) -> str:
    """The id from the path, if it can be one."""
    check_text(judgment_id, "judgment_id", NAME_CHARACTERS_MAX)
    return judgment_id


def _caller(request: Request) -> str:
    """Whose idempotency keys these are: each API key has its own."""
    return getattr(request.state, "caller", "")
