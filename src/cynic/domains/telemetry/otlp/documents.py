"""Arguments and results of tools as JSON that PostgreSQL takes: whole when short, cut when long (the span has them whole).

They come as structured values, as JSON in a string, or as bare text; the first two read equal.
"""

from __future__ import annotations

import json
import re
from typing import Final, NoReturn

from cynic.domains.telemetry import storable
from cynic.domains.telemetry.otlp.attributes import encode

_SUSPICIOUS: Final = re.compile(r"\\u[0d]|[eE][+-]?\d{3}|\d{300}", re.IGNORECASE)
"""Escapes of NUL and of half a surrogate pair, and numbers beyond those of PostgreSQL."""


def json_text(value: object) -> str | None:
    """JSON text of a document, or None for none."""
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) > storable.DOCUMENT_CHARACTERS_MAX:
            return encode(storable.text(value, storable.STRING_CHARACTERS_MAX))
        return value if _is_json(value) else encode(value)
    text = encode(value)
    if len(text) > storable.DOCUMENT_CHARACTERS_MAX:
        return encode(storable.document(value))
    return text


def _is_json(text: str) -> bool:
    """Whether the text is a JSON object or list that PostgreSQL reads as well."""
    if not text.startswith(("{", "[")) or _SUSPICIOUS.search(text):
        return False
    try:
        json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
