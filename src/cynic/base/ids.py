"""New identifiers: version 7 UUIDs (RFC 9562, section 5.7), which sort by the time they were made."""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION = 7 << 76
_VARIANT = 2 << 62
_RANDOM_A = (1 << 12) - 1
_RANDOM_B = (1 << 62) - 1


def new_uuid() -> UUID:
    """A UUID of 48 bits of time in milliseconds and 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = (random >> 62 & _RANDOM_A) << 64
    return UUID(int=milliseconds << 80 | _VERSION | high | _VARIANT | random & _RANDOM_B)
