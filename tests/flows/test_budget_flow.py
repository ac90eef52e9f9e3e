"""The budget: admitted exactly, booked always, one row for a call, the same answer twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from conftest_budget import agreed, opened

from cynic.base.checks import InvalidFieldError
from cynic.flows import budget, budget_care, spending
from cynic.flows.budget_answers import (
    BudgetRefusedError,
    SettledReservationError,
    UnknownReservationError,
)
from cynic.flows.budget_fields import Operation, price_of
from cynic.flows.prices import set_own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cynic.memory import Memory

FUTURE = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def memory(fresh_database: str) -> Iterator[Memory]:
    with opened(fresh_database) as memory:
        yield memory


def ask(memory: Memory, usd: str, model: str = "dear", **fields: Any) -> Any:
    return memory.reserve(estimated_usd=usd, provider="acme", model=model, **fields)


def spend(memory: Memory, usd: str, **fields: Any) -> Any:
    base = {"provider": "acme", "model": "dear", "tokens_input": 1, "tokens_output": 1}
    return memory.record_cost(**base | {"cost_usd": usd} | fields)


def booked(memory: Memory, conn: psycopg.Connection, *reports: spending.Report) -> list[int]:
    """Book calls as telemetry does; the ids of their ledger rows."""
    now, book = datetime.now(UTC), memory.desk.book(conn)
    priced = [(one, price_of(one, book, one.occurred_at or now)) for one in reports]
    return budget.charge(conn, budget.charges(priced), now)[0]


def shown(memory: Memory, *names: str) -> tuple[object, ...]:
    found = memory.budget()
    return tuple(found[name] for name in names)


def test_an_estimate_is_held_and_settling_books_the_truth_and_gives_back_the_rest(
    memory: Memory,
) -> None:
    memory.set_budget("1")
    held = ask(memory, "0.5", session_id="s", task_type="review")
    assert (held.decision, held.provider, held.model) == ("allow", "acme", "dear")
    assert shown(memory, "held_usd", "consumed_usd") == ("0.5", "0")
    entry = memory.settle(held.reservation_id, tokens_input=1000, tokens_output=500)
    assert entry.cost_usd == Decimal("0.03")
    assert (entry.budget_before, entry.budget_after) == (0, Decimal("0.03"))
    assert (entry.provider, entry.model, entry.session_id, entry.task_type) == (
        "acme",
        "dear",
        "s",
        "review",
    )
    assert (entry.price_source, entry.price_version, entry.linked) == ("test", "1", False)
    assert shown(memory, "held_usd", "consumed_usd", "total_calls") == ("0", "0.03", 1)
    agreed(memory)


def test_a_settlement_twice_is_one_row_and_the_same_answer(memory: Memory) -> None:
    held = ask(memory, "0.5")
    first = memory.settle(held.reservation_id, tokens_input=10, tokens_output=0)
    again = memory.settle(held.reservation_id, tokens_input=99999, tokens_output=7, cost_usd="3")
    assert again == first
    with pytest.raises(SettledReservationError):
        memory.release(held.reservation_id)
    assert agreed(memory)["entries"] == 1


def test_a_release_gives_all_back_and_can_be_said_twice(memory: Memory) -> None:
    held = ask(memory, "0.5")
    assert memory.release(held.reservation_id).state == "released"
    assert memory.release(held.reservation_id).state == "released"
    assert shown(memory, "held_usd", "consumed_usd") == ("0", "0")
    late = memory.settle(held.reservation_id, tokens_input=1000, tokens_output=0)
    assert late.cost_usd == Decimal("0.01"), "it was called after all: a fact"
    agreed(memory)


def test_what_is_not_known_is_not_found(memory: Memory) -> None:
    with pytest.raises(UnknownReservationError):
        memory.settle(uuid4(), tokens_input=1, tokens_output=1)
    with pytest.raises(UnknownReservationError):
        memory.release(uuid4())


def test_admission_counts_what_is_held(memory: Memory) -> None:
    memory.set_budget("1")
    assert ask(memory, "0.6").decision == "allow"
    refused = ask(memory, "0.400001")
    assert (refused.decision, refused.state) == ("refuse", "refused")
    assert "0.6 held" in refused.reason
    assert ask(memory, "0.4").decision == "allow", "exactly the limit fits"
    assert ask(memory, "0.0000000001").decision == "refuse"
    assert ask(memory, "0").decision == "allow"


def test_a_hold_expires_by_itself(memory: Memory, fresh_database: str) -> None:
    memory.set_budget("1")
    held = ask(memory, "0.9", holds_seconds=60)
    assert ask(memory, "0.9").decision == "refuse"
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("UPDATE ops_budget_reservations SET expires_at = now() - interval '1 second'")
    assert shown(memory, "held_usd") == ("0",), "readers do not wait for whoever cleans up"
    assert ask(memory, "0.9").decision == "allow"
    entry = memory.settle(held.reservation_id, tokens_input=0, tokens_output=0, cost_usd="0.7")
    assert entry.cost_usd == Decimal("0.7"), "late, but a fact"
    assert shown(memory, "held_usd", "consumed_usd") == ("0.9", "0.7")
    agreed(memory)


def test_facts_above_the_limit_are_booked_and_shown(memory: Memory) -> None:
    memory.set_budget("1")
    held = ask(memory, "0.1")
    memory.settle(held.reservation_id, tokens_input=0, tokens_output=0, cost_usd="1.5")
    assert shown(memory, "level", "breaker", "remaining_usd", "overrun_usd", "ratio") == (
        "exhausted", True, "0", "0.5", "1.5",
    )  # fmt: skip
    spend(memory, "0.25")
    assert shown(memory, "overrun_usd") == ("0.75",)
    refused = ask(memory, "0")
    assert refused.decision == "refuse"
    assert refused.reason == "exhausted: 1.75 of 1 USD consumed"


def test_a_critical_budget_takes_the_cheaper_model_where_one_is_named(memory: Memory) -> None:
    memory.set_budget("1")
    spend(memory, "0.8")
    assert ask(memory, "0.01").decision == "allow"
    with memory.connection() as conn:
        budget_care.set_cheaper(conn, ("acme", "dear"), ("acme", "cheap"))
    held = ask(memory, "0.01")
    assert (held.decision, held.provider, held.model) == ("degrade", "acme", "cheap")
    entry = memory.settle(held.reservation_id, tokens_input=1000, tokens_output=500)
    assert (entry.degraded, entry.model) == (True, "cheap")
    assert (entry.cost_usd, entry.savings_usd) == (Decimal("0.003"), Decimal("0.027"))
    assert shown(memory, "saved_usd") == ("0.027",)
    assert ask(memory, "0.01", "cheap").decision == "allow"


def test_another_memory_settles_what_this_one_reserved(memory: Memory, fresh_database: str) -> None:
    from cynic.db.connect import Database
    from cynic.memory import Memory as Other

    held = ask(memory, "0.5", session_id="s")
    with Other(Database(conninfo=fresh_database, source="test")) as other:
        entry = other.settle(held.reservation_id, tokens_input=1000, tokens_output=0)
    assert (entry.cost_usd, entry.session_id) == (Decimal("0.01"), "s")


class TestOneCallOneRow:
    def test_the_second_report_of_a_call_is_linked(self, memory: Memory) -> None:
        first = spend(memory, "0.5", response_id="r1")
        again = spend(memory, "0.7", response_id="r1")
        assert (again.ledger_id, again.cost_usd, again.linked) == (
            first.ledger_id,
            Decimal("0.5"),
            True,
        )
        assert agreed(memory)["consumed_usd"] == "0.5"
        with memory.connection() as conn:
            rows = conn.execute(
                "SELECT ledger_id, claimed_cost_usd, linked FROM ops_cost_reports"
            ).fetchall()
        assert rows == [(first.ledger_id, Decimal("0.7"), True)], "the other number is kept"

    def test_a_settled_call_that_was_booked_before_is_linked_and_its_hold_given_back(
        self, memory: Memory
    ) -> None:
        first = spend(memory, "0.5", trace_id="t", span_id="x")
        held = ask(memory, "0.9")
        linked = memory.settle(
            held.reservation_id, tokens_input=1, tokens_output=1, trace_id="t", span_id="x"
        )
        assert (linked.ledger_id, linked.linked) == (first.ledger_id, True)
        assert shown(memory, "held_usd", "consumed_usd") == ("0", "0.5")
        repeated = memory.settle(held.reservation_id, tokens_input=1, tokens_output=1)
        assert repeated.ledger_id == first.ledger_id
        agreed(memory)

    def test_other_providers_and_other_traces_are_other_calls(self, memory: Memory) -> None:
        spend(memory, "0.1", response_id="r1")
        spend(memory, "0.1", response_id="r1", provider="other")
        spend(memory, "0.1", trace_id="t", span_id="x")
        spend(memory, "0.1", trace_id="u", span_id="x")
        spend(memory, "0.1")
        spend(memory, "0.1")
        assert agreed(memory)["entries"] == 6

    def test_a_provider_is_one_however_it_is_spelled(self, memory: Memory) -> None:
        first = spend(memory, "0.1", response_id="r", provider="ACME ")
        again = spend(memory, "0.1", response_id="r", provider="acme")
        assert (again.ledger_id, again.provider) == (first.ledger_id, "acme")

    @pytest.mark.parametrize(
        "told",
        [
            [{"response_id": "r"}, {"response_id": "r", "trace_id": "t", "span_id": "s"}, {"trace_id": "t", "span_id": "s"}],
            [{"trace_id": "t", "span_id": "s"}, {"response_id": "r", "trace_id": "t", "span_id": "s"}, {"response_id": "r"}],
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("at_once", [False, True])
    def test_a_report_links_the_keys_it_came_with(
        self, memory: Memory, told: list[dict[str, str]], at_once: bool
    ) -> None:
        reports = [
            spending.Report(
                provider="acme", model="dear", tokens_input=1000, tokens_output=0, **keys
            )
            for keys in told
        ]
        given = [Operation(kind="charge", report=one) for one in reports]
        with memory.connection() as conn:
            book = memory.desk.book(conn)
            for group in [given] if at_once else [[one] for one in given]:
                budget.transact(conn, group, book, datetime.now(UTC))
        assert agreed(memory)["entries"] == 1

    def test_two_calls_within_one_span_are_two(self, memory: Memory) -> None:
        spend(memory, "0.1", response_id="a", trace_id="t", span_id="s")
        second = spend(memory, "0.2", response_id="b", trace_id="t", span_id="s")
        assert not second.linked
        assert spend(memory, "0.2", response_id="b", trace_id="t", span_id="s").linked
        assert agreed(memory)["entries"] == 2

    def test_reports_of_one_call_in_one_statement(self, memory: Memory) -> None:
        def report(response: str | None, span: str | None) -> Operation:
            trace = None if span is None else "t"
            fields = spending.Report(
                provider="acme", model="dear", tokens_input=1000, tokens_output=0,
                response_id=response, trace_id=trace, span_id=span,
            )  # fmt: skip
            return Operation(kind="charge", report=fields)

        given = [
            report("a", "1"),
            report("a", "2"),
            report(None, "1"),
            report("b", "3"),
            report(None, None),
        ]
        with memory.connection() as conn:
            done = budget.transact(conn, given, memory.desk.book(conn), datetime.now(UTC))
        ids = [one.ledger_id for one in done]  # type: ignore[union-attr]
        assert ids[0] == ids[1] == ids[2]
        assert len(set(ids)) == 3
        assert [one.linked for one in done] == [False, True, True, False, False]  # type: ignore[union-attr]
        assert agreed(memory)["consumed_usd"] == "0.03"

    @pytest.mark.parametrize(
        "order", ["settle release", "release settle", "settle settle", "release release"]
    )
    def test_two_who_end_the_same_reservation_at_once(self, memory: Memory, order: str) -> None:
        """Gathered into one statement they have the effect of one after the other."""
        other, held = ask(memory, "5"), ask(memory, "0.5")
        report = spending.Report(provider=None, model=None, tokens_input=1000, tokens_output=0)
        given = [
            Operation(kind="settle", reservation_id=held.reservation_id, report=report)
            if kind == "settle"
            else Operation(kind="release", reservation_id=held.reservation_id)
            for kind in order.split()
        ]
        with memory.connection() as conn:
            done = budget.transact(conn, given, memory.desk.book(conn), datetime.now(UTC))
        names = [type(one).__name__ for one in done]
        assert (
            names
            == {
                "settle release": ["Entry", "SettledReservationError"],
                "release settle": ["Reservation", "Entry"],
                "settle settle": ["Entry", "Entry"],
                "release release": ["Reservation", "Reservation"],
            }[order]
        )
        assert shown(memory, "held_usd") == ("5",)
        memory.release(other.reservation_id)
        agreed(memory)

    def test_a_call_of_nobody_is_booked_as_unknown(self, memory: Memory) -> None:
        report = spending.Report(
            provider=None, model=None, tokens_input=1, tokens_output=1, source="otlp"
        )
        with memory.connection() as conn, conn.transaction():
            (entry,) = budget.entries_of(conn, booked(memory, conn, report))
        assert (entry.provider, entry.model, entry.cost_usd) == ("unknown", "unknown", None)

    def test_a_request_with_a_key_has_one_effect(self, memory: Memory) -> None:
        report = spending.read_cost(
            {
                "provider": "acme",
                "model": "dear",
                "tokens_input": 1,
                "tokens_output": 1,
                "cost_usd": "1",
            }
        )
        first = memory.desk.charge(report, key="k", caller="ada")
        again = memory.desk.charge(report, key="k", caller="ada")
        assert (again.ledger_id, again.linked) == (first.ledger_id, False)
        assert memory.desk.charge(report, key="k", caller="bob").ledger_id != first.ledger_id
        asked = spending.read_ask({"provider": "acme", "model": "dear", "estimated_usd": "1"})
        held = memory.desk.reserve(asked, key="k", caller="ada")
        assert memory.desk.reserve(asked, key="k", caller="ada") == held
        assert shown(memory, "held_usd") == ("1",)


class TestPricesOfCalls:
    def test_the_bill_is_booked_and_our_price_kept_beside_it(self, memory: Memory) -> None:
        entry = spend(memory, "0.5", tokens_input=1000, tokens_output=0)
        assert (entry.cost_usd, entry.claimed_cost_usd, entry.our_cost_usd) == (
            Decimal("0.5"), Decimal("0.5"), Decimal("0.01"),
        )  # fmt: skip

    def test_from_telemetry_our_price_is_booked_and_the_claim_kept(self, memory: Memory) -> None:
        with memory.connection() as conn, conn.transaction():
            reports = [
                spending.Report(
                    provider="acme", model=model, tokens_input=1000, tokens_output=0, cost_usd=Decimal(9), source="otlp"
                )
                for model in ("dear", "unheard-of")
            ]  # fmt: skip
            entries = budget.entries_of(conn, booked(memory, conn, *reports))
        assert [(e.cost_usd, e.claimed_cost_usd, e.source) for e in entries] == [
            (Decimal("0.01"), 9, "otlp"),
            (None, 9, "otlp"),
        ]
        agreed(memory)

    def test_a_row_of_telemetry_becomes_a_report(self, memory: Memory) -> None:
        row: dict[str, Any] = {
            "adapter": "acme", "model": "dear", "tokens_input": 1000, "tokens_output": 0, "tokens_cache_read": 10,
            "tokens_cache_write": None, "tokens_reasoning": None, "claimed_cost_usd": Decimal(9), "occurred_at": None,
            "response_id": "r", "trace_id": "t", "span_id": "x", "session_id": "s",
        }  # fmt: skip
        told = spending.telemetry_report(**row, is_usage_told=True)
        untold = spending.telemetry_report(
            **row | {"response_id": None, "span_id": "y"}, is_usage_told=False
        )
        with memory.connection() as conn:
            for _ in range(2):  # the same batch again books nothing
                with conn.transaction():
                    done = booked(memory, conn, told, untold)
            entries = budget.entries_of(conn, done)
        assert [one.cost_usd for one in entries] == [Decimal("0.01"), None]
        assert entries[1].unpriced_reason == "the report does not tell what was used"
        assert agreed(memory)["entries"] == 2

    def test_no_price_is_no_zero_and_is_priced_later(self, memory: Memory) -> None:
        entry = memory.record_cost(
            provider="acme", model="secret", tokens_input=1000, tokens_output=10, usage={"cache_read_tokens": 400}
        )  # fmt: skip
        assert entry.cost_usd is None
        assert entry.unpriced_reason == "no price for this model of acme"
        assert shown(memory, "consumed_usd", "unpriced", "total_calls") == ("0", 1, 1)
        now = datetime.now(UTC)
        with memory.connection() as conn:
            assert budget_care.reprice(conn, memory.desk.book(conn), now).left == 1
            units = {
                "input_tokens": Decimal(1),
                "output_tokens": Decimal(4),
                "cache_read_tokens": Decimal("0.1"),
            }
            set_own(conn, "acme", "secret", units, now)
            from cynic.flows.prices import load

            done = budget_care.reprice(conn, load(conn), now)
            assert (done.priced, done.left) == (1, 0)
            assert done.cost_usd == Decimal("0.00068")
            assert budget_care.reprice(conn, load(conn), now).priced == 0
            rows = conn.execute(
                "SELECT corrects_id, cost_usd, price_source, tokens_input FROM cost_ledger ORDER BY id"
            ).fetchall()
        assert rows == [(None, None, None, 1000), (entry.ledger_id, Decimal("0.00068"), "own", 0)]
        assert shown(memory, "consumed_usd", "unpriced", "total_calls") == ("0.00068", 0, 1)
        agreed(memory)

    def test_a_wrong_cost_is_corrected_either_way_and_never_rewritten(self, memory: Memory) -> None:
        entry = spend(memory, "5")
        now = datetime.now(UTC)
        with memory.connection() as conn:
            down = budget_care.correct(
                conn, entry.ledger_id, Decimal("0.5"), now, reason="mistyped"
            )
            assert down is not None
            assert (down.cost_usd, down.credit_usd, down.corrects_id) == (
                0,
                Decimal("4.5"),
                entry.ledger_id,
            )
            up = budget_care.correct(conn, down.ledger_id, Decimal("0.75"), now)
            assert up is not None
            assert (up.cost_usd, up.corrects_id) == (Decimal("0.25"), entry.ledger_id)
            assert budget_care.correct(conn, entry.ledger_id, Decimal("0.75"), now) is None
            with pytest.raises(budget_care.UnknownEntryError):
                budget_care.correct(conn, 999, Decimal(1), now)
            budget_care.reset(conn, now)
            with pytest.raises(budget_care.ImpossibleCorrectionError):
                budget_care.correct(conn, entry.ledger_id, Decimal(0), now)
        assert agreed(memory)["entries"] == 3


class TestLimit:
    def test_two_operators_at_once(self, memory: Memory) -> None:
        memory.set_budget("10", by="ada")
        memory.set_budget("20", expected_usd="10", by="bob")
        with pytest.raises(budget_care.LimitChangedError):
            memory.set_budget("30", expected_usd="10", by="ada")
        with memory.connection() as conn:
            rows = conn.execute(
                "SELECT kind, limit_before_usd, limit_after_usd, changed_by FROM ops_budget_changes ORDER BY id"
            ).fetchall()
        assert rows == [("limit", 100, 10, "ada"), ("limit", 10, 20, "bob")]

    def test_of_many_operators_who_saw_the_same_limit_one_wins(self, memory: Memory) -> None:
        def change(number: int) -> bool:
            try:
                memory.set_budget(str(number + 1), expected_usd="100")
            except budget_care.LimitChangedError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(change, range(8))) == 1

    def test_lowering_it_crosses_a_level_and_raising_it_does_not(self, memory: Memory) -> None:
        spend(memory, "50")
        memory.set_budget("60")
        memory.set_budget("51")
        memory.set_budget("60")
        memory.set_budget("1000")
        with memory.connection() as conn:
            rows = conn.execute(
                "SELECT alert_type, severity FROM budget_alerts ORDER BY id"
            ).fetchall()
        assert rows == [("critical", "critical"), ("exhausted", "fatal")]

    def test_a_reset_keeps_what_the_period_was(self, memory: Memory) -> None:
        spend(memory, "3")
        last = spend(memory, "4")
        held = ask(memory, "5")
        state = memory.reset_budget("20", by="ada")
        assert (state["limit_usd"], state["consumed_usd"], state["total_calls"]) == ("20", "0", 0)
        assert state["held_usd"] == "5", "what was allowed may still be spent"
        memory.settle(held.reservation_id, tokens_input=0, tokens_output=0, cost_usd="1")
        with memory.connection() as conn:
            (row,) = conn.execute(
                "SELECT kind, consumed_usd, total_calls, last_ledger_id, changed_by FROM ops_budget_changes"
            ).fetchall()
        assert row == ("reset", 7, 2, last.ledger_id, "ada")
        assert agreed(memory)["ledger_usd"] == "1"


class TestAlerts:
    def test_an_alert_is_raised_once_per_crossing_and_seen_by_a_person(
        self, memory: Memory
    ) -> None:
        memory.set_budget("10")
        for usd in ("8", "0.5", "1", "1"):
            spend(memory, usd)
        with memory.connection() as conn:
            found = conn.execute("SELECT id, alert_type FROM budget_alerts ORDER BY id").fetchall()
            assert [kind for _, kind in found] == ["critical", "exhausted"]
            now = datetime.now(UTC)
            budget_care.acknowledge(conn, found[0][0], "ada", now)
            budget_care.acknowledge(conn, found[0][0], "bob", now)
            with pytest.raises(budget_care.UnknownEntryError):
                budget_care.acknowledge(conn, 999, "ada", now)
            seen = conn.execute(
                "SELECT acknowledged, acknowledged_by FROM budget_alerts ORDER BY id"
            ).fetchall()
        assert seen == [(True, "ada"), (False, None)]
        assert shown(memory, "alerts_unseen") == (1,)

    def test_money_that_goes_too_fast_raises_one_alarm(self, fresh_database: str) -> None:
        """An hour at a dollar a minute with 100 dollars and a day to go; then silence; then again."""
        with psycopg.connect(fresh_database, autocommit=True) as conn:
            conn.execute("SELECT reset_budget(100, NULL, NULL, %s)", [FUTURE])

            def spend_at(minute: int) -> None:
                operation = '[{"place": 0, "kind": "charge", "provider": "p", "model": "m", "cost_usd": 0.2}]'
                at = FUTURE + timedelta(minutes=minute)
                conn.execute("SELECT * FROM transact_budget(%s, %s)", [operation, at])

            def alarms() -> int:
                row = conn.execute(
                    "SELECT count(*) FROM budget_alerts WHERE alert_type = 'velocity_alarm'"
                ).fetchone()
                assert row is not None
                return row[0]

            spend_at(0)
            assert alarms() == 0, "one charge is no speed yet"
            for minute in range(1, 60):
                spend_at(minute)
            assert alarms() == 1
            conn.execute(
                "SELECT * FROM transact_budget('[]', %s)", [FUTURE + timedelta(minutes=75)]
            )
            assert conn.execute("SELECT velocity_alarm FROM budget_state").fetchone() == (False,)
            for minute in range(76, 90):
                spend_at(minute)
            assert alarms() == 2, "a new crossing"
            conn.execute(
                "SELECT reset_budget(NULL, NULL, NULL, %s)", [FUTURE + timedelta(minutes=90)]
            )
            spend_at(91)
            assert alarms() == 2, "the same hurry, whatever period it is in"

    def test_a_budget_that_lasts_until_its_reset_raises_none(self, fresh_database: str) -> None:
        with psycopg.connect(fresh_database, autocommit=True) as conn:
            soon = FUTURE + timedelta(hours=2)
            conn.execute("SELECT reset_budget(100, NULL, %s, %s)", [soon, FUTURE])
            for minute in range(60):
                operation = '[{"place": 0, "kind": "charge", "provider": "p", "model": "m", "cost_usd": 0.2}]'
                conn.execute(
                    "SELECT * FROM transact_budget(%s, %s)",
                    [operation, FUTURE + timedelta(minutes=minute)],
                )
            assert conn.execute("SELECT count(*) FROM budget_alerts").fetchone() == (0,)
            burn = conn.execute(
                "SELECT burn_rate_usd_per_hour, estimated_runway_hours FROM budget_state"
            ).fetchone()
            assert burn == (Decimal("12.0"), 7)


def test_rates_are_nothing_while_nothing_burns(memory: Memory) -> None:
    assert shown(memory, "burn_rate_usd_per_hour", "runway_hours") == (None, None)
    spend(memory, "2")
    assert shown(memory, "burn_rate_usd_per_hour", "runway_hours") == ("2", 49.0)


class TestSpending:
    def test_a_block_reserves_and_settles(self, memory: Memory) -> None:
        with memory.spending("0.5", provider="acme", model="dear", session_id="s") as spent:
            assert shown(memory, "held_usd") == ("0.5",)
            spent.settle(tokens_input=1000, tokens_output=0, response_id="r")
        assert spent.entry is not None
        assert spent.entry.cost_usd == Decimal("0.01")
        assert shown(memory, "held_usd", "consumed_usd") == ("0", "0.01")

    def test_a_block_that_fails_gives_the_hold_back(self, memory: Memory) -> None:
        with pytest.raises(RuntimeError), memory.spending(estimate_usd=0.5):
            raise RuntimeError
        assert shown(memory, "held_usd", "consumed_usd", "total_calls") == ("0", "0", 0)

    def test_a_block_that_says_nothing_leaves_a_call_without_a_price(self, memory: Memory) -> None:
        with memory.spending("0.5", provider="acme", model="dear"):
            pass
        assert shown(memory, "held_usd", "unpriced", "total_calls") == ("0", 1, 1)

    def test_a_refusal_is_an_error_with_its_reason(self, memory: Memory) -> None:
        memory.set_budget("0.1")
        with pytest.raises(BudgetRefusedError, match="over the limit"), memory.spending("0.5"):
            pytest.fail("nothing may be spent")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("estimated_usd", "-1"),
        ("estimated_usd", "NaN"),
        ("estimated_usd", "Infinity"),
        ("estimated_usd", "1e400"),
        ("estimated_usd", "1e15"),
        ("estimated_usd", "1e-31"),
        ("estimated_usd", "0." + "1" * 80),
        ("estimated_usd", None),
        ("estimated_usd", True),
        ("estimated_usd", "a dollar"),
        ("provider", ""),
        ("model", "x" * 256),
        ("router_type", "fast"),
        ("task_complexity", "hard"),
        ("holds_seconds", 0),
        ("holds_seconds", 86_401),
        ("session_id", "\0"),
        ("nothing", 1),
    ],
)
def test_nonsense_is_refused_by_its_field(memory: Memory, field: str, value: object) -> None:
    good = {"estimated_usd": "0.1", "provider": "acme", "model": "dear"}
    with pytest.raises(InvalidFieldError) as caught:
        memory.reserve(**good | {field: value})
    assert caught.value.details["field"] == field


def test_money_is_exact_whatever_it_comes_as(memory: Memory) -> None:
    for amount in ("0.1", 0.1, Decimal("0.1"), "1e-1", "0.10"):
        assert ask(memory, amount).estimated_usd == Decimal("0.1")  # type: ignore[arg-type]
    assert spend(memory, "0.000000000000000000000000000001").cost_usd == Decimal("1e-30")
    agreed(memory)


class TestManyAtOnce:
    def test_no_crowd_gets_more_than_there_is(self, memory: Memory) -> None:
        """64 callers, a limit of 1, 0.0123 each: 81 fit and never one more, whoever is quickest."""
        memory.set_budget("1")
        barrier = threading.Barrier(64)

        def work(_: int) -> list[str]:
            barrier.wait()
            return [ask(memory, "0.0123").decision for _ in range(3)]

        with ThreadPoolExecutor(64) as pool:
            decisions = [one for found in pool.map(work, range(64)) for one in found]
        assert len(decisions) == 192, "everybody gets an answer"
        assert decisions.count("allow") == 81
        assert shown(memory, "held_usd", "refused") == ("0.9963", 111)
        agreed(memory)

    def test_what_many_spend_is_what_is_booked(self, memory: Memory) -> None:
        memory.set_budget("1")

        def work(number: int) -> Decimal:
            booked = Decimal()
            for turn in range(10):
                held = ask(memory, "0.02")
                if held.refused:
                    continue
                if turn % 4 == 3:
                    memory.release(held.reservation_id)
                    continue
                entry = memory.settle(
                    held.reservation_id, tokens_input=0, tokens_output=0,
                    cost_usd=Decimal("0.000123457") * (number + 1), response_id=f"{number}-{turn}",
                )  # fmt: skip
                assert entry.cost_usd is not None
                booked += entry.cost_usd
            return booked

        with ThreadPoolExecutor(32) as pool:
            total = sum(pool.map(work, range(32)))
        assert Decimal(str(memory.budget()["consumed_usd"])) == total
        assert shown(memory, "held_usd") == ("0",)
        agreed(memory)

    def test_a_bad_one_keeps_no_other_out(self, memory: Memory) -> None:
        good = spending.Report(provider="acme", model="dear", tokens_input=1, tokens_output=1)
        bad = spending.Report(
            provider="acme", model="dear", tokens_input=-1, tokens_output=1, cost_usd=Decimal(1)
        )
        operations = [Operation(kind="charge", report=one) for one in (good, bad, good)]
        with memory.connection() as conn:
            done = budget.transact(conn, operations, memory.desk.book(conn), datetime.now(UTC))
        assert [type(one).__name__ for one in done] == ["Entry", "NotBookedError", "Entry"]
        assert agreed(memory)["entries"] == 2

    def test_sql_clients_and_threads_share_the_lock(
        self, memory: Memory, fresh_database: str
    ) -> None:
        def plain(_: int) -> None:
            with psycopg.connect(fresh_database, autocommit=True) as conn:
                for _ in range(25):
                    conn.execute("SELECT update_budget(0.0001)")

        def through(_: int) -> None:
            for _ in range(25):
                spend(memory, "0.0001")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: (plain if n % 2 else through)(n), range(8)))
        assert agreed(memory)["consumed_usd"] == "0.02"
