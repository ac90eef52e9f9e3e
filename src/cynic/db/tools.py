"""PostgreSQL's own client programs: which of those at hand fits a server."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from cynic.base.errors import UnavailableError
from cynic.db.binaries import find_binaries

if TYPE_CHECKING:
    from pathlib import Path


class ProgramMissingError(UnavailableError):
    """None of PostgreSQL's client programs on this machine fits the server."""

    code = "program-missing"


def program(name: str, server_major: int = 0) -> str:
    """The path of a client program of major `server_major` or later.

    One on the PATH goes first, when it is recent enough: a distribution's build speaks TLS, which the
    programs that come with cynic do not.
    """
    found = shutil.which(name)
    if found and _major(found) >= server_major:
        return found
    own: Path = find_binaries().bin_dir / name
    if own.exists() and _major(str(own)) >= server_major:
        return str(own)
    raise ProgramMissingError(
        f"no {name} of PostgreSQL {server_major or 16} or later on this machine",
        hint="install PostgreSQL's client programs, or name their folder in CYNIC_PG_BIN",
    )


@cache
def _major(path: str) -> int:
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return int(match.group(1)) if match else 0
