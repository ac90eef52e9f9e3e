"""Write, or with --check compare, what is generated from the migrations and the program.

Starts a PostgreSQL of its own in a temporary folder, migrates it, reads it, and stops it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from cynic.db.binaries import find_binaries
from cynic.db.embedded import EmbeddedServer
from cynic.db.migrate import Migrator
from generator.outputs import ROOT, leftovers, outputs

if TYPE_CHECKING:
    from collections.abc import Generator

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def main(arguments: list[str] | None = None) -> int:
    """Return 0, or 1 when --check found stale files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 with the stale files"
    )
    parser.add_argument(
        "--pg", type=int, default=18, metavar="MAJOR", help="major version to ask (default 18)"
    )
    options = parser.parse_args(arguments)
    with _migrated(options.pg) as (conn, schema):
        wanted = outputs(conn, schema)
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    unwanted = leftovers(wanted)
    if options.check:
        for path in sorted([*stale, *unwanted]):
            print(f"stale: {path.relative_to(ROOT)} (run make generate)", file=sys.stderr)
        return 1 if stale or unwanted else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    for path in unwanted:
        path.unlink()
    print(f"{len(wanted)} files: {len(stale)} written, {len(unwanted)} removed")
    return 0


@contextmanager
def _migrated(major: int) -> Generator[tuple[psycopg.Connection, str]]:
    """Connect to a throwaway server with every migration applied."""
    for name in list(os.environ):
        # Nothing of the caller's may point this at a database of theirs.
        if name.startswith("PG"):
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="cynic-generate-"))
    home.chmod(0o755)
    data: Path | None = None
    try:
        with EmbeddedServer.start(home, binaries=find_binaries(major), options=FAST) as server:
            data = server.data_dir
            with psycopg.connect(server.conninfo, autocommit=True) as conn:
                migrator = Migrator(conn)
                migrator.up()
                yield conn, migrator.schema
    finally:
        shutil.rmtree(home, ignore_errors=True)
        if data is not None and not data.is_relative_to(home) and "cynic" in data.parts:
            shutil.rmtree(data.parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
