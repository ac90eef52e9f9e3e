"""`cynic traces` and `cynic usage`, as a person at a terminal of 80 columns and a script meet them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from rich.cells import cell_len

from traced import NOON, call, shopping, span, trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done

    Cynic = Callable[..., Done]

A = "a" * 32
NASTY = "\x1b[31mred\x1b[0m \u202egnp.exe\u202c\x07 \N{DOG FACE}" + "長い" * 60


@pytest.fixture
def here(cynic: Cynic, fresh_database: str) -> Cynic:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        shopping(conn)
        trace(conn, "b" * 32, at=NOON + timedelta(hours=1), operation=NASTY, status="error")
        span(conn, "b" * 32, "top", operation=NASTY, status="error")
        for depth in range(40):
            span(conn, "b" * 32, f"s{depth}", f"s{depth - 1}" if depth else "top", operation=NASTY)
        call(conn, model=NASTY, tokens_input=1)
    return lambda *arguments: cynic("--database", fresh_database, *arguments)


def test_the_list_is_for_reading(here: Cynic) -> None:
    done = here("traces", "--session", "basket")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "2026-03-02 12:00:00  4.2 s      plan the shopping  ERROR",
        "  5 spans · 1 failed · 1.50k tokens in, 130 out",
        "  $0.0031 + 1 call without a price",
        f"  {A}",
        "",
    ]


def test_one_trace_is_a_tree(here: Cynic) -> None:
    text = here("traces", A).out
    for words in [
        "service  shop\nsession  basket\nstatus   ok\n",
        "plan the shopping                                 4.2 s  +0 ms\n  agent, claims 1.50k in, 130 out\n",
        "  chat gpt-5                                      1.9 s  +100 ms\n    model, 1.20k in, 100 out, $0.0031\n",
        "  execute_tool search                            700 ms  +2.1 s\n    tool, ERROR\n    no such shelf\n",
        "log line                                              ?  +300 ms\n  (its parent is not here)",
    ]:
        assert words in text


def test_usage_is_a_table(here: Cynic) -> None:
    lines = here("usage", "--until", "2026-03-02").out.splitlines()
    assert lines[0] == (
        "day         model                  calls      in     out        cost  unpriced"
    )
    assert lines[1] == (
        "2026-03-02  claude-5                   1     300      30           ?         1"
    )
    assert lines[3] == "2026-03-02  gpt-5                      1   1.20k     100     $0.0031"
    assert lines[-1] == (
        "sum                                    3   1.50k     130     $0.0031         2"
    )


def test_nothing_steers_the_terminal_or_is_wider_than_it(here: Cynic) -> None:
    for arguments in (("traces",), ("traces", "b" * 32), ("usage", "--until", "2026-03-02")):
        text = here(*arguments).out
        assert text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)
        assert max(cell_len(line) for line in text.splitlines()) <= 80, arguments


def test_scripts_get_one_document(here: Cynic) -> None:
    page = json.loads(here("traces", "--limit", "1", "--json").out)
    assert page["traces"][0]["trace_id"] == "b" * 32
    onward = json.loads(here("traces", "--after", page["cursor"], "--json").out)
    assert [one["trace_id"] for one in onward["traces"]] == [A]
    assert json.loads(here("traces", "--order", "cost", "--json").out)["traces"] == onward["traces"]
    assert len(json.loads(here("traces", A, "--json").out)["spans"]) == 5
    found = json.loads(here("usage", "--until", "2026-03-02", "--days", "2", "--json").out)
    assert (found["since"], found["total"]["tokens_input"]) == ("2026-03-01", 1501)


def test_what_is_not_there_is_said(here: Cynic) -> None:
    done = here("traces", "none")
    assert (done.code, "no-such-trace" in done.err) == (3, True)
    assert here("traces", "--session", "none").err == "no trace\n"
    assert "no model call" in here("usage").err


def test_retention_says_what_goes_and_does_it(here: Cynic) -> None:
    for dry in (["--dry-run"], []):
        done = here("db", "retention", "--json", *dry)
        rules = json.loads(done.out)["rules"]
        assert (rules["traces"], rules["llm_usage"], rules["tool_usage"]) == (2, 3, 1)
    assert json.loads(here("traces", "--json").out)["traces"] == []
    found = json.loads(here("usage", "--until", "2026-03-02", "--json").out)
    assert found["total"]["tokens_input"] == 1501, "sums outlive their rows"
