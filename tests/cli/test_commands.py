"""The command line as a person and a script meet it: exit codes, JSON on stdout, talk on stderr."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

import psycopg
import pytest

from cynic.db.migration import packaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Done

    Cynic = Callable[..., Done]


def test_help_names_every_command_and_the_exit_codes(cynic: Cynic) -> None:
    done = cynic("--help")
    assert done.code == 0
    for word in ("up", "doctor", "db", "--database", "75 try again"):
        assert word in done.out
    listed = cynic("db", "--help").out
    for word in (
        "migrate",
        "down",
        "status",
        "verify",
        "browse",
        "retention",
        "backup",
        "restore",
        "url",
        "shell",
    ):
        assert f"\n  {word} " in listed


def test_a_word_that_is_no_command_is_a_usage_error(cynic: Cynic) -> None:
    assert cynic("bark").code == 2
    assert cynic("db", "down").code == 2


def test_from_empty_to_verified_and_back(cynic: Cynic, empty_database: str) -> None:
    at = ("--database", empty_database)
    assert cynic(*at, "db", "verify").code == 6
    applied = json.loads(cynic(*at, "db", "migrate", "--to", "026", "--json").out)
    assert applied["applied"][-1] == "026_qlearning_persistence"
    states = json.loads(cynic(*at, "db", "status", "--json").out)
    assert [s["state"] for s in states].count("pending") == len(packaged()) - len(
        applied["applied"]
    )
    assert cynic(*at, "db", "migrate").code == 0
    assert "nothing to apply" in cynic(*at, "db", "migrate").err
    done = cynic(*at, "db", "verify", "--json")
    assert (done.code, json.loads(done.out)["ok"]) == (0, True)
    undone = json.loads(cynic(*at, "db", "down", "--to", "046", "--json").out)["undone"]
    assert undone == [m.name for m in reversed(packaged()) if m.number > 46]
    assert cynic(*at, "db", "verify").code == 6
    assert cynic(*at, "db", "down", "--to", "nowhere").code == 3


def test_verify_lists_what_differs_and_what_is_extra(cynic: Cynic, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("DROP INDEX idx_judgments_hash")
        conn.execute("CREATE TABLE stray (n integer)")
    done = cynic("--database", fresh_database, "db", "verify")
    assert done.code == 6
    assert "idx_judgments_hash" in done.out
    assert "stray" in done.out


def test_an_edited_migration_is_a_conflict_that_names_it(cynic: Cynic, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("UPDATE _migrations SET sha256 = 'x' WHERE name = '005_learning'")
    done = cynic("--database", fresh_database, "db", "migrate")
    assert done.code == 4
    assert "005_learning" in done.err
    assert "[migration-edited]" in done.err


def test_a_database_that_does_not_answer_is_unavailable_and_shows_no_password(cynic: Cynic) -> None:
    done = cynic("db", "status", CYNIC_DATABASE_URL="postgresql://me:secret@127.0.0.1:1/nowhere")
    assert done.code == 69
    assert "[database-unreachable]" in done.err
    assert "secret" not in done.err + done.out
    assert "Traceback" not in done.err


def test_offline_sql_needs_no_database(cynic: Cynic) -> None:
    done = cynic(
        "db",
        "migrate",
        "--sql",
        "--schema",
        "acme",
        CYNIC_DATABASE_URL="postgresql://127.0.0.1:1/nowhere",
    )
    assert done.code == 0
    assert 'SET search_path = "acme"' in done.out
    assert all(f"-- {m.name}\n" in done.out for m in packaged())


def test_url_hides_the_password_and_says_where_it_came_from(cynic: Cynic) -> None:
    done = cynic("db", "url", DATABASE_URL="postgresql://me:secret@localhost/x")
    assert done.code == 0
    assert "secret" not in done.out
    assert "user=me" in done.out
    assert "DATABASE_URL" in done.err


def test_browse_exports_the_same_rows_in_every_format(cynic: Cynic, fresh_database: str) -> None:
    at = (
        "--database",
        fresh_database,
        "db",
        "browse",
        "routing_weights",
        "--where",
        "dog_name=Guardian",
        "--sort",
        "context_type",
        "--columns",
        "context_type,weight",
    )
    rows = json.loads(cynic(*at, "--json").out)["rows"]
    assert len(rows) == 10
    lines = [
        json.loads(line)
        for line in cynic(*at, "--format", "jsonl", "--all", "--limit", "3").out.splitlines()
    ]
    assert lines == rows
    table = list(csv.DictReader(io.StringIO(cynic(*at, "--format", "csv").out)))
    assert [(r["context_type"], r["weight"]) for r in table] == [
        (r["context_type"], r["weight"]) for r in rows
    ]
    assert (
        "Guardian"
        in cynic(
            "--database", fresh_database, "db", "browse", "routing_weights", "--limit", "200"
        ).out
    )
    page = json.loads(cynic(*at, "--json", "--limit", "4").out)
    more = json.loads(cynic(*at, "--json", "--limit", "20", "--after", page["cursor"]).out)
    assert page["rows"] + more["rows"] == rows


@pytest.mark.parametrize(("columns", "layout"), [(80, "row 1 "), (300, "┏")])
def test_on_a_terminal_nothing_is_squeezed_out_of_sight(
    fresh_database: str, columns: int, layout: str
) -> None:
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    at = ["--database", fresh_database, "db", "browse", "routing_weights"]
    command = [sys.executable, "-m", "cynic", *at, "--limit", "2", "--sort", "context_type"]
    environment = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
    with subprocess.Popen(
        command, stdout=terminal, stderr=subprocess.DEVNULL, env=environment | {"TERM": "xterm"}
    ) as process:
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(screen, 65536):
                shown += piece
        except OSError:  # the other end closed
            pass
    os.close(screen)
    assert process.returncode == 0
    text = shown.decode()
    assert layout in text
    for name in ("dog_name", "positive_count", "last_update", "fisher_score"):
        assert name in text


def test_browse_lists_the_tables_and_names_what_is_unknown(
    cynic: Cynic, fresh_database: str
) -> None:
    listed = json.loads(cynic("--database", fresh_database, "db", "browse", "--json").out)
    assert len([one for one in listed if not one["table"].startswith("ops_")]) == 108
    assert "ops_secrets" not in [one["table"] for one in listed]
    done = cynic("--database", fresh_database, "db", "browse", "nowhere")
    assert (done.code, "[unknown-table]" in done.err) == (3, True)
    done = cynic("--database", fresh_database, "db", "browse", "users", "--where", "secret=1")
    assert (done.code, "[unknown-column]" in done.err) == (5, True)


def test_retention_reports_rule_by_rule(cynic: Cynic, fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO unified_signals (id, source, timestamp) VALUES ('a', 'judgment', now() - interval '31 days')"
        )
    at = ("--database", fresh_database, "db", "retention", "--json")
    assert json.loads(cynic(*at, "--dry-run").out)["rules"]["unified_signals"] == 1
    assert json.loads(cynic(*at).out)["rules"]["unified_signals"] == 1
    assert json.loads(cynic(*at).out)["rules"]["unified_signals"] == 0


def test_backup_and_restore_by_hand(
    cynic: Cynic, fresh_database: str, empty_database: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "a backup")
    assert cynic("--database", fresh_database, "db", "backup", file).code == 0
    assert cynic("--database", empty_database, "db", "restore", file).code == 0
    assert cynic("--database", empty_database, "db", "verify").code == 0
    assert cynic("--database", fresh_database, "db", "restore", file).code == 4


def test_the_shell_is_psql_and_its_exit_code_ours(cynic: Cynic, fresh_database: str) -> None:
    done = cynic(
        "--database",
        fresh_database,
        "db",
        "shell",
        "-X",
        "-A",
        "-t",
        "-c",
        "SELECT count(*) FROM routing_weights",
    )
    assert (done.code, done.out.strip()) == (0, "110")
    assert (
        cynic("--database", fresh_database, "db", "shell", "-X", "-c", "SELECT nonsense").code == 1
    )


def test_doctor_finds_nothing_wrong_and_then_something(
    cynic: Cynic, fresh_database: str, empty_database: str
) -> None:
    done = cynic("--database", fresh_database, "doctor", "--json")
    assert done.code == 0, done.out
    assert {c["check"] for c in json.loads(done.out)} >= {"server", "migrations", "roles", "schema"}
    done = cynic("--database", empty_database, "doctor")
    assert done.code == 6
    assert "WRONG" in done.out


def test_a_reader_that_leaves_is_no_error(fresh_database: str) -> None:
    command = f"'{sys.executable}' -m cynic --database '{fresh_database}' db browse routing_weights --format jsonl --all --limit 1 | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_others_can_reach_is_refused_without_a_key(
    cynic: Cynic, fresh_database: str, host: str
) -> None:
    done = cynic("up", "--host", host, CYNIC_DATABASE_URL=fresh_database)
    assert done.code == 2
    assert "[not-loopback]" in done.err
    assert "cynic keys create" in done.err
