"""The shapes of the answers about sessions, as OpenAPI shows them. A number of which no row is kept is null."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # pydantic reads it
from typing import Annotated

from pydantic import BaseModel, Field

from cynic.api.models import JudgmentLine  # noqa: TC001  # pydantic reads it

Money = Annotated[str, Field(pattern=r"^\d+(\.\d+)?$", description="US dollars, exact, as text")]


class SessionLine(BaseModel):
    """One session as a list shows it. Cache tokens are parts of `tokens_input`."""

    session_id: str
    user: str | None
    agent: str | None
    agent_version: str | None
    working_directory: str | None
    git_branch: str | None
    begun_at: datetime
    last_active_at: datetime
    first_prompt: str | None
    prompts: int | None
    tool_calls: int | None
    failed_calls: int | None
    denied_calls: int | None
    model_calls: int | None
    tokens_input: int | None
    tokens_output: int | None
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    cost_usd: Annotated[Money | None, Field(description="of the calls whose price is known")]
    unpriced_calls: int | None
    judgment_count: int


class SessionPage(BaseModel):
    """Sessions, newest activity first; `cursor` leads to the next page."""

    sessions: list[SessionLine]
    cursor: str | None


class ToolOfTurnShown(BaseModel):
    """A tool used between a prompt and the next one."""

    tool: str
    calls: int
    failed: int
    duration_ms: int | None


class TurnShown(BaseModel):
    """A prompt and its answer; the texts are clipped, the numbers of characters are whole."""

    number: int
    at: datetime
    prompt: str | None
    prompt_characters: int | None
    answer: str | None
    answer_characters: int | None
    working_directory: str | None
    git_branch: str | None
    tools: list[ToolOfTurnShown]


class ToolShown(BaseModel):
    """A tool over the session; durations of the calls that have one."""

    tool: str
    calls: int
    failed: int
    denied: int
    p50_ms: int | None
    duration_ms: int | None


class FileShown(BaseModel):
    """A file that calls named; only a call that went well counts as a read or a change."""

    path: str
    calls: int
    reads: int
    changes: int
    failed: int


class FailureShown(BaseModel):
    """A tool call that failed."""

    at: datetime
    tool: str
    asked: str | None
    answer: str | None
    duration_ms: int | None


class ModelShown(BaseModel):
    """A model over the session."""

    adapter: str
    model: str
    calls: int
    tokens_input: int
    tokens_output: int
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    cost_usd: Money | None
    unpriced_calls: int
    p50_ms: int | None


class BucketShown(BaseModel):
    """What happened in one stretch of time; a stretch in which nothing did is left out."""

    begins_at: datetime
    prompts: int
    tool_calls: int
    failed_calls: int
    model_calls: int
    tokens_input: int
    tokens_output: int


class SessionShown(SessionLine):
    """One session with everything that belongs to it; `next_turn` leads to its next turns."""

    turns: list[TurnShown]
    next_turn: int | None
    tools: list[ToolShown]
    files: list[FileShown]
    files_total: int
    failures: list[FailureShown]
    models: list[ModelShown]
    bucket_seconds: int | None
    buckets: list[BucketShown]
    judgments: list[JudgmentLine]
