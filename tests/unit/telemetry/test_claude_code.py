"""Records of Claude Code turned into facts, kind by kind."""

from __future__ import annotations

from typing import Any

import pytest

from cynic.domains.telemetry.agent_facts import Facts, RefusedRecordError
from cynic.domains.telemetry.claude_code import KINDS, Reader
from transcript_maker import Maker


def read(*records: Any, session: str | None = None) -> Facts:
    facts = Facts()
    reader = Reader(facts, session)
    for record in records:
        reader.take(record)
    return facts


@pytest.fixture
def maker() -> Maker:
    return Maker(3)


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def test_a_turn_with_a_tool(maker: Maker) -> None:
    call = maker.tool("Bash", command="ls")
    records = [
        maker.prompt("what is here?", promptId="p1"),
        maker.says(text("I look."), call, stop="tool_use"),
        maker.result(call, "a.py", {"stdout": "a.py", "interrupted": False}),
        maker.says(text("One file."), stop="end_turn"),
    ]
    facts = read(*records)
    (turn,) = facts.turns.values()
    assert (turn.prompt, turn.answer, turn.ended) == ("what is here?", "One file.", True)
    assert (turn.entry_id, turn.prompt_id) == (records[0]["uuid"], "p1")
    assert (turn.cwd, turn.branch) == (maker.cwd, "main")
    (found,) = facts.calls.values()
    assert (found.call_id, found.tool_name, found.parameters) == (
        call["id"],
        "Bash",
        {"command": "ls"},
    )
    assert found.ended is not None
    assert found.ended.status == "ok"
    assert found.ended.result == {"is_error": False, "size": 4, "text": "a.py"}
    assert len(facts.models) == 2
    assert facts.sessions[maker.session].context == {
        "cwd": maker.cwd,
        "project": maker.cwd,
        "git_branch": "main",
        "version": "2.1.12",
    }


def test_of_a_response_the_last_record_counts(maker: Maker) -> None:
    records = [maker.says(text("a"), response="msg_1", out=out) for out in (1, 40, 7)]
    (model,) = read(*records).models.values()
    assert (model.response_id, model.tokens_output) == ("req_1", 7)
    assert (model.tokens_input, model.cache_read, model.cache_write) == (21_204, 20_000, 1200)
    assert model.latency_ms is None


def test_an_old_version_measured_its_calls(maker: Maker) -> None:
    record = maker.says(text("a"), durationMs=2841, costUSD=0.02)
    usage = record["message"]["usage"]
    for name in ("cache_creation", "cache_creation_input_tokens", "cache_read_input_tokens"):
        del usage[name]
    (model,) = read(record).models.values()
    assert (model.latency_ms, model.tokens_input) == (2841, 4)
    assert (model.cache_read, model.cache_write) == (None, None)


@pytest.mark.parametrize(
    "more",
    [{"model": "<synthetic>"}, {"isApiErrorMessage": True}],
    ids=["synthetic", "api error"],
)
def test_what_the_program_says_itself_is_no_call_and_no_answer(
    maker: Maker, more: dict[str, Any]
) -> None:
    facts = read(maker.prompt("x"), maker.says(text("API Error: 529"), stop="end_turn", **more))
    assert facts.models == {}
    assert [turn.answer for turn in facts.turns.values()] == [None]


@pytest.mark.parametrize(
    ("content", "more", "prompt"),
    [
        ("hello", {}, "hello"),
        ([text("look"), {"type": "image", "source": {}}], {}, "look\n[image]"),
        (
            "<command-name>/review</command-name>\n<command-args>main.py</command-args>",
            {},
            "/review main.py",
        ),
        ("<bash-input>git status</bash-input>", {}, "!git status"),
        ("hello", {"origin": {"kind": "human"}}, "hello"),
        ("<local-command-stdout>ok</local-command-stdout>", {}, None),
        ([text("[Request interrupted by user]")], {}, None),
        ("hello", {"isMeta": True}, None),
        ("hello", {"isCompactSummary": True}, None),
        ("hello", {"isVisibleInTranscriptOnly": True}, None),
        ("hello", {"isSidechain": True}, None),
        ("done", {"origin": {"kind": "task-notification"}}, None),
        ("  ", {}, None),
        ([], {}, None),
        (None, {}, None),
    ],
)
def test_what_a_person_typed(
    maker: Maker, content: Any, more: dict[str, Any], prompt: str | None
) -> None:
    facts = read(maker.prompt(content, **more))
    assert [turn.prompt for turn in facts.turns.values()] == ([] if prompt is None else [prompt])


@pytest.mark.parametrize(
    ("content", "told", "status", "more"),
    [
        ("Exit code 2\nno such file", "Error: Exit code 2", "error", {"exit_code": 2}),
        ("The user doesn't want to proceed with this tool use. …", None, "denied", {}),
        ([text("<tool_use_error>not read</tool_use_error>")], None, "error", {}),
    ],
)
def test_how_calls_fail(
    maker: Maker, content: Any, told: Any, status: str, more: dict[str, Any]
) -> None:
    call = maker.tool("Edit", file_path="/a")
    (found,) = read(maker.says(call), maker.result(call, content, told, failed=True)).calls.values()
    assert found.ended is not None
    assert found.ended.status == status
    assert isinstance(found.ended.result, dict)
    assert found.ended.result["is_error"] is True
    assert more.items() <= found.ended.result.items()


def test_a_tool_of_the_provider_has_its_result_in_the_response(maker: Maker) -> None:
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "x"}}
    found = {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "title": "T", "url": "u"}],
    }
    (call,) = read(maker.says(use), maker.says(found)).calls.values()
    assert call.ended is not None
    assert (call.tool_name, call.ended.status) == ("web_search", "ok")


def test_a_fork_says_whose_records_it_copies(maker: Maker) -> None:
    copied = maker.prompt("x", forkedFrom={"sessionId": "parent", "messageUuid": "u1"})
    (turn,) = read(copied).turns.values()
    assert (turn.session_id, turn.entry_id) == ("parent", "u1")


def test_titles_before_and_after_the_first_sign_of_life(maker: Maker) -> None:
    title = {"type": "custom-title", "customTitle": "Mending", "sessionId": maker.session}
    link = {"type": "pr-link", "prUrl": "https://example.org/1", "sessionId": maker.session}
    context = read(title, maker.prompt("x"), link).sessions[maker.session].context
    assert (context["title"], context["pull_request"]) == ("Mending", "https://example.org/1")


def test_a_record_that_names_no_session_belongs_to_its_file(maker: Maker) -> None:
    record = maker.prompt("x")
    del record["sessionId"]
    assert list(read(record, session="of-the-file").sessions) == ["of-the-file"]
    with pytest.raises(RefusedRecordError, match="names no session"):
        read(record)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_known_kind_may_be_nearly_empty(maker: Maker, kind: str) -> None:
    facts = Facts()
    record = maker.envelope(kind)
    assert Reader(facts, None).take(record) == kind
    assert facts.turns == {}


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": None},
        {"timestamp": "yesterday"},
        {"timestamp": "0001-01-01T00:00:00Z"},
        {"timestamp": 1_700_000_000},
        {"sessionId": "s" * 65},
        {"sessionId": "nul\0"},
        {"type": 5},
        {"durationMs": -1},
        {"usage": {"input_tokens": -1, "output_tokens": 1}},
        {"usage": {"input_tokens": 1.5, "output_tokens": 1}},
        {"usage": {"input_tokens": 10**30, "output_tokens": 1}},
        {"usage": {"input_tokens": True, "output_tokens": 1}},
        {"usage": {"input_tokens": 2**31 - 1, "output_tokens": 1, "cache_read_input_tokens": 1}},
    ],
)
def test_a_record_that_makes_no_sense_is_refused_whole(
    maker: Maker, change: dict[str, Any]
) -> None:
    record = maker.says(maker.tool("Bash", command="ls"), text("x"))
    if "usage" in change:
        record["message"] |= change
    else:
        record |= change
    facts = Facts()
    with pytest.raises(RefusedRecordError):
        Reader(facts, None).take(record)
    assert facts == Facts()


@pytest.mark.parametrize("record", [None, 5, "x", [], {}, {"type": None}])
def test_what_is_no_record(record: Any) -> None:
    with pytest.raises(RefusedRecordError):
        read(record)


@pytest.mark.parametrize(
    "message",
    [None, 5, {}, {"content": 5}, {"content": [5, None, {}, {"type": 5}, {"type": "tool_use"}]}],
)
def test_messages_of_no_known_shape_do_no_harm(maker: Maker, message: Any) -> None:
    facts = read(
        maker.envelope("assistant", message=message), maker.envelope("user", message=message)
    )
    assert (facts.calls, facts.models, facts.turns) == ({}, {}, {})
