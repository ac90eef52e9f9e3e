"""API keys: how one is made, what is kept of it, what its scope covers, and the keys of the environment.

A key is a bearer secret of 256 random bits. Nothing but its SHA-256 digest is kept: with that much randomness a
slow or salted hash would add nothing, and a plain one can be looked up by index.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, cast

from cynic.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX: Final = "cynic_"
RANDOM_BYTES: Final = 32
KEY_BYTES_MAX: Final = 256

Scope = Literal["read", "write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "write", "admin")
"""Each covers those before it."""

# What all three headers can carry unchanged, without the two characters that the setting is cut at.
_GIVEN_KEY = re.compile(rf"[!-+\--9;-~]{{1,{KEY_BYTES_MAX}}}")


class BadKeysSettingError(UsageError):
    """CYNIC_API_KEYS cannot be read. The message gives the place of the fault, never a key."""

    code = "bad-keys-setting"


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key that the environment gave, as its digest."""

    digest: bytes = field(repr=False)
    scope: Scope

    @property
    def caller(self) -> str:
        """Who calls with this key: the same after a restart, and no way back to the key."""
        return f"env:{self.digest.hex()[:32]}"


def make(randomness: bytes) -> str:
    """A key of 32 random bytes: the prefix, by which scanners find a leaked one, and 43 base64url characters."""
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a key takes {RANDOM_BYTES} random bytes, not {len(randomness)}")
    return PREFIX + base64.urlsafe_b64encode(randomness).rstrip(b"=").decode()


def digest(key: str | bytes) -> bytes:
    """What is kept of a key: 32 bytes."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()


def covers(scope: Scope, needed: Scope) -> bool:
    """Whether a key of this scope may do what needs that one."""
    return SCOPES.index(scope) >= SCOPES.index(needed)


def among(given: Iterable[GivenKey], presented: bytes) -> GivenKey | None:
    """The one of the given keys that has this digest; takes the same time whichever it is."""
    found = None
    for key in given:
        if hmac.compare_digest(key.digest, presented):
            found = key
    return found


def read_setting(text: str | None) -> tuple[GivenKey, ...]:
    """Read CYNIC_API_KEYS: `KEY` or `KEY:SCOPE`, separated by commas; without a scope a key is for everything.

    None or "" gives no keys; anything else that is no list of keys is refused, since to pass over a part of it
    would be to run with other keys than somebody thinks.
    """
    found: dict[bytes, GivenKey] = {}
    for place, entry in enumerate(text.split(",") if text else [], start=1):
        key, colon, scope = entry.strip().partition(":")
        if not _GIVEN_KEY.fullmatch(key):
            raise _bad(
                place,
                f"is no key: 1 to {KEY_BYTES_MAX} visible ASCII characters, no comma or colon",
            )
        if colon and scope not in SCOPES:
            raise _bad(place, f"has no scope after the colon: one of {', '.join(SCOPES)}")
        if key in SCOPES:
            raise _bad(place, "is a scope without its key")
        kept = digest(key)
        if kept in found:
            raise _bad(place, "repeats the key of another entry")
        found[kept] = GivenKey(kept, cast("Scope", scope) if colon else "admin")
    return tuple(found.values())


def _bad(place: int, fault: str) -> BadKeysSettingError:
    return BadKeysSettingError(
        f"CYNIC_API_KEYS: entry {place} {fault}",
        hint="give KEY or KEY:SCOPE, separated by commas; cynic keys create makes keys that need no setting",
    )
