"""Transcripts in the format of Claude Code, made up: for tests and for the benchmark."""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEGINNING = datetime(2026, 3, 1, 9, tzinfo=UTC)
MODEL = "claude-opus-4-5-20251101"
WORDS = [
    "the",
    "module",
    "reads",
    "lines",
    "from",
    "a",
    "file",
    "and",
    "keeps",
    "what",
    "it",
    "knows",
    "of",
    "them",
    "in",
    "order",
    "to",
    "answer",
    "later",
    "questions",
    "about",
    "who",
    "changed",
    "which",
    "function",
    "and",
    "why",
    "a",
    "test",
    "failed",
    "on",
    "the",
    "second",
    "run",
]


class Maker:
    """Makes the records of one session, a second apart; the same seed makes the same records."""

    def __init__(
        self, seed: int = 1, *, version: str = "2.1.12", session: str | None = None
    ) -> None:
        self.random = random.Random(seed)  # noqa: S311  # made up, no secret
        self.session = session or self.new_uuid()
        self.version = version
        self.now = BEGINNING + timedelta(hours=seed)
        self.cwd = f"/home/ada/project-{seed % 7}"
        self.branch = "main"
        self.last: str | None = None
        self.side: str | None = None

    def new_uuid(self) -> str:
        """An id as Claude Code gives it to a record."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def new_id(self, prefix: str) -> str:
        """An id as the provider gives it."""
        return f"{prefix}_01{self.random.getrandbits(110):022x}"

    def step(self, seconds: float = 1.0) -> str:
        """Let time pass; the new time as a timestamp."""
        self.now += timedelta(seconds=seconds)
        return self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def words(self, number: int) -> str:
        """So many words that mean little."""
        return " ".join(self.random.choices(WORDS, k=number))

    def envelope(self, kind: str, **more: Any) -> dict[str, Any]:
        """What every record of the conversation carries."""
        record: dict[str, Any] = {
            "parentUuid": self.last,
            "isSidechain": self.side is not None,
            "userType": "external",
            "cwd": self.cwd,
            "sessionId": self.session,
            "version": self.version,
            "gitBranch": self.branch,
            "type": kind,
            "uuid": self.new_uuid(),
            "timestamp": self.step(),
        }
        if self.side is not None:
            record["agentId"] = self.side
        self.last = record["uuid"]
        return record | more

    def prompt(self, text: Any, **more: Any) -> dict[str, Any]:
        """What a person typed."""
        return self.envelope("user", message={"role": "user", "content": text}, **more)

    def usage(self, out: int, **more: Any) -> dict[str, Any]:
        """Tokens of a response."""
        return {
            "input_tokens": 4,
            "cache_creation_input_tokens": 1200,
            "cache_read_input_tokens": 20_000,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 1200,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": out,
            "service_tier": "standard",
        } | more

    def says(
        self,
        *blocks: dict[str, Any],
        response: str | None = None,
        out: int = 50,
        stop: str | None = None,
        model: str = MODEL,
        **more: Any,
    ) -> dict[str, Any]:
        """One `assistant` record; several of one response share `response`."""
        message = {
            "id": response or self.new_id("msg"),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": list(blocks),
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": self.usage(out),
        }
        request = f"req_{str(message['id']).removeprefix('msg_')}"
        return self.envelope("assistant", **{"message": message, "requestId": request} | more)

    def tool(self, name: str = "Bash", **given: Any) -> dict[str, Any]:
        """A block that calls a tool."""
        return {"type": "tool_use", "id": self.new_id("toolu"), "name": name, "input": given}

    def result(
        self, call: dict[str, Any], content: Any, told: Any = None, *, failed: bool = False
    ) -> dict[str, Any]:
        """The record that a tool's result comes in."""
        block: dict[str, Any] = {
            "tool_use_id": call["id"],
            "type": "tool_result",
            "content": content,
        }
        if failed:
            block["is_error"] = True
        more = {} if told is None else {"toolUseResult": told}
        return self.envelope("user", message={"role": "user", "content": [block]}, **more)

    def turn(self, *, tools: int, large: int = 0) -> Iterator[dict[str, Any]]:
        """A prompt, calls of tools with their results, and the answer."""
        yield {
            "type": "file-history-snapshot",
            "messageId": self.new_uuid(),
            "snapshot": {"trackedFileBackups": {}, "timestamp": self.step(0)},
            "isSnapshotUpdate": False,
        }
        yield self.prompt(self.words(30), promptId=self.new_uuid())
        for number in range(tools):
            response = self.new_id("msg")
            thought = {"type": "thinking", "thinking": self.words(60), "signature": "c2ln" * 60}
            yield self.says(thought, response=response, out=3)
            path = f"{self.cwd}/src/module_{number}.py"
            output = "\n".join(
                f"{line:5}→{self.words(9)}" for line in range(large if number % 4 == 0 else 12)
            )
            if number % 3 == 0:
                call = self.tool("Read", file_path=path)
                told: Any = {
                    "type": "text",
                    "file": {"filePath": path, "content": output, "numLines": large},
                }
            elif number % 3 == 1:
                call = self.tool("Bash", command=f"pytest -q {path}", description=self.words(5))
                told = {"stdout": output, "stderr": "", "interrupted": False, "isImage": False}
            else:
                call = self.tool(
                    "Edit", file_path=path, old_string=self.words(40), new_string=self.words(45)
                )
                told = {
                    "filePath": path,
                    "oldString": "",
                    "structuredPatch": [],
                    "userModified": False,
                }
            yield self.says(call, response=response, out=180, stop="tool_use")
            if call["name"] == "Bash":
                yield self.envelope(
                    "progress",
                    data={
                        "type": "bash_progress",
                        "output": self.words(20),
                        "elapsedTimeSeconds": 2,
                    },
                    toolUseID=call["id"],
                )
            yield self.result(call, output, told)
        yield self.says({"type": "text", "text": self.words(80)}, out=120, stop="end_turn")
        yield self.envelope("system", subtype="turn_duration", durationMs=5000, isMeta=False)


def write(path: Path, records: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> int:
    """Write records as lines, as Claude Code does; return how many bytes that is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode())
            file.write(b"\n")
        return file.tell()


def write_folder(folder: Path, total_bytes: int) -> int:
    """Write sessions of about two megabytes each until there is enough; return how many bytes that is."""
    written = number = 0
    while written < total_bytes:
        number += 1
        maker = Maker(number)
        path = folder / maker.cwd.replace("/", "-") / f"{maker.session}.jsonl"
        size = 0
        while size < min(2_000_000, total_bytes - written):
            size = write(path, maker.turn(tools=12, large=500))
        written += size
    return written
