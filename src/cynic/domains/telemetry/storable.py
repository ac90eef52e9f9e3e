"""Making what an agent wrote storable: text that PostgreSQL can keep, and JSON of a bounded size.

NUL becomes U+2400 (its visible symbol) and half a surrogate pair U+FFFD, because neither can be stored. What is
longer than its bound is cut, and says how much was left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.base.json import JSON

MESSAGE_CHARACTERS_MAX: Final = 16_384
STRING_CHARACTERS_MAX: Final = 2_000
DOCUMENT_CHARACTERS_MAX: Final = 16_384
KEY_CHARACTERS_MAX: Final = 128
NAME_CHARACTERS_MAX: Final = 255
ITEMS_MAX: Final = 100
VALUES_MAX: Final = 1_000
DEPTH_MAX: Final = 8


def text(value: str, characters_max: int = MESSAGE_CHARACTERS_MAX) -> str:
    """The text without what cannot be stored, and cut if it is too long."""
    if len(value) <= characters_max and value.isascii() and "\0" not in value:
        return value
    if len(value) > characters_max:
        value = f"{value[:characters_max]}… ({len(value) - characters_max} more characters)"
    if "\0" in value:
        value = value.replace("\0", "\u2400")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def document(value: object) -> JSON:
    """A JSON value within bounds: long strings and lists cut, what is nested too deeply left out."""
    return _Document().value(value, 0)


class _Document:
    """Counts down what one document may hold."""

    def __init__(self) -> None:
        self._characters = DOCUMENT_CHARACTERS_MAX
        self._values = VALUES_MAX

    def value(self, value: object, depth: int) -> JSON:
        self._values -= 1
        if isinstance(value, str):
            limit = min(STRING_CHARACTERS_MAX, max(self._characters, 0))
            self._characters -= min(len(value), limit)
            return text(value, limit)
        if isinstance(value, dict):
            return self._mapping(cast("Mapping[str, object]", value), depth)
        if isinstance(value, list):
            return self._list(cast("Sequence[object]", value), depth)
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)  # JSON has no such number
        return cast("JSON", value)

    def _mapping(self, value: Mapping[str, object], depth: int) -> JSON:
        if depth >= DEPTH_MAX:
            return f"… ({len(value)} fields)"
        kept: dict[str, JSON] = {}
        for name, one in value.items():
            if len(kept) >= ITEMS_MAX or self._values <= 0 or self._characters <= 0:
                kept["…"] = f"{len(value) - len(kept)} more"
                break
            self._characters -= len(name)
            kept[text(name, KEY_CHARACTERS_MAX)] = self.value(one, depth + 1)
        return kept

    def _list(self, value: Sequence[object], depth: int) -> JSON:
        if depth >= DEPTH_MAX:
            return f"… ({len(value)} items)"
        kept: list[JSON] = []
        for one in value:
            if len(kept) >= ITEMS_MAX or self._values <= 0 or self._characters <= 0:
                kept.append(f"… {len(value) - len(kept)} more")
                break
            kept.append(self.value(one, depth + 1))
        return kept
