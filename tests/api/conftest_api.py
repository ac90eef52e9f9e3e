"""What the tests of the service share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

JUDGMENTS = "/api/v1/judgments"
BATCH = f"{JUDGMENTS}:batch"


def body(**fields: Any) -> dict[str, Any]:
    """A judgment that three dogs approve."""
    votes = [
        {"dog": "Guardian", "score": 0.9},
        {"dog": "Sage", "score": 0.7},
        {"dog": "Scout", "score": 0.8},
    ]
    return {"item_type": "code", "item_content": "print('wuff')", "votes": votes} | fields


def line(lines: Iterator[str]) -> dict[str, Any]:
    """The next event of a stream."""
    for text in lines:
        if text.startswith("data: "):
            return json.loads(text.removeprefix("data: "))
    raise AssertionError("the stream ended")
