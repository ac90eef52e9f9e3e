"""The time of day, asked once at the edge and passed on as a value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], datetime]


def now() -> datetime:
    """The present moment in UTC, to the microsecond."""
    return datetime.now(UTC)
