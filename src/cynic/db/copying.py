"""Writing many rows at once: COPY, the way PostgreSQL takes them fastest.

`copy_rows` sends text, `copy` the binary format: nothing is escaped here and nothing is parsed there. Its layout
is that of the PostgreSQL documentation, "COPY", Binary Format; the forms of the types are those of their receive functions.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, LiteralString

from psycopg.types.numeric import DecimalBinaryDumper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import psycopg

Kind = Literal["text", "json", "int2", "int4", "int8", "bool", "time", "numeric", "bytes"]
"""`time` takes microseconds since 1970, `json` its text."""

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_EPOCH_US: Final = 946_684_800_000_000
"""From 1970 to 2000, where PostgreSQL begins to count."""
_LENGTH: Final = struct.Struct(">i").pack
_INT2: Final = struct.Struct(">ih").pack
_INT4: Final = struct.Struct(">ii").pack
_INT8: Final = struct.Struct(">iq").pack
_numeric: Final = DecimalBinaryDumper(Decimal)


def _text(value: str) -> bytes:
    data = value.encode()
    return _LENGTH(len(data)) + data


def _json(value: str) -> bytes:
    data = value.encode()
    return _LENGTH(len(data) + 1) + b"\x01" + data


def _decimal(value: Decimal) -> bytes:
    data = bytes(_numeric.dump(value) or b"")
    return _LENGTH(len(data)) + data


def _int2(value: int) -> bytes:
    return _INT2(2, value)


def _int4(value: int) -> bytes:
    return _INT4(4, value)


def _int8(value: int) -> bytes:
    return _INT8(8, value)


def _bool(value: bool) -> bytes:  # noqa: FBT001 - one value of a row
    return b"\0\0\0\x01\x01" if value else b"\0\0\0\x01\0"


def _time(value: int) -> bytes:
    return _INT8(8, value - _EPOCH_US)


def _bytes(value: bytes) -> bytes:
    return _LENGTH(len(value)) + value


_ENCODERS: Final[dict[Kind, Callable[..., bytes]]] = {
    "text": _text,
    "json": _json,
    "int2": _int2,
    "int4": _int4,
    "int8": _int8,
    "bool": _bool,
    "time": _time,
    "numeric": _decimal,
    "bytes": _bytes,
}


def encoded(kinds: Sequence[Kind], rows: Iterable[Sequence[object]]) -> bytes:
    """Everything that COPY … FROM STDIN (FORMAT binary) reads, for rows of these kinds; None is NULL."""
    return b"".join((_HEADER, *begun(kinds, rows, columns=len(kinds)), _END))


def begun(
    kinds: Sequence[Kind], rows: Iterable[Sequence[object]], *, columns: int
) -> Iterator[bytes]:
    """Each row of so many columns up to the last of `kinds`."""
    encoders = [_ENCODERS[kind] for kind in kinds]
    begin = struct.pack(">h", columns)
    for row in rows:
        yield begin + b"".join(
            [
                _NULL if value is None else encoder(value)
                for encoder, value in zip(encoders, row, strict=True)
            ]
        )


def ended(begun_rows: Iterable[bytes], kind: Kind, values: Iterable[object]) -> bytes:
    """As `encoded`, from rows that lack their last column, and its values."""
    encoder = _ENCODERS[kind]
    pairs = zip(begun_rows, values, strict=True)
    lines = [row + (_NULL if value is None else encoder(value)) for row, value in pairs]
    return b"".join((_HEADER, *lines, _END))


def copy(
    conn: psycopg.Connection,
    statement: LiteralString,
    kinds: Sequence[Kind],
    rows: Iterable[Sequence[object]],
    meanwhile: Callable[[], object] = tuple,
) -> None:
    """Copy rows into the table and columns that the statement names; do something while the server takes them in."""
    with conn.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(encoded(kinds, rows))
        meanwhile()


def copy_encoded(conn: psycopg.Connection, statement: LiteralString, data: bytes) -> None:
    """Copy what `encoded` or `ended` made."""
    with conn.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(data)


def copy_rows(
    conn: psycopg.Connection, statement: LiteralString, rows: Iterable[Sequence[object]]
) -> None:
    """Send rows to a `COPY … FROM STDIN` as text, in their order: serial ids grow with them."""
    with conn.cursor() as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)
