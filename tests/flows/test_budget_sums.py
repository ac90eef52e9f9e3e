"""Sums of money to the last digit, times that can be kept, and one bad request among good ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from conftest_budget import agreed, opened
from hypothesis import given
from hypothesis import strategies as st

from cynic.base.checks import InvalidFieldError
from cynic.base.exact import plain
from cynic.flows import budget, budget_care, prices, spending
from cynic.flows.budget_answers import Entry, NotBookedError
from cynic.flows.budget_fields import Operation
from cynic.flows.repeats import RequestDiffersError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.memory import Memory

LONG = "123456789012345.123456789012345678901234567891"
LEAST = "0.000000000000000000000000000001"
CALL: dict[str, Any] = {"provider": "acme", "model": "dear", "tokens_input": 1, "tokens_output": 1}
NEVER = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
"""A time before the first one that UTC has."""


@pytest.fixture
def memory(fresh_database: str) -> Iterator[Memory]:
    with opened(fresh_database) as memory:
        yield memory


def report(**fields: Any) -> spending.Report:
    return spending.read_cost(CALL | fields)


def ask(usd: str = "1", **fields: Any) -> spending.Ask:
    return spending.read_ask({"estimated_usd": usd, "provider": "acme", "model": "dear"} | fields)


# Times


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+14:00",
        "0001-01-01T23:59:59Z",
        "9999-12-31T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        NEVER,
        NEVER.replace(tzinfo=None),
        "2026-01-01",
        "yesterday",
        20260101,
    ],
)
def test_a_time_that_cannot_be_kept_is_refused(time: object) -> None:
    with pytest.raises(InvalidFieldError, match="occurred_at"):
        report(occurred_at=time)


def test_a_time_is_kept_in_utc_from_the_first_to_the_last(fresh_database: str) -> None:
    first, last = "0001-01-02T00:00:00Z", "9999-12-30T23:59:59.999999Z"
    assert spending.moment("2026-01-01T01:30:00+01:30", "x") == datetime(2026, 1, 1, tzinfo=UTC)
    for zone in ("Asia/Manila", "America/Juneau", "Etc/GMT+12", "Etc/GMT-14"):
        with psycopg.connect(fresh_database, options=f"-c timezone={zone}") as conn:
            for text in (first, last):
                kept = spending.moment(text, "x")
                assert conn.execute("SELECT %s::timestamptz", [kept]).fetchone() == (kept,)


def test_one_that_cannot_be_made_answers_for_itself_alone(memory: Memory) -> None:
    good = Operation(kind="charge", report=report())
    bad = Operation(kind="charge", report=replace(report(), occurred_at=NEVER))
    held = memory.desk.reserve(ask())
    ended = Operation(kind="release", reservation_id=held.reservation_id)
    with memory.connection() as conn:
        group = [good, bad, ended, bad, good]
        answers = budget.transact(conn, group, memory.desk.book(conn), datetime.now(UTC))
    assert [type(one) for one in answers] == [
        Entry, NotBookedError, type(held), NotBookedError, Entry,
    ]  # fmt: skip
    assert agreed(memory)["entries"] == 2


def test_many_at_once_are_not_failed_by_one(memory: Memory) -> None:
    bad = replace(report(), occurred_at=NEVER)

    def work(number: int) -> object:
        try:
            return memory.desk.charge(bad if number % 8 == 0 else report()).cost_usd
        except NotBookedError:
            return None

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(160)))
    assert found == [None if number % 8 == 0 else Decimal("0.00005") for number in range(160)]
    assert agreed(memory)["entries"] == 140


def test_a_reset_is_to_come(memory: Memory) -> None:
    now = datetime.now(UTC)
    for bad in (now - timedelta(seconds=1), datetime(9999, 12, 31, 23, tzinfo=UTC), NEVER):
        for change in (memory.set_budget, memory.reset_budget):
            with pytest.raises(InvalidFieldError, match="next_reset"):
                change("5", next_reset=bad)
    assert memory.budget()["next_reset"] is None
    assert memory.budget()["limit_usd"] != "5"
    soon = now + timedelta(hours=1)
    assert memory.set_budget("5", next_reset=soon)["next_reset"] == soon.isoformat()
    memory.reset_budget("5", next_reset=datetime(9999, 12, 30, tzinfo=UTC))
    memory.record_cost(**CALL, cost_usd="1")
    assert memory.budget()["next_reset"] == "9999-12-30T00:00:00+00:00"


# Digits


def test_money_is_kept_to_the_last_digit_whatever_precision_the_caller_has(memory: Memory) -> None:
    with localcontext(Context(prec=3)):
        assert memory.set_budget(LONG)["limit_usd"] == LONG
        entry = memory.record_cost(**CALL, cost_usd="1." + "0" * 29 + "1")
        assert entry.document()["cost_usd"] == "1.000000000000000000000000000001"
        assert memory.reset_budget("1")["limit_usd"] == "1"
        memory.record_cost(**CALL, cost_usd=LONG)
        found = memory.budget()
    assert found["consumed_usd"] == found["top_models"][0]["cost_usd"] == LONG
    assert found["overrun_usd"] == "123456789012344.123456789012345678901234567891"
    assert found["ratio"] == "123456789012345.123457"
    agreed(memory)


@given(st.decimals(0, 10**15 - 1, allow_nan=False, places=30))
def test_an_amount_is_the_same_as_text_and_back(amount: Decimal) -> None:
    with localcontext(Context(prec=5)):
        assert spending.money(str(amount), "x") == amount
        assert Decimal(plain(amount)) == amount
        assert not plain(amount).endswith("0") or "." not in plain(amount)


def test_what_a_cheaper_model_saved_is_exact(memory: Memory) -> None:
    memory.set_budget("1")
    memory.record_cost(**CALL, cost_usd="0.9")
    with memory.connection() as conn:
        budget_care.set_cheaper(conn, ("acme", "dear"), ("acme", "cheap"))
    held = memory.desk.reserve(ask("0.01"))
    with localcontext(Context(prec=3)):
        entry = memory.settle(
            held.reservation_id, tokens_input=1, tokens_output=0, cost_usd="0." + "0" * 29 + "1"
        )
    assert plain(entry.savings_usd) == "0.000009999999999999999999999999"


def test_the_least_cost_and_the_least_limit_can_be_read(memory: Memory) -> None:
    memory.set_budget("5")
    memory.record_cost(**CALL, cost_usd=LEAST)
    assert memory.budget()["consumed_usd"] == LEAST
    assert isinstance(memory.budget()["runway_hours"], float)
    memory.set_budget(LEAST)
    memory.record_cost(**CALL, cost_usd="999999999999999")
    assert len(str(memory.budget()["ratio"])) > 40


@pytest.mark.parametrize(
    "text", ["1_0", "\u0661", "\uff11", "0x1", "", " ", "1e", "NaN", "inf", "1 0", "--1"]
)
def test_only_the_digits_of_ascii_are_money(text: str) -> None:
    with pytest.raises(InvalidFieldError, match="x"):
        spending.money(text, "x")


@pytest.mark.parametrize("text", ["10", "+1", " 5\n", ".5", "5.", "1e3", "1E-30"])
def test_other_spellings_are_money(text: str) -> None:
    assert spending.money(text, "x") == Decimal(text)


@pytest.mark.parametrize(
    "count",
    [float("nan"), float("inf"), Decimal("nan"), Decimal("snan"), Decimal("1e-31"), -1, 2**31, True, "1"],
)  # fmt: skip
def test_a_count_is_a_number_that_can_be_kept(count: object) -> None:
    with pytest.raises(InvalidFieldError, match=r"usage\.cache_read_tokens"):
        report(usage={"cache_read_tokens": count})


# Prices that come later


def test_no_unit_is_named_request() -> None:
    with pytest.raises(InvalidFieldError, match=r"usage\.request"):
        report(usage={"request": 5})


def test_one_that_cannot_be_priced_later_keeps_no_other_out(memory: Memory) -> None:
    for model in ("new-1", "new-2"):
        memory.record_cost(**CALL | {"model": model})
    bad: list[dict[str, Any]] = [{"request": 5}, {"x": "many"}]
    for usage in bad:
        memory.desk.charge(replace(report(model="new-3"), usage=usage))
    memory.desk.charge(replace(report(model="new-4"), unpriced_reason=spending.UNTOLD))
    memory.record_cost(**CALL | {"model": "new-5"})
    with memory.connection() as conn:
        units = {"input_tokens": Decimal(1), "output_tokens": Decimal(1)}
        now = datetime.now(UTC)
        prices.set_own(conn, "acme", "new-*", units, now)
        done = budget_care.reprice(conn, prices.load(conn), now)
    assert done == budget_care.Repriced(3, Decimal("0.000006"), 3)
    agreed(memory)


def test_own_prices_are_found_again_in_any_case(memory: Memory) -> None:
    now, one = datetime.now(UTC), {"input_tokens": Decimal(1)}
    with memory.connection() as conn:
        prices.set_own(conn, "Acme", "GPT-*", one, now)
        prices.set_own(conn, "acme", "gpt-*", {"input_tokens": Decimal(2)}, now)
        count = "SELECT count(*) FROM ops_model_prices WHERE source = 'own' AND retired_at IS NULL"
        assert conn.execute(count).fetchone() == (1,), "the second took the place of the first"
        conn.execute("UPDATE ops_model_prices SET model = 'GPT-*' WHERE source = 'own'")
        assert prices.unset_own(conn, "ACME", "gpt-*", now) == 1
        assert conn.execute(count).fetchone() == (0,)


def test_nothing_is_cheaper_than_itself(memory: Memory) -> None:
    with memory.connection() as conn, pytest.raises(InvalidFieldError, match="itself"):
        budget_care.set_cheaper(conn, ("acme", "dear"), ("Acme", "Dear"))


# Keys


@pytest.mark.parametrize(
    "other",
    [{"estimated_usd": "2"}, {"model": "cheap"}, {"session_id": "s"}, {"holds_seconds": 5}, {"task_type": "t"}],
)  # fmt: skip
def test_a_key_stands_for_one_reservation(memory: Memory, other: dict[str, Any]) -> None:
    first = memory.desk.reserve(ask(), key="k")
    assert memory.desk.reserve(ask("1.0"), key="k") == first
    assert memory.desk.reserve(ask(**other), key="k", caller="else") != first
    with pytest.raises(RequestDiffersError):
        memory.desk.reserve(ask(**other), key="k")
    assert memory.budget()["held_usd"] != "0"
    agreed(memory)


@pytest.mark.parametrize(
    "other",
    [
        {"cost_usd": "9"},
        {"cost_usd": None},
        {"tokens_input": 2},
        {"model": "cheap"},
        {"usage": {"cache_read_tokens": 1}},
        {"request": {"processing": "batch"}},
        {"occurred_at": "2026-01-01T00:00:00Z"},
        {"session_id": "s"},
        {"task_complexity": "simple"},
    ],
)
def test_a_key_stands_for_one_cost(memory: Memory, other: dict[str, Any]) -> None:
    given = {"cost_usd": "1", "response_id": "r"}
    first = memory.desk.charge(report(**given), key="k")
    assert memory.desk.charge(report(**given | {"cost_usd": "1.00"}), key="k") == first
    with pytest.raises(RequestDiffersError):
        memory.desk.charge(report(**given | other), key="k")
    assert agreed(memory)["entries"] == 1


def test_a_key_of_a_call_that_was_booked_before_stands_for_its_claim(memory: Memory) -> None:
    first = memory.record_cost(**CALL, response_id="r", cost_usd="1")
    linked = memory.desk.charge(report(response_id="r", cost_usd="2"), key="k")
    assert (linked.ledger_id, linked.linked) == (first.ledger_id, True)
    again = memory.desk.charge(report(response_id="r", cost_usd="2"), key="k")
    assert again.ledger_id == first.ledger_id
    with pytest.raises(RequestDiffersError):
        memory.desk.charge(report(response_id="r", cost_usd="3"), key="k")


def test_a_key_in_one_group_is_one_request(memory: Memory) -> None:
    one = Operation(kind="charge", report=report(cost_usd="1"), request_key="k")
    other = replace(one, report=report(cost_usd="2"))
    held = Operation(kind="reserve", reservation_id=memory.desk.edge().new_id(), ask=ask())
    with memory.connection() as conn:
        group = [one, one, other, held, held, replace(held, ask=ask("7"))]
        answers = budget.transact(conn, group, memory.desk.book(conn), datetime.now(UTC))
    assert answers[0] == answers[1]
    assert isinstance(answers[2], RequestDiffersError)
    assert answers[3] == answers[4]
    assert isinstance(answers[5], RequestDiffersError)
    assert agreed(memory)["entries"] == 1


def test_what_was_allowed_and_has_ended_is_not_allowed(memory: Memory) -> None:
    first = memory.desk.reserve(ask(), key="k")
    assert not first.refused
    assert memory.release(first.reservation_id).refused
    again = memory.desk.reserve(ask(), key="k")
    assert (again.refused, again.decision, again.state) == (True, "refuse", "released")
    assert "another key" in str(again.reason)
    settled = memory.desk.reserve(ask(), key="j")
    memory.settle(settled.reservation_id, tokens_input=1, tokens_output=1)
    assert memory.desk.reserve(ask(), key="j").decision == "refuse"


@pytest.mark.parametrize("key", ["", "k" * 256, "\0"])
def test_a_key_is_text(memory: Memory, key: str) -> None:
    for request in (
        lambda: memory.desk.reserve(ask(), key=key),
        lambda: memory.desk.charge(report(), key=key),
    ):
        with pytest.raises(InvalidFieldError, match="Idempotency-Key"):
            request()


# Where the money went


def test_the_lines_add_up_to_what_was_consumed(memory: Memory) -> None:
    for number in range(1, 8):
        memory.record_cost(
            **CALL | {"model": f"m{number}"}, session_id=f"s{number}", cost_usd=f"0.{number}"
        )
        found = memory.budget()
        models, sessions = found["top_models"], found["top_sessions"]
        others = [one for one in (found["other_models"], found["other_sessions"]) if one]
        assert len(models) == len(sessions) == min(number, 5)
        assert [one["count"] for one in others] == ([number - 5] * 2 if number > 5 else [])
        for lines, rest in ((models, found["other_models"]), (sessions, found["other_sessions"])):
            every = [*lines, *([rest] if rest else [])]
            assert sum(Decimal(one["cost_usd"]) for one in every) == Decimal(
                str(found["consumed_usd"])
            )
            assert sum(one["calls"] for one in every) == number
    memory.record_cost(**CALL | {"model": "new"}, session_id="new")
    assert memory.budget()["other_models"] == {
        "count": 3, "cost_usd": "0.3", "calls": 3, "tokens_input": 3, "tokens_output": 3,
    }  # fmt: skip
