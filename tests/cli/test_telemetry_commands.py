"""`cynic import otlp` and `cynic telemetry`: files in, dead letters again, facts again, claims compared."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import psycopg
from google.protobuf import json_format

from otlp_spans import body, chat, event, log_body, request, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Done


def as_json(*numbers: int, indent: int | None = None) -> str:
    document = json_format.MessageToDict(request([span(1, number) for number in numbers]))
    for made, number in zip(
        document["resourceSpans"][0]["scopeSpans"][0]["spans"], numbers, strict=True
    ):
        made |= {"traceId": f"{1:032x}", "spanId": f"{number:016x}"}
    return json.dumps(document, indent=indent)


def test_every_form_of_a_file_goes_in_once(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 999}
    files = {
        "one.bin": body(span(2, 1, None, agent), span(2, 2, 1, chat(100, 10))),
        "logs.bin": log_body(event("e", {"k": 1})),
        "packed.bin.gz": gzip.compress(body(span(1, 1))),
        "pretty.json": as_json(2, 3, indent=2).encode(),
        "lines.jsonl": (as_json(4) + "\n\n" + as_json(5) + "\n").encode(),
        "lengths.pb": b"".join(
            len(one).to_bytes(4, "big") + one for one in (body(span(1, 6)), body(span(1, 7)))
        ),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    paths = [str(tmp_path / name) for name in files]
    for _ in range(2):
        done = cynic("--database", fresh_database, "import", "otlp", *paths, "--json")
        assert done.code == 0, done.err
        told = json.loads(done.out)
        assert (told["files"], told["requests"], told["spans"], told["log_records"]) == (6, 8, 9, 1)
        with psycopg.connect(fresh_database) as conn:
            assert conn.execute("SELECT count(*) FROM spans").fetchone() == (9,)
    claims = cynic("--database", fresh_database, "telemetry", "claims")
    assert "claimed 999/- counted 100/10  DIFFERS" in claims.out
    found = json.loads(cynic("--database", fresh_database, "telemetry", "claims", "--json").out)
    assert found["claims"][0]["agrees"] is False


def test_what_does_not_go_in_is_named_and_can_be_tried_again(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.bin").write_bytes(body(span(1, 1, None, {"k": "\0"}), span(1, 2)))
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    (tmp_path / "cut.pb").write_bytes(b"\0\0\1\0abc")
    named = [str(tmp_path / name) for name in ("bad.bin", "rubbish", "cut.pb")]
    done = cynic("--database", fresh_database, "import", "otlp", *named)
    assert done.code == 6
    assert "1 spans" in done.out
    assert "set aside: 1 nul" in done.err
    assert done.err.count("not read") == 2
    again = cynic("--database", fresh_database, "telemetry", "retry", "--json")
    assert again.code == 6
    assert json.loads(again.out) == {
        "letters": 1,
        "stored": 0,
        "remaining": 1,
        "reasons": {"nul": 1},
    }
    missing = cynic("--database", fresh_database, "import", "otlp", str(tmp_path / "missing"))
    assert missing.code == 3


def test_facts_are_derived_again(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    (tmp_path / "one.bin").write_bytes(body(span(1, 1, None, chat())))
    cynic("--database", fresh_database, "import", "otlp", str(tmp_path / "one.bin"))
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("UPDATE spans SET kind = 'other', tokens_input = NULL, derived_version = 0")
        conn.execute("DELETE FROM llm_usage")
    done = cynic("--database", fresh_database, "telemetry", "rederive", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["calls"] == {"new": 1, "changed": 0, "dropped": 0}
    with psycopg.connect(fresh_database) as conn:
        assert conn.execute("SELECT kind, tokens_input FROM spans").fetchone() == ("model", 100)
    nothing = cynic("--database", fresh_database, "telemetry", "rederive")
    assert nothing.out.startswith("0 spans and 0 log records")
