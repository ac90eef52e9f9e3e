"""What an agent waits for at each hook: the script as Claude Code runs it, against `python -I -S -c pass`.

With cynic up, with nobody at the port, and with somebody who accepts and never answers. The bar is 50 ms.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Result, paired, seconds
from benchmarks.up import served
from cynic.cli.hooks import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

ROUNDS = 21
SECONDS_MAX = 0.05
EVENT = json.dumps(
    {
        "session_id": "6c1f5b0e-7d55-4b93-9f1c-1e6f3e2f8a10",
        "transcript_path": "/home/ada/.claude/projects/-home-ada-p/6c1f5b0e.jsonl",
        "cwd": "/home/ada/p",
        "permission_mode": "default",
        "hook_event_name": "PostToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": "pytest -q", "description": "Run the tests"},
        "tool_response": {"stdout": "." * 30_000, "stderr": "", "interrupted": False},
        "tool_use_id": "toolu_01XPT3mQ1oDfTnTt3zM2vK5b",
    }
).encode()


def run() -> Iterator[Result]:
    """Twenty-one pairs for each state of the service."""
    with tempfile.TemporaryDirectory(prefix="cynic-bench-") as name, served(Path(name)) as url:
        yield _measured("up", url)
    with _port(listens=False) as port:
        yield _measured("down", f"http://127.0.0.1:{port}")
    with _port(listens=True) as port:
        yield _measured("hanging", f"http://127.0.0.1:{port}")


def _measured(state: str, url: str) -> Result:
    bare = [sys.executable, "-I", "-S"]
    ours, limit = paired(
        lambda: _wait([*bare, str(SCRIPT), f"{url}/api/v1/hooks/claude-code"]),
        lambda: _wait([*bare, "-c", "pass"]),
        ROUNDS,
    )
    return Result(
        what=f"a hook with cynic {state} vs python -I -S -c pass",
        ours_seconds=ours,
        limit_seconds=limit,
        seconds_max=SECONDS_MAX,
    )


def _wait(command: list[str]) -> float:
    """Until the process ended and its output was closed, as an agent waits."""
    return seconds(
        lambda: subprocess.run(
            command, input=EVENT, check=True, capture_output=True, env=dict(os.environ)
        )
    )


@contextmanager
def _port(*, listens: bool) -> Generator[int]:
    """A port where nobody is, or where connections are taken and never answered."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        if listens:
            bound.listen(128)
        yield bound.getsockname()[1]
