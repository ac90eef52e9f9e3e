"""Values of OpenTelemetry as JSON, without loss.

Strings, booleans, integers, lists and maps are what they are. What JSON lacks is an object with one key that begins
with `$`: `{"$bytes": base64}`, `{"$double": "NaN"}` for a double that a JSON number would not give back (NaN, the
infinities, -0.0, whole numbers of 1e16 and more), `{"$kvlist": [[key, value], …]}` for a map with a key twice or with a
key that begins with `$`. A value that is absent is null. Of attributes with a key twice the last one counts, as in the
SDKs; the earlier ones are returned beside.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

WHOLE_DOUBLE_MAX: Final = 1e16
"""From here on a double is written like an integer, and its kind would be lost."""

encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
"""Compact JSON; raises on what `plain` never returns."""


def plain(value: AnyValue) -> object:
    """One value as plain JSON data."""
    match value.WhichOneof("value"):
        case "string_value":
            found: object = value.string_value
        case "int_value":
            found = value.int_value
        case "bool_value":
            found = value.bool_value
        case "double_value":
            found = double(value.double_value)
        case "array_value":
            found = [plain(one) for one in value.array_value.values]
        case "kvlist_value":
            found = _map(value.kvlist_value.values)
        case "bytes_value":
            found = {"$bytes": b64encode(value.bytes_value).decode()}
        case _:
            found = None
    return found


def double(value: float) -> object:
    """A double as a JSON number where that gives the same double back."""
    if value == 0:
        return {"$double": "-0.0"} if math.copysign(1, value) < 0 else value
    if math.isfinite(value) and (abs(value) < WHOLE_DOUBLE_MAX or not value.is_integer()):
        return value
    return {"$double": repr(value)}


def read(pairs: Iterable[KeyValue]) -> tuple[dict[str, object], list[list[object]]]:
    """Attributes by key, and the pairs that a later one with the same key put aside."""
    found: dict[str, object] = {}
    earlier: list[list[object]] = []
    for pair in pairs:
        value = pair.value
        key = pair.key
        if key in found:
            earlier.append([key, found[key]])
        found[key] = (
            value.string_value if value.WhichOneof("value") == "string_value" else plain(value)
        )
    return found, earlier


def _map(pairs: Iterable[KeyValue]) -> object:
    found: dict[str, object] = {}
    listed: list[list[object]] = []
    is_plain = True
    for pair in pairs:
        key, value = pair.key, plain(pair.value)
        is_plain = is_plain and key not in found and not key.startswith("$")
        found[key] = value
        listed.append([key, value])
    return found if is_plain else {"$kvlist": listed}


def has_nul(value: object) -> bool:
    """Whether a NUL character is anywhere in plain JSON data: PostgreSQL cannot keep it."""
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(
            "\0" in key or has_nul(one) for key, one in cast("dict[str, object]", value).items()
        )
    if isinstance(value, list):
        return any(has_nul(one) for one in cast("list[object]", value))
    return False
