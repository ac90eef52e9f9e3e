"""The migration files: one SQL file each, whose full name is its identity and its place in the order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cynic.base.errors import NotFoundError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name without `.sql`, its two parts, and the digest of both."""

    name: str
    up: str
    down: str
    transactional: bool
    sha256: str

    @property
    def number(self) -> int:
        """The number that the name begins with; two files may share one."""
        return int(self.name[:3])


@cache
def packaged() -> tuple[Migration, ...]:
    """The migrations that come with cynic, in order."""
    return read(Path(__file__).with_name("migrations"))


def read(directory: Path) -> tuple[Migration, ...]:
    """Read every `NNN_name.sql` of a directory, in the order of their names."""
    return tuple(_read(path) for path in sorted(directory.glob("[0-9][0-9][0-9]_*.sql")))


def _read(path: Path) -> Migration:
    parts = sqlfile.parts(path.read_text(encoding="utf-8"), path.name)
    digest = hashlib.sha256(f"{parts.up}\0{parts.down}".encode()).hexdigest()
    return Migration(path.stem, parts.up, parts.down, parts.transactional, digest)


def target_index(migrations: Sequence[Migration], target: str | None) -> int:
    """How many files stand up to and including `target`: a number, or a full name; None means all."""
    if target is None:
        return len(migrations)
    if target.isdigit():
        return sum(migration.number <= int(target) for migration in migrations)
    for index, migration in enumerate(migrations, start=1):
        if migration.name == target.removesuffix(".sql"):
            return index
    raise NotFoundError(f"there is no migration called {target}")
