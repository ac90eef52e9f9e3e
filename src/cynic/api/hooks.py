"""What running agents tell while they work: the other end of the hooks that `cynic hooks` installs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request  # FastAPI reads them
from fastapi.responses import JSONResponse

from cynic.api import models
from cynic.api.describe import json_body, problems
from cynic.api.state import in_thread, memory_of
from cynic.base import clock
from cynic.flows import agent_hooks, submission

if TYPE_CHECKING:
    from cynic.memory import Memory

router = APIRouter(prefix="/api/v1", tags=["agents"])


@router.post(
    "/hooks/claude-code",
    responses={200: {"model": models.HookAnswer}, **problems(400, 413, 422, 503)},
    openapi_extra=json_body(models.ClaudeCodeEvent),
)
async def claude_code(
    request: Request, x_cynic_sent_at: Annotated[str | None, Header(max_length=32)] = None
) -> JSONResponse:
    """Take one event of a running Claude Code: 200 says that it is committed. The same event again changes nothing.

    `X-Cynic-Sent-At` is when the hook ran, in milliseconds since 1970; without it the event happened now.
    """
    body = await request.body()
    return await in_thread(_take, memory_of(request), body, x_cynic_sent_at)


def _take(memory: Memory, body: bytes, sent_at: str | None) -> JSONResponse:
    event = submission.loads(body)
    at = agent_hooks.sent_at(sent_at, clock.now())
    with memory.writing() as conn:
        return JSONResponse({"stored": agent_hooks.take_claude_code(conn, event, at)})
