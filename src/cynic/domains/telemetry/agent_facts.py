"""What is known of a coding agent's work, collected to be stored at once: sessions, turns, calls of tools and models.

Every fact has a natural key, and two facts with one key become one: of a session its bounds grow, of a turn and of
a model call the last word counts, a tool call is completed by its result. So the same record read twice, from a
transcript, a copy of it or a hook, changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError
from cynic.domains.telemetry.storable import NAME_CHARACTERS_MAX, text

if TYPE_CHECKING:
    from cynic.base.json import JSON

SESSION_CHARACTERS_MAX: Final = 64
INTEGER_MAX: Final = 2_147_483_647
YEARS: Final = range(2000, 2100)
HOOK: Final = "hook:"
"""How the entry id of a turn begins that only a hook told of; the transcript's own id replaces it."""


class RefusedRecordError(InvalidDataError):
    """A record of an agent's work contradicts itself or lacks what it cannot do without; it is left out whole."""

    code = "refused-record"


@dataclass(slots=True)
class Session:
    """How far a session is known to reach, and what is said of it."""

    first: datetime
    last: datetime
    context: dict[str, str] = field(default_factory=dict[str, str])
    where: object = None
    """The last folder, branch and version as they came, to see at a glance that nothing changed."""


@dataclass(slots=True)
class Turn:
    """A prompt and the answer to it; `ended` once the agent said that it was done."""

    entry_id: str
    session_id: str
    prompt: str
    at: datetime
    cwd: str | None = None
    branch: str | None = None
    prompt_id: str | None = None
    """The agent's id of the prompt, under which a hook may have told of it."""
    answer: str | None = None
    response_id: str | None = None
    """The response that the answer is of."""
    ended: bool = False


@dataclass(slots=True)
class Answer:
    """The end of a turn whose prompt was read earlier."""

    session_id: str
    at: datetime
    text: str | None
    ended: bool


@dataclass(slots=True)
class ToolResult:
    """How a tool call ended. Its duration was told, or the times of both ends tell it, or it is not known."""

    call_id: str
    status: str
    ended_at: datetime | None
    result: JSON
    duration_ms: int | None = None


@dataclass(slots=True)
class ToolCall:
    """A tool call, with its result once that is known."""

    call_id: str
    session_id: str
    tool_name: str
    parameters: JSON
    used_at: datetime
    ended: ToolResult | None = None


@dataclass(slots=True)
class ModelCall:
    """A response of a model. `at` is when its last record was written; tokens in include those of the cache."""

    response_id: str
    session_id: str
    model: str
    tokens_input: int
    tokens_output: int
    cache_read: int | None
    cache_write: int | None
    latency_ms: int | None
    at: datetime


@dataclass(slots=True)
class Facts:
    """Facts by their keys, in the order in which they came."""

    sessions: dict[str, Session] = field(default_factory=dict[str, Session])
    turns: dict[str, Turn] = field(default_factory=dict[str, Turn])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    """By session: only the last one of a turn counts, and only the last turn can be open."""
    calls: dict[str, ToolCall] = field(default_factory=dict[str, ToolCall])
    results: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    """Of calls that were read earlier."""
    models: dict[str, ModelCall] = field(default_factory=dict[str, ModelCall])

    def touch(self, session_id: str, at: datetime) -> Session:
        """A sign of life of a session."""
        session = self.sessions.get(session_id)
        if session is None:
            session = self.sessions[session_id] = Session(at, at)
        elif at > session.last:
            session.last = at
        elif at < session.first:
            session.first = at
        return session

    def add_call(self, call: ToolCall) -> None:
        """A call that began; the first record of it counts."""
        self.calls.setdefault(call.call_id, call)

    def add_result(self, result: ToolResult) -> None:
        """The end of a call, whether that was read just now or long ago; the first record of it counts."""
        call = self.calls.get(result.call_id)
        if call is None:
            self.results.setdefault(result.call_id, result)
        elif call.ended is None:
            call.ended = result

    def add_model(self, call: ModelCall) -> None:
        """One record of a response; the last of them counts."""
        former = self.models.get(call.response_id)
        if former is None:
            self.models[call.response_id] = call
        elif call.at >= former.at:
            call.session_id = former.session_id
            self.models[call.response_id] = call


def moment(value: object) -> datetime:
    """A time of ISO 8601; without an offset it is UTC."""
    if not isinstance(value, str):
        raise RefusedRecordError("has no timestamp")
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise RefusedRecordError("its timestamp is no time") from error
    if found.year not in YEARS:
        raise RefusedRecordError(f"its timestamp lies in the year {found.year}")
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def identifier(value: object, characters_max: int = NAME_CHARACTERS_MAX) -> str | None:
    """An id that can be stored as it is, or None: one that was cut would be another one."""
    if not isinstance(value, str) or not 0 < len(value) <= characters_max:
        return None
    storable = (value.isascii() and "\0" not in value) or text(value, characters_max) == value
    return value if storable else None


def count(value: object, what: str) -> int | None:
    """A number of tokens or milliseconds; None where it was not told."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= INTEGER_MAX:
        raise RefusedRecordError(f"its {what} is no count: {str(value)[:40]}")
    return value
