"""What the pages of sessions say and draw beyond what is stored: texts in brief, a timeline, shares of tokens. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cynic.reads.session import Session
    from cynic.reads.sessions import Line

BRIEF_CHARACTERS: Final = 320
BRIEF_LINES: Final = 4
TIMELINE_HEIGHT: Final = 64
FAILURES_OPEN: Final = 6
FILES_OPEN: Final = 12
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One stretch of the timeline: place and width in percent, heights in pixels, and what it says."""

    x: float
    width: float
    height: float
    failed: float
    prompt: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When how many calls were made; `what` says which calls."""

    what: str
    most: int
    bucket_seconds: int
    begins: str
    ends: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The tokens in, in percent: read from a cache, written to one, and the rest."""

    read: float
    written: float
    fresh: float


def brief(text: str, characters: int = BRIEF_CHARACTERS, lines: int = BRIEF_LINES) -> str:
    """The beginning of a text, up to a whole word where words are short; the text itself when that is all of it."""
    kept = "\n".join(text.split("\n")[:lines])
    if len(kept) > characters:
        kept = kept[:characters]
        words = kept.rpartition(" ")[0]
        kept = words if len(words) > characters * 0.8 else kept
    return text if len(kept) == len(text) else kept.rstrip()


def title(line: Line, characters: int = 140) -> str:
    """What a session is called: the first line of its first prompt, else its id."""
    said = (line.first_prompt or "").strip().split("\n")[0].rstrip()
    if not said:
        return line.session_id
    kept = brief(said, characters)
    return said if kept == said else f"{kept}…"


def shares(line: Line) -> Shares | None:
    """How much of the tokens in a cache had to do with; None when no call tells."""
    if not line.tokens_input or line.tokens_cache_read is None:
        return None
    read = min(100.0, line.tokens_cache_read / line.tokens_input * 100)
    written = min(100.0 - read, (line.tokens_cache_write or 0) / line.tokens_input * 100)
    return Shares(read=read, written=written, fresh=100 - read - written)


def timeline(found: Session) -> Timeline | None:
    """The session's buckets as bars; None when nothing in it has a time."""
    if found.bucket_seconds is None:
        return None
    width = timedelta(seconds=found.bucket_seconds)
    begin, end = found.buckets[0].begins_at, found.buckets[-1].begins_at + width
    extent = end - begin
    of_tools = any(bucket.tool_calls for bucket in found.buckets)
    counts = [b.tool_calls if of_tools else b.model_calls for b in found.buckets]
    most = max(counts)
    scale = TIMELINE_HEIGHT / max(most, 1)
    what = "tool call" if of_tools else "model call"
    bars = [
        Bar(
            x=(bucket.begins_at - begin) / extent * 100,
            width=width / extent * 100,
            height=count * scale,
            failed=bucket.failed_calls * scale,
            prompt=bucket.prompts > 0,
            words=f"{_clock(bucket.begins_at, extent)}: {count} {what}{'' if count == 1 else 's'}"
            + (f", {bucket.failed_calls} failed" if bucket.failed_calls else ""),
        )
        for bucket, count in zip(found.buckets, counts, strict=True)
    ]
    return Timeline(
        what=what,
        most=most,
        bucket_seconds=found.bucket_seconds,
        begins=_clock(begin, extent),
        ends=_clock(end, extent),
        bars=bars,
    )


def _clock(moment: datetime, extent: timedelta) -> str:
    return f"{moment:%H:%M:%S}" if extent < _DAY else f"{moment:%Y-%m-%d %H:%M}"
