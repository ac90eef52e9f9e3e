"""`cynic judge` of a 1000-line Python file with the pack, against bandit, ruff check and radon cc run one after another.

The server runs already, as it does beside `cynic up`: what is compared is reading and recording.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Result, paired, seconds
from cynic.db.binaries import find_binaries
from cynic.db.embedded import EmbeddedServer
from cynic.db.migrate import Migrator
from cynic.memory import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 11
LINES = 1000


def run() -> Iterator[Result]:
    """Eleven pairs, on a file put together from this project's own modules."""
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as folder:
        Path(folder).chmod(0o755)
        subject = Path(folder) / "subject.py"
        subject.write_text(_module(), "utf-8")
        with EmbeddedServer.start(Path(folder) / "home", binaries=find_binaries()) as server:
            import psycopg

            with psycopg.connect(server.conninfo, autocommit=True) as conn:
                Migrator(conn).up()
            connect(server.conninfo).close()
            environment = {**os.environ, "CYNIC_DATABASE_URL": server.conninfo}
            programs = Path(sys.executable).parent

            def timed(*commands: list[str]) -> float:
                def run_each() -> None:
                    for command in commands:
                        subprocess.run(
                            [programs / command[0], *command[1:], subject],
                            check=command[0] == "cynic",
                            env=environment,
                            cwd=folder,
                            stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL,
                        )

                return seconds(run_each)

            by_hand = (["bandit", "--quiet"], ["ruff", "check", "--no-cache"], ["radon", "cc"])
            ours, limit = paired(lambda: timed(["cynic", "judge"]), lambda: timed(*by_hand), ROUNDS)
    yield Result(
        what="cynic judge, 1000 lines vs bandit, ruff, radon",
        ours_seconds=ours,
        limit_seconds=limit,
        ratio_max=1.5,
    )


def _module() -> str:
    """A module of a thousand lines: whole modules of the package, until there are enough."""
    package = Path(__file__).resolve().parent.parent / "src" / "cynic"
    lines: list[str] = []
    for path in sorted((package / "db").glob("*.py")):
        text = path.read_text("utf-8").replace("from __future__ import annotations\n", "")
        lines += text.splitlines()
        if len(lines) >= LINES:
            break
    return "\n".join(lines) + "\n"
