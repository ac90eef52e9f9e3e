"""`cynic sessions`, as a person at a terminal of 80 columns and a script meet it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from rich.cells import cell_len

import cynic as package
from agent_sessions import NOON, begin, shop

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done

    Cynic = Callable[..., Done]

NASTY = "\x1b[31mred\x1b[0m \u202egnp.exe\u202c\x07 \N{DOG FACE}" + "長い" * 60


@pytest.fixture
def here(cynic: Cynic, fresh_database: str) -> Cynic:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        shop(conn)
        later = begin(conn, "later", begun_at=NOON + timedelta(days=1), cwd="/srv/" + "deep/" * 30)
        later.prompt(1, NASTY, NASTY).tool(
            2, NASTY, "error", command=NASTY, result={"error": NASTY}
        )
        later.tool(2, "Read", file_path="/srv/" + "deep/" * 30 + NASTY).model(2, NASTY, 1, 1)
    return lambda *arguments: cynic("--database", fresh_database, "sessions", *arguments)


def test_the_list_is_for_reading(here: Cynic) -> None:
    done = here()
    assert done.code == 0, done.err
    later, first = done.out.strip().split("\n\n")
    assert later.splitlines()[-1] == "  later"
    assert first.splitlines() == [
        "2026-03-02 13:00  1 h          /srv/shop (main)",
        "  The basket loses items. Find out why.",
        "  claude-code · 2 prompts · 9 tool calls, 3 failed, 1 denied",
        "  33.0k tokens in, 1.29k out · $0.01 + 1 call without a price",
        "  shop",
    ]


def test_one_session_tells_everything(here: Cynic) -> None:
    text = here("shop").out
    for words in [
        "when     2026-03-02 12:00 to 13:00 UTC, 1 h\n",
        "82% of the tokens in came from a cache",
        "  Bash                          3       2              700 ms          9.7 s\n",
        "  Write                         1               1           ?              ?\n",
        "        1     1          src/basket.py\n",
        "  12:04:00  Bash pytest -q exit 1\n            E assert 1 == 2\n            1 failed\n",
        "  12:03:00  Read src/none.py\n",
        "  claude-haiku-4-5\n    1 call · 3.00k in, 90 out · $0.00070\n",
        "    1  12:00  The basket loses items. Find out why.\n",
        "              Grep 1 · Read 2 (1 failed) · Bash 1 (1 failed) · Edit 1\n",
        "              → A cache key without the user.\n",
    ]:
        assert words in text, words


def test_no_line_is_wider_than_the_terminal_or_steers_it(here: Cynic) -> None:
    for text in (here().out, here("later").out, here("shop").out):
        for line in text.splitlines():
            assert cell_len(line) <= 80, line
            assert line.isprintable()
    assert "[31mred[0m gnp.exe \N{DOG FACE}" in here("later").out


def test_scripts_get_json_and_filters(here: Cynic, fresh_database: str) -> None:
    document = json.loads(here("--json").out)
    assert [one["session_id"] for one in document["sessions"]] == ["later", "shop"]
    for arguments in (
        ["--directory", "SHOP"],
        ["--until", "2026-03-03"],
        ["--after", cursor(here)],
    ):
        found = json.loads(here(*arguments, "--json").out)["sessions"]
        assert [one["session_id"] for one in found] == ["shop"]
    assert "more: --after" in here("--limit", "1").err
    assert here("--agent", "nobody").err.strip() == "no session"
    with package.connect(fresh_database) as memory:
        assert memory.session("shop").document() == json.loads(here("shop", "--json").out)
        assert [line.session_id for line in memory.sessions(failed=True).lines] == ["later", "shop"]


def cursor(here: Cynic) -> str:
    return json.loads(here("--limit", "1", "--json").out)["cursor"]


def test_an_unknown_session_is_not_found(here: Cynic) -> None:
    done = here("none")
    assert (done.code, "no-such-session" in done.err) == (3, True)


def test_an_empty_memory_has_no_session(cynic: Cynic, empty_database: str) -> None:
    assert cynic("--database", empty_database, "db", "migrate").code == 0
    done = cynic("--database", empty_database, "sessions")
    assert (done.code, done.out, done.err.strip()) == (0, "", "no session")
