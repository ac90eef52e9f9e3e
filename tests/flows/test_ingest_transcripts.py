"""Importing transcripts: once, again, grown, cut, broken, twice at once, and killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cynic.flows import ingest_transcripts, transcript_files
from cynic.flows.ingest_transcripts import Report, import_claude_code
from cynic.flows.transcript_files import NoTranscriptsFolderError
from transcript_maker import Maker, write, write_folder

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = ("sessions", "session_state", "session_summary", "tool_usage", "llm_usage", "ops_imports")
NOW = datetime(2026, 4, 1, tzinfo=UTC)
CYNIC = str(Path(sys.executable).with_name("cynic"))


class Silent:
    def begin(self, total_bytes: int) -> None: ...

    def advance(self, read_bytes: int) -> None: ...

    def wait(self) -> None: ...


@pytest.fixture
def load(conn: psycopg.Connection, tmp_path: Path) -> Callable[[], Report]:
    return lambda: import_claude_code(conn, tmp_path, NOW, Silent())


def where_rows_lie(conn: psycopg.Connection) -> dict[str, list[Any]]:
    """Every row with the place it has and the transaction that wrote it."""
    return {
        table: conn.execute(
            f"SELECT ctid, xmin, t.* FROM {table} AS t ORDER BY ctid".encode()
        ).fetchall()
        for table in TABLES
    }


def facts(conn: psycopg.Connection) -> dict[str, list[Any]]:
    """What was stored, without what depends on the order in which it came, or on who booked it."""
    left_out = {"id", "imported_at", "received_at", "cost_usd", "ledger_id"}
    found: dict[str, list[Any]] = {}
    for table in TABLES:
        cursor = conn.execute(f"SELECT to_jsonb(t) FROM {table} AS t".encode())
        rows = [{k: v for k, v in row[0].items() if k not in left_out} for row in cursor]
        for row in rows:
            if table == "session_summary":
                row.pop("created_at")
        found[table] = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return found


def one_turn(maker: Maker, tools: int = 3) -> list[dict[str, Any]]:
    return list(maker.turn(tools=tools, large=20))


def test_a_session_is_stored_with_everything_it_did(
    conn: psycopg.Connection, load: Callable[[], Report], tmp_path: Path
) -> None:
    maker = Maker(1)
    records = one_turn(maker) + one_turn(maker)
    write(tmp_path / "p" / f"{maker.session}.jsonl", records)
    report = load()
    assert (report.stored.sessions, report.stored.prompts) == (1, 2)
    assert (report.stored.tool_calls, report.stored.model_calls) == (6, 8)
    assert report.clean
    (session,) = conn.execute(
        "SELECT session_id, context, created_at, last_active_at, expires_at - last_active_at FROM sessions"
    )
    moments = [datetime.fromisoformat(r["timestamp"]) for r in records if "timestamp" in r]
    assert session[0] == maker.session
    assert session[1] == {
        "agent": "claude-code",
        "source": "transcript",
        "cwd": maker.cwd,
        "project": maker.cwd,
        "git_branch": "main",
        "version": "2.1.12",
    }
    assert (session[2], session[3]) == (min(moments), max(moments))
    assert session[4].total_seconds() == 61803
    turns = conn.execute(
        "SELECT turn_number, entry_id, last_user_message, last_assistant_message, clean_shutdown "
        "FROM session_state ORDER BY turn_number"
    ).fetchall()
    prompts = [r for r in records if "promptId" in r]
    assert [turn[0] for turn in turns] == [1, 2]
    assert [turn[1] for turn in turns] == [r["uuid"] for r in prompts]
    assert [turn[2] for turn in turns] == [r["message"]["content"] for r in prompts]
    assert all(turn[3] and turn[4] for turn in turns)
    assert conn.execute("SELECT total_prompts FROM session_summary").fetchall() == [(2,)]
    tools = conn.execute(
        "SELECT tool_name, status, duration_ms, session_id FROM tool_usage ORDER BY used_at"
    ).fetchall()
    assert tools[0] == ("Read", "ok", 1000, maker.session)
    assert {row[1] for row in tools} == {"ok"}
    calls = conn.execute(
        "SELECT adapter, tokens_input, tokens_cache_read, tokens_cache_write, cost_usd, latency_ms FROM llm_usage"
    ).fetchall()
    assert set(calls) == {("anthropic", 21204, 20000, 1200, None, None)}
    assert report.stored.tokens_input == 8 * 21204


def test_the_same_import_again_changes_no_row(
    conn: psycopg.Connection, load: Callable[[], Report], tmp_path: Path
) -> None:
    write_folder(tmp_path, 300_000)
    load()
    before = where_rows_lie(conn)
    report = load()
    assert where_rows_lie(conn) == before
    assert (report.files_read, report.bytes_read) == (0, 0)
    # Nor when everything is read again, because somebody touched the files.
    for path in tmp_path.rglob("*.jsonl"):
        os.utime(path, (1_800_000_000, 1_800_000_000))
    assert load().files_read > 0
    after = where_rows_lie(conn)
    assert {t: after[t] for t in TABLES[:-1]} == {t: before[t] for t in TABLES[:-1]}


@pytest.mark.parametrize("cut", range(1, 15))
def test_a_file_that_grows_is_read_on(
    conn: psycopg.Connection, load: Callable[[], Report], tmp_path: Path, cut: int
) -> None:
    maker = Maker(1)
    records = one_turn(maker, 4)
    path = tmp_path / f"{maker.session}.jsonl"
    size = write(path, records[:cut])
    load()
    write(path, records[cut:])
    report = load()
    assert report.bytes_read == path.stat().st_size - size
    grown = facts(conn)
    conn.execute("RESET ROLE")
    conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
    load()
    assert facts(conn) == grown


def test_a_last_line_cut_in_half_is_left_for_the_next_time(
    load: Callable[[], Report], tmp_path: Path
) -> None:
    maker = Maker(1)
    path = tmp_path / f"{maker.session}.jsonl"
    write(path, one_turn(maker))
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    report = load()
    assert (report.unfinished_lines, report.broken_lines) == (1, 0)
    path.write_bytes(whole)
    report = load()
    assert (report.unfinished_lines, report.records) == (0, {"system": 1})


def test_a_file_that_was_written_anew_is_read_from_its_start(
    conn: psycopg.Connection, load: Callable[[], Report], tmp_path: Path
) -> None:
    first, second = Maker(1), Maker(2)
    path = tmp_path / "s.jsonl"
    write(path, one_turn(first) + one_turn(first))
    load()
    path.unlink()
    write(path, one_turn(second))
    load()
    assert conn.execute("SELECT count(*) FROM sessions").fetchall() == [(2,)]
    # Larger than before, and no line begins where the last reading ended.
    path.write_bytes(
        b"\n" * 7 + b"".join(json.dumps(r).encode() + b"\n" for r in one_turn(Maker(3), 9))
    )
    load()
    assert conn.execute("SELECT count(*) FROM sessions").fetchall() == [(3,)]


def test_a_copy_of_a_session_in_another_one_is_not_counted_again(
    conn: psycopg.Connection, load: Callable[[], Report], tmp_path: Path
) -> None:
    parent = Maker(1)
    shared = one_turn(parent)
    write(tmp_path / "a.jsonl", shared)
    child = Maker(2, session="child")
    write(tmp_path / "b.jsonl", [r | {"sessionId": "child"} for r in shared] + one_turn(child))
    os.utime(tmp_path / "a.jsonl", (1_700_000_000, 1_700_000_000))
    report = load()
    assert (report.stored.prompts, report.stored.tool_calls, report.stored.model_calls) == (2, 6, 8)
    found = conn.execute(
        "SELECT session_id, total_prompts FROM session_summary ORDER BY 2, 1"
    ).fetchall()
    assert sorted(found) == sorted([(parent.session, 1), ("child", 1)])


def test_the_work_of_a_subagent_belongs_to_its_session_and_is_no_prompt(
    conn: psycopg.Connection, load: Callable[[], Report], tmp_path: Path
) -> None:
    maker = Maker(1)
    write(tmp_path / f"{maker.session}.jsonl", one_turn(maker, 0))
    maker.side, maker.cwd = "a1b2c3d", "/elsewhere"
    side = [{k: v for k, v in r.items() if k != "sessionId"} for r in one_turn(maker, 2)]
    write(tmp_path / maker.session / "subagents" / "agent-a1b2c3d.jsonl", side)
    load()
    assert conn.execute("SELECT session_id, context ->> 'cwd' FROM sessions").fetchall() == [
        (maker.session, "/home/ada/project-1")
    ]
    assert conn.execute("SELECT count(*) FROM session_state").fetchall() == [(1,)]
    assert conn.execute("SELECT count(*), min(session_id) FROM tool_usage").fetchall() == [
        (2, maker.session)
    ]


def test_broken_lines_are_told_with_their_place_and_the_rest_goes_in(
    conn: psycopg.Connection,
    load: Callable[[], Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transcript_files, "LINE_BYTES_MAX", 100_000)
    maker = Maker(1)
    bad = maker.says({"type": "text", "text": "x"})
    bad["message"]["usage"]["input_tokens"] = -5
    lines = [
        json.dumps(maker.prompt("first \0 \ud800")).encode(),
        b"{not json",
        b'{"type": "user", "x": "\xff\xfe"}',
        b"",
        b"\x00\x01\x02" * 30,
        b'{"a":' * 100_000,
        b"[" * 20_000,
        json.dumps({"type": "user", "x": "y" * 200_000}).encode(),
        json.dumps(bad).encode(),
        json.dumps({"type": "telepathy", "timestamp": "2026-03-01T00:00:00Z"}).encode(),
        json.dumps(maker.prompt("last")).encode(),
    ]
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    report = load()
    assert [fault.line for fault in report.faults] == [2, 3, 5, 6, 7, 8, 9]
    assert {fault.path for fault in report.faults} == {str(path)}
    reasons = [fault.reason for fault in report.faults]
    assert "no UTF-8" in reasons[1]
    assert "longer" in reasons[3]
    assert "nested" in reasons[4]
    assert "input_tokens" in reasons[6]
    assert report.unknown_kinds == {"telepathy": 1}
    prompts = conn.execute(
        "SELECT last_user_message FROM session_state ORDER BY turn_number"
    ).fetchall()
    assert prompts == [("first \u2400 \ufffd",), ("last",)]


def test_odd_files_and_folders(load: Callable[[], Report], tmp_path: Path) -> None:
    maker = Maker(1)
    write(tmp_path / "p" / "s.jsonl", one_turn(maker))
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "noise.jsonl").write_bytes(os.urandom(50_000))
    (tmp_path / "p" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again.jsonl").symlink_to(tmp_path / "p" / "s.jsonl")
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.jsonl").symlink_to(tmp_path / "self.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    (tmp_path / "notes.txt").write_text("no transcript")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / os.fsdecode(b"bad\xff.jsonl")).write_bytes(
        (tmp_path / "p" / "s.jsonl").read_bytes()
    )
    report = load()
    assert (report.files, report.stored.prompts, report.unreadable_files) == (4, 1, 2)
    assert report.broken_lines > 0


def test_a_file_that_may_not_be_read_is_told(
    load: Callable[[], Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path / "a.jsonl", one_turn(Maker(1)))
    write(tmp_path / "b.jsonl", one_turn(Maker(2)))
    opened = Path.open

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == "a.jsonl":
            raise PermissionError(13, "Permission denied")
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refuse)
    report = load()
    assert [(fault.line, fault.reason) for fault in report.faults] == [(None, "Permission denied")]
    assert report.stored.prompts == 1
    monkeypatch.undo()
    assert load().stored.prompts == 1


def test_a_folder_that_is_not_there(conn: psycopg.Connection, tmp_path: Path) -> None:
    with pytest.raises(NoTranscriptsFolderError):
        import_claude_code(conn, tmp_path / "nowhere", NOW, Silent())


def test_small_chunks_give_the_same_as_one(
    conn: psycopg.Connection,
    load: Callable[[], Report],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for seed in (1, 2):
        maker = Maker(seed)
        write(tmp_path / f"{seed}.jsonl", one_turn(maker, 7) + one_turn(maker, 2))
    whole = load()
    stored = facts(conn)
    conn.execute("RESET ROLE")
    conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
    monkeypatch.setattr(ingest_transcripts, "CHUNK_LINES", 2)
    report = load()
    assert facts(conn) == stored
    assert report.stored == whole.stored


def booked_once(conn: psycopg.Connection) -> bool:
    """Whether every call of a model has a row of the ledger of its own."""
    row = conn.execute(
        "SELECT count(*) > 0 AND count(*) = count(DISTINCT u.ledger_id) AND count(*) = (SELECT count(*) FROM cost_ledger)"
        " FROM llm_usage AS u"
    ).fetchone()
    return row is not None and row[0]


def command(dsn: str, folder: Path) -> list[str]:
    return [CYNIC, "--database", dsn, "import", "claude-code", str(folder), "--json"]


def test_twice_at_once_leaves_the_same_as_once(fresh_database: str, tmp_path: Path) -> None:
    write_folder(tmp_path, 3_000_000)
    both = [
        subprocess.Popen(command(fresh_database, tmp_path), stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    reports = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        found = facts(conn)
        assert booked_once(conn)
        assert sum(report["prompts"] for report in reports) == len(found["session_state"])
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        import_claude_code(conn, tmp_path, NOW, Silent())
        assert facts(conn) == found


def test_killed_in_the_middle_and_again_is_complete(fresh_database: str, tmp_path: Path) -> None:
    write_folder(tmp_path, 60_000_000)
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        process = subprocess.Popen(command(fresh_database, tmp_path), stdout=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while conn.execute("SELECT count(*) FROM ops_imports").fetchall() == [(0,)]:
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        before = facts(conn)
        report = import_claude_code(conn, tmp_path, NOW, Silent())
        found = facts(conn)
        assert len(before["ops_imports"]) > 0
        assert report.bytes_read < sum(p.stat().st_size for p in tmp_path.rglob("*.jsonl"))
        conn.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
        import_claude_code(conn, tmp_path, NOW, Silent())
        assert facts(conn) == found
