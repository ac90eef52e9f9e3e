"""One session: what was asked and answered in turn, with which tools, on which files, and where it failed.

Every list has a limit; a number beside it says how many there are. All rows are in the tables `session_state`,
`tool_usage` and `llm_usage`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, TypeVar, cast

from psycopg.rows import class_row

from cynic.db import sqlfile
from cynic.reads import judgments
from cynic.reads.place import BadQueryError
from cynic.reads.sessions import Line, line, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    import psycopg

TURNS_MAX: Final = 100
FILES_MAX: Final = 200
FAILURES_MAX: Final = 100
JUDGMENTS_MAX: Final = 20
TEXT_CHARACTERS_MAX: Final = 8_000
FAILURE_CHARACTERS_MAX: Final = 2_000
BUCKETS_MAX: Final = 72
TURN_NUMBER_MAX: Final = 2**31 - 1

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("session.sql")))
_WIDTHS_SECONDS: Final = (
    10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOfTurn:
    """One tool between a prompt and the next one, in the order of first use."""

    number: int
    tool: str
    calls: int
    failed: int
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A prompt and its answer, each up to `TEXT_CHARACTERS_MAX` characters, and the tools used for it."""

    number: int
    """Its place in the session, from 1."""
    at: datetime
    prompt: str | None
    prompt_characters: int | None
    answer: str | None
    answer_characters: int | None
    working_directory: str | None
    git_branch: str | None
    tools: tuple[ToolOfTurn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool over the session. Durations are of the calls that have one; None when none has."""

    tool: str
    calls: int
    failed: int
    denied: int
    p50_ms: int | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file that calls named: of them, those that read it, changed it, or failed."""

    path: str
    calls: int
    reads: int
    changes: int
    failed: int
    total: int
    """How many files there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A tool call that failed: what it was asked for and the beginning of what it answered."""

    at: datetime
    tool: str
    asked: str | None
    """The command, file, pattern or address; None when the call names none."""
    answer: str | None
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model over the session; numbers as in `Line`."""

    adapter: str
    model: str
    calls: int
    tokens_input: int
    tokens_output: int
    tokens_cache_read: int | None
    tokens_cache_write: int | None
    cost_usd: Decimal | None
    unpriced_calls: int
    p50_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """What happened from `begins_at` on, for `Session.bucket_seconds`."""

    begins_at: datetime
    prompts: int
    tool_calls: int
    failed_calls: int
    model_calls: int
    tokens_input: int
    tokens_output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session with everything that belongs to it."""

    line: Line
    turns: list[Turn]
    next_turn: int | None
    """The number that the next page of turns begins with; None on the last one."""
    tools: list[Tool]
    files: list[File]
    failures: list[Failure]
    models: list[Model]
    bucket_seconds: int | None
    """None when nothing happened that has a time."""
    buckets: list[Bucket]
    judgments: list[judgments.Line]
    """The newest `JUDGMENTS_MAX`; `line.judgment_count` says how many there are."""

    @property
    def files_total(self) -> int:
        """How many files there are, also beyond `FILES_MAX`."""
        return self.files[0].total if self.files else 0

    def document(self) -> dict[str, object]:
        """The session as JSON values; money as text, exact."""
        found = asdict(self)
        for name in ("line", "judgments"):
            del found[name]
        for file in found["files"]:
            del file["total"]
        for turn in found["turns"]:
            for tool in turn["tools"]:
                del tool["number"]
        return {
            **self.line.document(),
            **cast("dict[str, object]", plain(found)),
            "files_total": self.files_total,
            "judgments": [one.document() for one in self.judgments],
        }


def one(conn: psycopg.Connection, session_id: str, *, from_turn: int = 1) -> Session:
    """One session; its turns from the given one on, `TURNS_MAX` of them."""
    if not 1 <= from_turn <= TURN_NUMBER_MAX:
        raise BadQueryError(f"turns are counted from 1 to {TURN_NUMBER_MAX}")
    key = {"session_id": session_id}
    head = line(conn, session_id)
    turns = _turns(conn, {**key, "from_turn": from_turn, "clip": TEXT_CHARACTERS_MAX})
    width, buckets = _timeline(conn, key)
    failing = {**key, "clip": FAILURE_CHARACTERS_MAX, "limit": FAILURES_MAX}
    chosen = judgments.Filters(session_id=session_id)
    return Session(
        line=head,
        turns=turns[:TURNS_MAX],
        next_turn=turns[TURNS_MAX].number if len(turns) > TURNS_MAX else None,
        tools=_rows(conn, Tool, "tools", key),
        files=_rows(conn, File, "files", {**key, "limit": FILES_MAX}),
        failures=_rows(conn, Failure, "failures", failing),
        models=_rows(conn, Model, "models", key),
        bucket_seconds=width,
        buckets=buckets,
        judgments=judgments.page(conn, chosen, limit=JUDGMENTS_MAX).lines,
    )


def _turns(conn: psycopg.Connection, parameters: Mapping[str, object]) -> list[Turn]:
    """One more than a page holds, to know whether there is a next one."""
    asked = {**parameters, "limit": TURNS_MAX + 1}
    turns = _rows(conn, Turn, "turns", asked)
    used: dict[int, list[ToolOfTurn]] = {}
    for tool in _rows(conn, ToolOfTurn, "tools_of_turns", asked):
        used.setdefault(tool.number, []).append(tool)
    return [replace(turn, tools=tuple(used.get(turn.number, ()))) for turn in turns]


def _timeline(
    conn: psycopg.Connection, key: Mapping[str, object]
) -> tuple[int | None, list[Bucket]]:
    """Buckets of one width in seconds, at most about `BUCKETS_MAX` from the first row to the last."""
    begins, ends = conn.execute(_SQL["extent"], key).fetchone() or (None, None)
    if begins is None:
        return None, []
    width = bucket_width((ends - begins).total_seconds())
    asked = {**key, "width": timedelta(seconds=width)}
    return width, _rows(conn, Bucket, "buckets", asked)


def bucket_width(extent_seconds: float) -> int:
    """The least handy width that cuts the extent into at most `BUCKETS_MAX`; beyond days, whole days."""
    for width in _WIDTHS_SECONDS:
        if extent_seconds <= width * BUCKETS_MAX:
            return width
    day = _WIDTHS_SECONDS[-1]
    return day * -int(-extent_seconds // (day * BUCKETS_MAX))


def below(path: str, directory: str | None) -> str:
    """A path as seen from the directory, where it lies below it."""
    base = (directory or "").rstrip("/") + "/"
    return path.removeprefix(base) if base != "/" else path


def _rows(
    conn: psycopg.Connection, kind: type[T], name: str, parameters: Mapping[str, object]
) -> list[T]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(_SQL[name], parameters).fetchall()
