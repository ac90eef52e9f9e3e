"""`cynic import claude-code` and `cynic hooks claude-code` as a person and a script meet them."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from transcript_maker import Maker, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done

    Cynic = Callable[..., Done]


def test_an_import_and_the_same_again(cynic: Cynic, fresh_database: str, tmp_path: Path) -> None:
    maker = Maker(1)
    write(tmp_path / "s.jsonl", maker.turn(tools=2))
    at = ("--database", fresh_database, "import", "claude-code", str(tmp_path))
    done = cynic(*at)
    assert (done.code, done.err) == (0, "")
    assert "1 sessions, 1 prompts, 2 tool calls, 3 model calls" in done.out
    report = json.loads(cynic(*at, "--json").out)
    assert (report["files"], report["files_read"], report["prompts"]) == (1, 0, 0)


def test_broken_lines_end_in_6_and_name_their_place(
    cynic: Cynic, fresh_database: str, tmp_path: Path
) -> None:
    maker = Maker(1)
    path = tmp_path / "s.jsonl"
    path.write_text("{broken\n")
    write(path, maker.turn(tools=0))
    done = cynic("--database", fresh_database, "import", "claude-code", str(tmp_path))
    assert done.code == 6
    assert f"{path}:1 is no JSON" in done.err
    assert "1 prompts" in done.out


def test_the_default_folder_and_one_that_is_not_there(
    cynic: Cynic, fresh_database: str, tmp_path: Path
) -> None:
    at = ("--database", fresh_database, "import", "claude-code")
    done = cynic(*at, HOME=str(tmp_path))
    assert (done.code, "[no-transcripts-folder]" in done.err) == (3, True)
    write(tmp_path / ".claude" / "projects" / "p" / "s.jsonl", Maker(1).turn(tools=0))
    assert json.loads(cynic(*at, "--json", HOME=str(tmp_path)).out)["prompts"] == 1


def commands(settings: dict[str, Any]) -> dict[str, list[str]]:
    return {
        event: [hook["command"] for group in groups for hook in group["hooks"]]
        for event, groups in settings["hooks"].items()
    }


def test_hooks_are_printed(cynic: Cynic) -> None:
    found = commands(json.loads(cynic("hooks", "claude-code").out))
    assert set(found) == {
        "SessionStart",
        "UserPromptSubmit",
        "PostToolUse",
        "PostToolUseFailure",
        "Stop",
        "SessionEnd",
    }
    (command,) = found["Stop"]
    words = shlex.split(command)
    assert (Path(words[0]).resolve(), words[1:3]) == (Path(sys.executable).resolve(), ["-I", "-S"])
    assert words[4] == "http://127.0.0.1:8618/api/v1/hooks/claude-code"
    assert set(commands(json.loads(cynic("hooks", "claude-code", "--event", "Stop").out))) == {
        "Stop"
    }


def test_hooks_are_installed_beside_what_is_there(cynic: Cynic, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    mine = {"matcher": "Bash", "hooks": [{"type": "command", "command": "mine"}]}
    before = {"model": "opus", "hooks": {"PostToolUse": [mine], "PreToolUse": [mine]}}
    file.write_text(json.dumps(before))
    file.chmod(0o600)
    refused = cynic("hooks", "claude-code", "--write", str(file), stdin="n\n")
    assert refused.code == 130
    assert "+++" in refused.out
    assert json.loads(file.read_text()) == before
    done = cynic("hooks", "claude-code", "--write", str(file), stdin="y\n")
    assert done.code == 0
    after = json.loads(file.read_text())
    assert (after["model"], after["hooks"]["PreToolUse"]) == ("opus", [mine])
    assert after["hooks"]["PostToolUse"][0] == mine
    assert len(after["hooks"]["PostToolUse"]) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "settings.json.before-cynic").read_text()) == before
    again = cynic("hooks", "claude-code", "--write", str(file), "--yes")
    assert (again.code, again.out) == (0, "")
    assert "already" in again.err
    moved = cynic(
        "hooks", "claude-code", "--write", str(file), "--yes", "--url", "http://[::1]:9000"
    )
    assert moved.code == 0
    found = commands(json.loads(file.read_text()))
    assert [len(listed) for listed in found.values()] == [2, 1, 1, 1, 1, 1, 1]
    assert "http://[::1]:9000/api" in found["Stop"][0]


def test_hooks_in_the_default_file(cynic: Cynic, tmp_path: Path) -> None:
    assert cynic("hooks", "claude-code", "--yes", "--write", HOME=str(tmp_path)).code == 0
    assert "hooks" in json.loads((tmp_path / ".claude" / "settings.json").read_text())


@pytest.mark.parametrize("text", ["{", "[]", '{"hooks": 5}', '{"hooks": {"Stop": {}}}', "\udcff"])
def test_settings_that_are_not_understood_stay_as_they_are(
    cynic: Cynic, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "settings.json"
    data = text.encode("utf-8", "surrogateescape")
    file.write_bytes(data)
    done = cynic("hooks", "claude-code", "--write", str(file), "--yes")
    assert (done.code, "[bad-settings]" in done.err) == (5, True)
    assert file.read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "https://127.0.0.1:1",
        "nonsense",
        "http://127.0.0.1:x",
        "http://10.0.0.1",
    ],
)
def test_hooks_speak_to_this_machine_only(cynic: Cynic, url: str) -> None:
    done = cynic("hooks", "claude-code", "--url", url)
    assert (done.code, "[not-local-url]" in done.err) == (2, True)
