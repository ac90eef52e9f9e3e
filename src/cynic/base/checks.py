"""Checks of what callers give: text that can be kept, and identifiers that can stand anywhere."""

from __future__ import annotations

import re
from typing import Final

from cynic.base.errors import InvalidDataError

NAME_CHARACTERS_MAX: Final = 64
_IDENTIFIER: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{NAME_CHARACTERS_MAX - 1}}}")


class InvalidFieldError(InvalidDataError):
    """A field of what was submitted breaks a rule; `field` says which."""

    code = "invalid-field"

    def __init__(self, field: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"{field}: {message}", hint=hint, details={"field": field})


def check_text(value: object, where: str, characters_max: int) -> None:
    """Refuse what is no text, empty, too long, or cannot be kept (NUL, half a surrogate pair)."""
    if not isinstance(value, str):
        raise InvalidFieldError(where, f"must be text, not {type(value).__name__}")
    if not value:
        raise InvalidFieldError(where, "is empty")
    if len(value) > characters_max:
        raise InvalidFieldError(
            where, f"has {len(value)} characters; at most {characters_max} are taken"
        )
    if "\0" in value:
        raise InvalidFieldError(where, "holds a NUL character, which cannot be kept")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidFieldError(
            where, f"holds half a surrogate pair at character {error.start}, which is no text"
        ) from error


def check_identifier(value: str, where: str) -> None:
    """Refuse what could not stand in a path, a header or on a line of its own."""
    if not _IDENTIFIER.fullmatch(value):
        raise InvalidFieldError(
            where,
            f"must be 1 to {NAME_CHARACTERS_MAX} letters, digits and . _ : - that begin with a letter or digit",
        )
