"""What a running Claude Code tells, and that its transcript doubles nothing of it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cynic.cli.hooks import SCRIPT
from cynic.flows.ingest_transcripts import import_claude_code
from transcript_maker import Maker, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Client

AT = "/api/v1/hooks/claude-code"
BASE = {
    "session_id": "s1",
    "cwd": "/home/ada/p",
    "transcript_path": "/t.jsonl",
    "permission_mode": "default",
}
SENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Silent:
    def begin(self, total_bytes: int) -> None: ...

    def advance(self, read_bytes: int) -> None: ...

    def wait(self) -> None: ...


def tell(client: Client, name: str, at: datetime = SENT, **fields: Any) -> bool:
    answer = client.post(
        AT,
        json=BASE | {"hook_event_name": name} | fields,
        headers={"X-Cynic-Sent-At": str(round(at.timestamp() * 1000))},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["stored"]


def rows(dsn: str, query: str) -> list[Any]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(query.encode()).fetchall()


STATE = (
    "SELECT turn_number, entry_id, last_user_message, last_assistant_message, clean_shutdown "
    "FROM session_state ORDER BY turn_number"
)


def test_a_session_as_it_goes(client: Client, fresh_database: str) -> None:
    for _ in range(2):  # told twice, kept once
        tell(client, "SessionStart", source="startup", model="m")
        tell(client, "UserPromptSubmit", prompt="do it", prompt_id="p1")
        tell(
            client,
            "PostToolUse",
            SENT + timedelta(seconds=5),
            tool_name="Bash",
            tool_use_id="toolu_1",
            tool_input={"command": "ls"},
            tool_response={"stdout": "a.py", "stderr": "", "interrupted": False},
            duration_ms=40,
        )
        tell(
            client,
            "PostToolUseFailure",
            SENT + timedelta(seconds=6),
            tool_name="Bash",
            tool_use_id="toolu_2",
            tool_input={"command": "false"},
            error="Exit code 1",
        )
        tell(client, "Stop", SENT + timedelta(seconds=9), last_assistant_message="done")
        tell(client, "SessionEnd", SENT + timedelta(seconds=10), reason="logout")
    assert rows(fresh_database, STATE) == [(1, "hook:p1", "do it", "done", True)]
    assert rows(
        fresh_database,
        "SELECT call_id, status, duration_ms, parameters, result ->> 'text', result ->> 'exit_code' "
        "FROM tool_usage ORDER BY call_id",
    ) == [
        ("toolu_1", "ok", 40, {"command": "ls"}, "a.py", None),
        ("toolu_2", "error", None, {"command": "false"}, "Exit code 1", "1"),
    ]
    assert rows(fresh_database, "SELECT context, last_active_at FROM sessions") == [
        (
            {
                "agent": "claude-code",
                "source": "hooks",
                "cwd": "/home/ada/p",
                "project": "/home/ada/p",
                "ended": "logout",
            },
            SENT + timedelta(seconds=10),
        )
    ]
    assert rows(fresh_database, "SELECT total_prompts FROM session_summary") == [(1,)]


def events_of(
    records: list[dict[str, Any]], maker: Maker
) -> Iterator[tuple[str, datetime, dict[str, Any]]]:
    """What hooks would have told while these records were written."""
    calls: dict[str, Any] = {}
    base = {"session_id": maker.session, "cwd": maker.cwd}
    for record in records:
        content = record.get("message", {}).get("content")
        if content is None:
            continue
        at = datetime.fromisoformat(record["timestamp"])
        if isinstance(content, str):
            more = {"prompt_id": record["promptId"]} if "promptId" in record else {}
            yield "UserPromptSubmit", at - timedelta(seconds=0.2), base | more | {"prompt": content}
            continue
        (block,) = content
        if block["type"] == "tool_use":
            calls[block["id"]] = block
        elif block["type"] == "tool_result":
            call = calls[block["tool_use_id"]]
            used = {
                "tool_use_id": call["id"],
                "tool_name": call["name"],
                "tool_input": call["input"],
            }
            yield "PostToolUse", at, base | used | {"tool_response": record["toolUseResult"]}
        elif block["type"] == "text":
            yield "Stop", at, base | {"last_assistant_message": block["text"]}


@pytest.mark.parametrize("knows_prompt_ids", [True, False])
@pytest.mark.parametrize("hooks_first", [True, False])
def test_a_transcript_and_hooks_of_one_session_double_nothing(
    client: Client,
    fresh_database: str,
    tmp_path: Path,
    knows_prompt_ids: bool,
    hooks_first: bool,
) -> None:
    maker = Maker(1)
    records = [*maker.turn(tools=3), *maker.turn(tools=2)]
    if not knows_prompt_ids:
        records = [{k: v for k, v in r.items() if k != "promptId"} for r in records]
    write(tmp_path / f"{maker.session}.jsonl", records)

    def told() -> None:
        for name, at, fields in events_of(records, maker):
            tell(client, name, at, **fields)

    def imported() -> None:
        with psycopg.connect(fresh_database, autocommit=True) as conn:
            import_claude_code(conn, tmp_path, datetime.now(UTC), Silent())

    for step in (told, imported) if hooks_first else (imported, told):
        step()
    if hooks_first:
        told()  # and once more after the import
    prompts = [r for r in records if isinstance(r.get("message", {}).get("content"), str)]
    state = rows(fresh_database, STATE)
    assert [row[:3] for row in state] == [
        (number, r["uuid"], r["message"]["content"]) for number, r in enumerate(prompts, 1)
    ]
    assert all(row[3] and row[4] for row in state)
    assert rows(
        fresh_database, "SELECT count(*), count(duration_ms), min(duration_ms) FROM tool_usage"
    ) == [(5, 5, 1000)]
    assert rows(fresh_database, "SELECT total_prompts FROM session_summary") == [(2,)]


def test_a_prompt_without_an_id_gets_one_of_its_time(client: Client, fresh_database: str) -> None:
    for _ in range(2):
        tell(client, "UserPromptSubmit", prompt="go on")
        tell(client, "UserPromptSubmit", SENT + timedelta(minutes=1), prompt="go on")
    assert [row[0] for row in rows(fresh_database, STATE)] == [1, 2]


def test_events_that_say_nothing_that_is_kept(client: Client, fresh_database: str) -> None:
    assert not tell(client, "PreCompact", trigger="auto")
    assert not tell(client, "SomethingNew", a=[1])
    assert rows(fresh_database, "SELECT * FROM sessions") == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b"\xff", 400, "malformed-json"),
        (b"[]", 422, "refused-record"),
        (b"{}", 422, "refused-record"),
        (b'{"hook_event_name": "Stop"}', 422, "refused-record"),
        (b'{"hook_event_name": "Stop", "session_id": 5}', 422, "refused-record"),
        (b'{"hook_event_name": "UserPromptSubmit", "session_id": "s"}', 422, "refused-record"),
        (
            b'{"hook_event_name": "PostToolUse", "session_id": "s", "duration_ms": -1}',
            422,
            "refused-record",
        ),
        (b"x" * (9 << 20), 413, "too-large"),
    ],
)
def test_what_is_no_event(client: Client, body: bytes, status: int, code: str) -> None:
    answer = client.post(AT, content=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("sent", ["", "x", "-5", "9" * 30, "99999999999999", "²"])
def test_a_time_that_cannot_be_true_is_now(client: Client, fresh_database: str, sent: str) -> None:
    event = BASE | {"hook_event_name": "SessionStart"}
    assert (
        client.post(AT, json=event, headers={"X-Cynic-Sent-At": sent.encode()}).status_code == 200
    )
    ((at,),) = rows(fresh_database, "SELECT now() - last_active_at FROM sessions")
    assert at < timedelta(minutes=1)


def run_script(url: str, event: bytes, **environment: str) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), url],
        input=event,
        capture_output=True,
        env=os.environ | environment,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    return time.perf_counter() - started


def test_the_script_brings_an_event_to_the_service(client: Client, fresh_database: str) -> None:
    event = json.dumps(BASE | {"hook_event_name": "UserPromptSubmit", "prompt": "hé"}).encode()
    run_script(f"{str(client.base_url).rstrip('/')}{AT}", event)
    until = time.monotonic() + 20
    while not (found := rows(fresh_database, "SELECT last_user_message FROM session_state")):
        assert time.monotonic() < until
        time.sleep(0.02)
    assert found == [("hé",)]


def test_the_script_shows_its_key() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        run_script(f"http://127.0.0.1:{server.getsockname()[1]}/x", b"{}", CYNIC_API_KEY="sesame")
        taken, _ = server.accept()
        with taken:
            taken.settimeout(20)
            message = taken.recv(65536)
    assert message.startswith(b"POST /x HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer sesame\r\n" in message
    assert message.endswith(b"\r\n\r\n{}")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "nonsense", "https://127.0.0.1:1/", "http://a:b/", ""]
)
@pytest.mark.parametrize("event", [b"", b"{}", b"\0" * (9 << 20)], ids=["nothing", "small", "huge"])
def test_the_script_never_complains(url: str, event: bytes) -> None:
    run_script(url, event)


def test_the_script_does_not_wait_for_a_service_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        assert min(run_script(url, b"{}") for _ in range(5)) < 1
