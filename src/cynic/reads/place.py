"""A place in a list that is ordered by time or by cost, the largest first: where one page ends and the next begins."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
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
    return _written(at.isoformat(), row_id.hex)


def place_of(cursor: str | None) -> tuple[datetime, UUID]:
    """The place that a cursor stands for; None is the beginning."""
    if cursor is None:
        return BEFORE_ALL
    try:
        at, row_id = _read(cursor)
        return _moment(at), UUID(row_id)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadQueryError("the cursor is damaged") from error


ID_MAX: Final = 2**63 - 1
USD_MAX: Final = Decimal(10) ** 30
"""More than anything can cost: where a list by cost begins."""


def numbered_cursor(value: datetime | Decimal, row_id: int) -> str:
    """As `cursor_of`, for rows with a number as their id and a time or a sum of money as their order."""
    return _written(f"{value:f}" if isinstance(value, Decimal) else value.isoformat(), str(row_id))


def numbered_time(cursor: str | None) -> tuple[datetime, int]:
    """The time and the row's number that a cursor of a list by time stands for; None is the beginning."""
    if cursor is None:
        return BEFORE_ALL[0], ID_MAX
    try:
        at, row_id = _read(cursor)
        return _moment(at), _number(row_id)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BadQueryError("the cursor is damaged") from error


def numbered_cost(cursor: str | None) -> tuple[Decimal, int]:
    """The sum and the row's number that a cursor of a list by cost stands for; None is the beginning."""
    if cursor is None:
        return USD_MAX, ID_MAX
    try:
        usd, row_id = _read(cursor)
        found = Decimal(usd)
        if not 0 <= found <= USD_MAX:  # also what is no number at all
            raise ValueError(usd)  # noqa: TRY301  # one way out for every fault
        return found, _number(row_id)
    except (ValueError, TypeError, AttributeError, RecursionError, InvalidOperation) as error:
        raise BadQueryError("the cursor is damaged") from error


def _written(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[str, str]:
    padded = cursor + "=" * (-len(cursor) % 4)
    first, second = json.loads(base64.urlsafe_b64decode(padded))
    if not (isinstance(first, str) and isinstance(second, str)):
        raise TypeError(cursor)
    return first, second


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(ID_MAX)):
        raise ValueError(text)
    return min(int(text), ID_MAX)
