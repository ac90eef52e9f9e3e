"""A place in a list that is ordered by time, newest first: where one page ends and the next begins."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from cynic.base.errors import InvalidDataError

BEFORE_ALL: Final = (datetime(9999, 12, 31, tzinfo=UTC), UUID(int=(1 << 128) - 1))
"""Before the newest there can be: where the first page begins."""


class BadQueryError(InvalidDataError):
    """A filter or a cursor that cannot be read."""

    code = "bad-query"


def cursor_of(at: datetime, row_id: UUID) -> str:
    """The place behind a row, as text that a client hands back without reading it."""
    text = json.dumps([at.isoformat(), row_id.hex])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> tuple[datetime, UUID]:
    """The place that a cursor stands for; None is the beginning."""
    if cursor is None:
        return BEFORE_ALL
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, row_id = json.loads(base64.urlsafe_b64decode(padded))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None:
            raise ValueError(at)  # noqa: TRY301  # one way out for every fault
        return moment, UUID(row_id)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadQueryError("the cursor is damaged") from error
