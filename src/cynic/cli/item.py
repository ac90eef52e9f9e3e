"""What is judged, as it comes from a file or standard input: text, and honest about it when it is not."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cynic.base.errors import InvalidDataError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

CHARACTERS_MAX: Final = 1_048_576
"""As `cynic.flows.submission` has it; a test holds them together."""
BYTES_MAX: Final = 4 * CHARACTERS_MAX
"""No character takes more bytes than four."""
FALLBACK_ENCODING: Final = "cp1252"
"""Windows' Western European, which is Latin-1 with letters in the place of most control codes."""
_NO_TEXT: Final = re.compile(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


class NotTextError(InvalidDataError):
    """The file holds bytes that are no text."""

    code = "not-text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One text to judge."""

    shown: str
    """How the item is called when one talks about it."""
    file_name: str
    """The file's own name; empty for standard input."""
    content: str
    note: str | None
    """What a person should know about how it was read."""


def read_item(file: Path) -> Item:
    """Read one file; `-` is standard input."""
    piped = str(file) == "-"
    shown = "standard input" if piped else str(file)
    data = _bytes(file, BYTES_MAX + 1, piped=piped)
    content, note = _decoded(data, shown) if len(data) <= BYTES_MAX else ("", None)
    if not 0 < len(content) <= CHARACTERS_MAX:
        _refuse(shown, data, content)
    return Item(shown=shown, file_name="" if piped else file.name, content=content, note=note)


def _refuse(shown: str, data: bytes, content: str) -> None:
    """Say what is wrong with a text of this length. Imported here, so that the pack starts before it is needed."""
    from cynic.flows.submission import TooLargeError, check_text

    if len(data) > BYTES_MAX:
        raise TooLargeError(
            f"{shown} is over {BYTES_MAX} bytes; at most {CHARACTERS_MAX} characters are judged"
        )
    check_text(content, "item_content", CHARACTERS_MAX)


def _bytes(file: Path, limit: int, *, piped: bool) -> bytes:
    if not piped and file.is_dir():
        raise UsageError(f"{file} is a folder; give a file")
    try:
        if piped:
            return sys.stdin.buffer.read(limit)
        with file.open("rb") as opened:
            return opened.read(limit)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _decoded(data: bytes, shown: str) -> tuple[str, str | None]:
    """The text, and in which encoding it was read if that is not UTF-8."""
    if data.startswith(_UTF16):
        raise NotTextError(f"{shown} is UTF-16; save it as UTF-8")
    if (zero := data.find(b"\0")) >= 0:
        raise NotTextError(f"{shown} is binary: byte {zero} is zero")
    try:
        return data.decode(), None
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is {error.reason}"
    try:
        content = data.decode(FALLBACK_ENCODING)
    except UnicodeDecodeError:
        content = ""
    if not content or _NO_TEXT.search(content):
        raise NotTextError(f"{shown} is no text in UTF-8 ({where}), nor in {FALLBACK_ENCODING}")
    return content, f"{shown} is not UTF-8 ({where}); it was read as {FALLBACK_ENCODING}"
