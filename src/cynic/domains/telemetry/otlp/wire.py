"""Taking a protobuf export request apart by hand, when the library refuses it for one bad item.

The library reads a request whole or not at all; one string that is not UTF-8 would cost all the others. Requests for
traces and for logs are nested alike: 1 = per resource, in it 1 = the resource and 2 = per scope, in that 1 = the scope
and 2 = the items (opentelemetry-proto, collector/*/v1 and trace, logs/v1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT_BYTES_MAX: Final = 10
SHARED, PER_SCOPE, ITEM = 1, 2, 2
MORE, BITS = 0x80, 0x7F
VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5


class BrokenError(Exception):
    """The bytes are not protobuf."""


def fields(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each field of a message: its number, where it begins, and its content (empty unless length-delimited)."""
    place = 0
    while place < len(data):
        begins = place
        tag, place = _varint(data, place)
        kind = tag & 7
        content = b""
        if kind == DELIMITED:
            size, place = _varint(data, place)
            content = data[place : place + size]
            if len(content) != size:
                raise BrokenError("the bytes end inside a field")
            place += size
        elif kind == VARINT:
            _, place = _varint(data, place)
        elif kind in {FIXED64, FIXED32}:
            place += 8 if kind == FIXED64 else 4
            if place > len(data):
                raise BrokenError("the bytes end inside a field")
        else:
            raise BrokenError(f"no field is of wire type {kind}")
        yield tag >> 3, begins, content


def items(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Each item of an export request with its resource and its scope, all still as bytes."""
    for number, _, of_resource in fields(data):
        if number != 1:
            continue
        parts = [(inner, content) for inner, _, content in fields(of_resource)]
        resource = next((content for inner, content in parts if inner == SHARED), b"")
        for inner, of_scope in parts:
            if inner != PER_SCOPE:
                continue
            inside = [(deep, content) for deep, _, content in fields(of_scope)]
            scope = next((content for deep, content in inside if deep == SHARED), b"")
            for deep, item in inside:
                if deep == ITEM:
                    yield resource, scope, item


def request(resource: bytes, scope: bytes, item: bytes) -> bytes:
    """An export request that holds this one item."""
    return field(1, field(1, resource) + field(2, field(1, scope) + field(2, item)))


def field(number: int, content: bytes) -> bytes:
    """One length-delimited field; its number is below 16."""
    return bytes([number << 3 | DELIMITED]) + _counted(len(content)) + content


def number(field_number: int, value: int) -> bytes:
    """One field with a number that is not negative."""
    return bytes([field_number << 3 | VARINT]) + _counted(value)


def _counted(value: int) -> bytes:
    written = bytearray()
    while value > BITS:
        written.append(value & BITS | MORE)
        value >>= 7
    written.append(value)
    return bytes(written)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for step in range(VARINT_BYTES_MAX):
        if place >= len(data):
            raise BrokenError("the bytes end inside a number")
        byte = data[place]
        place += 1
        value |= (byte & BITS) << (7 * step)
        if byte < MORE:
            return value, place
    raise BrokenError("a number has no end")
