"""`cynic budget` as a person and a script meet it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cynic.db.connect import Database
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done

    Cynic = Callable[..., Done]


@pytest.fixture
def run(cynic: Cynic, fresh_database: str) -> Cynic:
    return lambda *arguments: cynic("--database", fresh_database, "budget", *arguments)


def spend(conninfo: str, usd: str | None = None, **fields: Any) -> int:
    with Memory(Database(conninfo=conninfo, source="test")) as memory:
        base = {"provider": "acme", "model": "dear", "tokens_input": 1000, "tokens_output": 100}
        return memory.record_cost(**base | {"cost_usd": usd} | fields).ledger_id


def test_from_a_limit_to_its_end(run: Cynic, fresh_database: str) -> None:
    assert run("set", "5").out == "limit 5 USD, 0 consumed, 5 left: abundant\n"
    shown = run()
    assert shown.code == 0
    assert "abundant" in shown.out
    assert "nothing burns" in shown.out
    spend(fresh_database, "4.76", session_id="night shift")
    with Memory(Database(conninfo=fresh_database, source="test")) as memory:
        assert memory.reserve(estimated_usd="1", provider="acme", model="dear").refused
    shown = run()
    assert shown.code == 6, "exhausted"
    for piece in (
        "exhausted",
        "95.20 %",
        "4.76",
        "runway",
        "acme/dear",
        "night shift",
        "refused 1 times",
        "alerts",
    ):
        assert piece in shown.out, piece
    document = json.loads(run("--json").out)
    assert (document["limit_usd"], document["consumed_usd"], document["level"]) == (
        "5",
        "4.76",
        "exhausted",
    )
    assert run("reset", "7").out == "limit 7 USD, 0 consumed, 7 left: abundant\n"
    assert "4.76 consumed in 1 calls" in run("history").out
    assert run("verify").code == 0


def test_alerts_are_seen_by_a_person(run: Cynic, fresh_database: str) -> None:
    assert run("alerts").out == "no alerts\n"
    spend(fresh_database, "96")
    assert "[NEW]" in run("alerts").out
    assert "[seen by " in run("alerts", "--seen", "1").out
    assert run("alerts", "--seen", "99").code == 3


def test_what_has_no_price_gets_one(run: Cynic, fresh_database: str) -> None:
    assert run("unpriced").out == "every call has a price\n"
    spend(fresh_database, model="secret-1")
    assert "acme/secret-1" in run("unpriced").out
    assert run("prices", "quote", "acme", "secret-1", "--input", "1", "--output", "1").code == 6
    assert run("prices", "set", "acme", "secret-*", "--input", "2", "--output", "10").code == 0
    quoted = run("prices", "quote", "acme", "secret-1", "--input", "1000", "--output", "100")
    assert quoted.out.startswith("0.003 USD by own ")
    assert run("reprice").out == "1 priced, 0.003 USD; 0 still have none\n"
    assert run("unpriced").out == "every call has a price\n"
    assert (
        run("prices", "unset", "acme", "secret-*").out == "2 prices of acme/secret-* taken away\n"
    )


def test_a_wrong_cost_is_corrected(run: Cynic, fresh_database: str) -> None:
    row = spend(fresh_database, "50")
    assert run("correct", str(row), "0.5", "--reason", "mistyped").out.endswith("-49.5 USD\n")
    assert run("correct", str(row), "0.5").out == "that is what is booked already\n"
    assert run("correct", "99", "1").code == 3
    assert json.loads(run("--json").out)["consumed_usd"] == "0.5"


def test_what_is_not_among_the_top_is_one_line(run: Cynic, fresh_database: str) -> None:
    for number in range(1, 8):
        spend(fresh_database, f"0.0{number}", model=f"m{number}", session_id=f"s{number}")
    shown = run().out
    assert shown.count("0.03 USD       2 calls  (2 others)") == 2, shown
    assert "acme/m3" in shown
    assert "acme/m2" not in shown


def test_cheaper_models_are_named(run: Cynic) -> None:
    assert run("cheaper", "acme/dear", "acme/cheap").out == "acme/dear -> acme/cheap\n"
    assert run("cheaper", "acme/dear").code == 2
    assert run("cheaper", "dear", "acme/cheap").code == 2
    assert run("cheaper", "acme/dear", "--remove").out == ""


def test_faults_have_their_exit_codes(run: Cynic) -> None:
    assert run("set", "a lot").code == 5
    assert run("set", "--", "-1").code == 5
    assert run("set", "9", "--expect", "1").code == 4
    assert run("set").code == 2
    assert run("set", "1_0").code == 5
    assert run("set", "9", "--until", "2020-01-01").code == 5
    assert run("cheaper", "acme/dear", "acme/dear").code == 5


def test_the_list_of_the_package_fills_the_table(run: Cynic) -> None:
    pytest.importorskip("genai_prices")
    quoted = run("prices", "quote", "openai", "gpt-4o-mini", "--input", "1000000", "--output", "0")
    assert quoted.out.startswith("0.15 USD by genai-prices "), "filled at the first look"
    assert "is what the table has" in run("prices", "update").out
