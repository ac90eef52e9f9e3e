"""What a running Claude Code tells its hooks, turned into the same facts as its transcripts.

Its ids are those of the transcript where it gives them: `tool_use_id`, and in newer versions `prompt_id`, which the
transcript's record of the prompt carries as `promptId`. The id of a prompt's record is not told, so a turn gets an
id of its own, which the transcript's replaces when that is imported.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from cynic.domains.telemetry.agent_facts import (
    HOOK,
    SESSION_CHARACTERS_MAX,
    Answer,
    Facts,
    RefusedRecordError,
    ToolCall,
    Turn,
    count,
    identifier,
)
from cynic.domains.telemetry.claude_code_tools import response_text, result_of, tool_name
from cynic.domains.telemetry.storable import NAME_CHARACTERS_MAX, document, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

EVENTS: Final = (
    "SessionStart",
    "UserPromptSubmit",
    "PostToolUse",
    "PostToolUseFailure",
    "Stop",
    "SessionEnd",
)
"""The events that say something that is kept."""


def facts_of(event: object, at: datetime) -> Facts:
    """The facts of one event that happened at `at`; none for an event that says nothing that is kept."""
    if not isinstance(event, dict):
        raise RefusedRecordError("the event of a hook is an object")
    fields = cast("Mapping[str, object]", event)
    name = fields.get("hook_event_name")
    if not isinstance(name, str) or not name:
        raise RefusedRecordError("hook_event_name is missing")
    session_id = identifier(fields.get("session_id"), SESSION_CHARACTERS_MAX)
    if session_id is None:
        raise RefusedRecordError("session_id is missing, or no text of 1 to 64 characters")
    facts = Facts()
    if name not in EVENTS:
        return facts
    if name == "UserPromptSubmit":
        _prompt(facts, fields, session_id, at)
    elif name in {"PostToolUse", "PostToolUseFailure"}:
        _tool(facts, fields, session_id, at, failed=name == "PostToolUseFailure")
    elif name in {"Stop", "SessionEnd"}:
        said = fields.get("last_assistant_message") if name == "Stop" else None
        kept = text(said) if isinstance(said, str) and said.strip() else None
        facts.answers[session_id] = Answer(session_id, at, kept, ended=True)
    context = facts.touch(session_id, at).context
    cwd = fields.get("cwd")
    # A sub-agent may work in another folder; the session stays where it is.
    if isinstance(cwd, str) and cwd and "agent_id" not in fields:
        context["cwd"] = context["project"] = text(cwd, NAME_CHARACTERS_MAX)
    reason = fields.get("reason")
    if name == "SessionEnd" and isinstance(reason, str):
        context["ended"] = text(reason, NAME_CHARACTERS_MAX)
    return facts


def _prompt(facts: Facts, fields: Mapping[str, object], session_id: str, at: datetime) -> None:
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise RefusedRecordError("prompt is missing")
    prompt_id = identifier(fields.get("prompt_id"), NAME_CHARACTERS_MAX - len(HOOK))
    if prompt_id is None:
        said = f"{session_id}\n{at.isoformat()}\n{prompt}"
        prompt_id = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    entry_id = f"{HOOK}{prompt_id}"
    cwd = fields.get("cwd")
    facts.turns[entry_id] = Turn(
        entry_id=entry_id,
        session_id=session_id,
        prompt=text(prompt),
        at=at,
        cwd=text(cwd, NAME_CHARACTERS_MAX) if isinstance(cwd, str) else None,
    )


def _tool(
    facts: Facts, fields: Mapping[str, object], session_id: str, at: datetime, *, failed: bool
) -> None:
    given = fields.get("tool_input")
    parameters = document(cast("object", given) if isinstance(given, dict) else {})
    told = fields.get("error" if failed else "tool_response")
    said, size = response_text(told)
    duration_ms = count(fields.get("duration_ms"), "duration_ms")
    call_id = identifier(fields.get("tool_use_id"))
    if call_id is None:
        # Versions before 2.0.43 do not tell the id; the same event at the same time is the same call.
        seed = f"{session_id}\n{at.isoformat()}\n{fields.get('tool_name')}\n{parameters!r}"
        call_id = f"{HOOK}{hashlib.sha256(seed.encode('utf-8', 'replace')).hexdigest()}"
    ended = result_of(call_id, said, size, told, at, failed=failed, duration_ms=duration_ms)
    # A hook tells only of the end: without a duration it is not known how long the call took.
    ended.ended_at = None
    facts.add_call(
        ToolCall(
            call_id=call_id,
            session_id=session_id,
            tool_name=tool_name(fields.get("tool_name")),
            parameters=parameters,
            used_at=at - timedelta(milliseconds=duration_ms or 0),
        )
    )
    facts.add_result(ended)
