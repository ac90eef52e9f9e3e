"""What Claude Code says of a tool: how its call ended, in a few words instead of its whole output."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

from cynic.domains.telemetry.agent_facts import INTEGER_MAX, ToolResult, identifier
from cynic.domains.telemetry.storable import NAME_CHARACTERS_MAX, document, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from cynic.base.json import JSON

BEGINNING_CHARACTERS_MAX: Final = 240

_DENIED: Final = (
    "The user doesn't want to proceed with this tool use",
    "The user doesn't want to take this action right now",
    "User rejected tool use",
    "[Request interrupted by user for tool use]",
    "Permission to use",
    "Claude requested permissions",
    "This command requires approval",
)
"""How the error of a call begins that a person or a rule did not allow."""
_EXIT_CODE = re.compile(r"(?:Error: )?Exit code (\d{1,9})\b")
_LOOKED_AT_CHARACTERS: Final = 4_096
_BLOCKS_MAX: Final = 100


def tool_result(block: Mapping[str, object], told: object, ended_at: datetime) -> ToolResult | None:
    """How a call ended: `block` is the tool_result, `told` what Claude Code adds to it (`toolUseResult`)."""
    call_id = identifier(block.get("tool_use_id"))
    if call_id is None:
        return None
    said, size = _said(block.get("content"))
    return result_of(call_id, said, size, told, ended_at, failed=_failed(block))


def result_of(  # one argument for each thing that is told
    call_id: str,
    said: str,
    size: int,
    told: object,
    ended_at: datetime,
    *,
    failed: bool,
    duration_ms: int | None = None,
) -> ToolResult:
    """The summary of a result that begins with `said` and has `size` characters."""
    denied = failed and said.removeprefix("Error: ").startswith(_DENIED)
    summary: dict[str, JSON] = {
        "is_error": failed,
        "size": size,
        "text": text(said[:BEGINNING_CHARACTERS_MAX], BEGINNING_CHARACTERS_MAX),
    }
    code = _EXIT_CODE.match(said) if failed else None
    if code:
        summary["exit_code"] = int(code[1])
    if isinstance(told, dict):
        _add_told(summary, cast("Mapping[str, object]", told))
    status = "denied" if denied else "error" if failed else "ok"
    return ToolResult(call_id, status, ended_at, summary, duration_ms)


def response_text(told: object) -> tuple[str, int]:
    """The beginning and the size of what a tool answered, from the object that a hook gets."""
    if isinstance(told, dict):
        fields = cast("Mapping[str, object]", told)
        streams = [fields.get(name) for name in ("stdout", "stderr", "content")]
        said = "\n".join(one for one in streams if isinstance(one, str) and one)
        if not said and "content" in fields:
            return _said(fields["content"])
        told = said or fields
    if isinstance(told, str | list):
        return _said(cast("object", told))
    if told is None:
        return "", 0
    said = json.dumps(document(told), ensure_ascii=False)
    return said[:_LOOKED_AT_CHARACTERS], len(said)


def tool_name(value: object) -> str:
    """The name of a tool or a model; "unknown" where none is given."""
    return text(value, NAME_CHARACTERS_MAX) if isinstance(value, str) and value else "unknown"


def _failed(block: Mapping[str, object]) -> bool:
    if block.get("is_error") is True:
        return True
    content = block.get("content")
    # A tool of the provider says it inside: {"type": "web_search_tool_result_error", "error_code": …}.
    return isinstance(content, dict) and "error_code" in content


def _said(content: object) -> tuple[str, int]:
    """The beginning of a result's text, and how many characters it has in all."""
    if isinstance(content, str):
        return content[:_LOOKED_AT_CHARACTERS], len(content)
    if not isinstance(content, list):
        said = "" if content is None else json.dumps(document(content), ensure_ascii=False)
        return said[:_LOOKED_AT_CHARACTERS], len(said)
    parts: list[str] = []
    size = 0
    for block in cast("Sequence[object]", content):
        fields = cast("Mapping[str, object]", block if isinstance(block, dict) else {})
        shown = next(
            (fields[n] for n in ("text", "title", "type") if isinstance(fields.get(n), str)),
            "block",
        )
        part = cast("str", shown) if isinstance(fields.get("text"), str) else f"[{shown}]"
        size += len(part)
        if len(parts) < _BLOCKS_MAX:
            parts.append(part[:_LOOKED_AT_CHARACTERS])
    return "\n".join(parts)[:_LOOKED_AT_CHARACTERS], size


def _add_told(summary: dict[str, JSON], told: Mapping[str, object]) -> None:
    """The file that a tool worked on, and what else Claude Code knows of the call in a word."""
    file = told.get("filePath")
    if file is None and isinstance(told.get("file"), dict):
        file = cast("Mapping[str, object]", told["file"]).get("filePath")
    if isinstance(file, str):
        summary["file"] = text(file, NAME_CHARACTERS_MAX)
    if told.get("interrupted") is True:
        summary["interrupted"] = True
    for name in ("exitCode", "code"):
        code = told.get(name)
        if isinstance(code, int) and not isinstance(code, bool) and abs(code) <= INTEGER_MAX:
            summary.setdefault("exit_code", code)
    agent = identifier(told.get("agentId"))
    if agent:
        summary["agent_id"] = agent
