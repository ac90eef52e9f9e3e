"""Money for telemetry: every call of a model one row of the ledger, whatever comes how often and in which order."""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from collections.abc import Iterator  # noqa: TC003  # a fixture's type
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import cynic
from cynic.domains.telemetry.otlp.request import read
from cynic.flows import budget_care, otlp_store, prices
from cynic.flows.otlp_money import Book
from cynic.flows.otlp_store import Batch
from otlp_spans import BEGAN_NS, SECOND_NS, body, chat, span, tool

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CALL = Decimal("0.0000210")
"""100 tokens in at 0.15 and 10 out at 0.60 USD a million, of gpt-4o-mini."""
LOAD = Path(__file__).parents[3] / "shared" / "tools" / "otlp_load.py"


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        opened.execute("SET ROLE cynic_app")
        yield opened


def put(conn: psycopg.Connection, *spans: Span, book: Book | None = None) -> None:
    whole = Batch(spans=list(read("traces", "protobuf", body(*spans)).spans))
    otlp_store.store(conn, whole, NOW, book or Book())


def one(conn: psycopg.Connection, query: Any) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def books_agree(conn: psycopg.Connection) -> Decimal:
    """The sum of the ledger, which is what was consumed."""
    booked = one(
        conn, "SELECT coalesce(sum(cost_usd), 0) - coalesce(sum(credit_usd), 0) FROM cost_ledger"
    )
    assert booked == one(conn, "SELECT budget_consumed_usd FROM budget_state")
    return booked


def test_a_call_is_priced_booked_and_shown_once(conn: psycopg.Connection) -> None:
    book = Book()
    spans = span(1, 1), span(1, 2, 1, chat()), span(1, 3, 1, tool()), span(1, 4, 1, chat())
    for _ in range(2):
        put(conn, *spans, book=book)
    assert one(conn, "SELECT count(*), sum(cost_usd) FROM cost_ledger") == (2, 2 * CALL)
    assert one(conn, "SELECT count(ledger_id), sum(cost_usd) FROM llm_usage") == (2, 2 * CALL)
    assert one(conn, "SELECT cost_usd FROM traces") == 2 * CALL
    assert books_agree(conn) == 2 * CALL
    put(conn, span(1, 5, 1, chat()), book=book)
    assert one(conn, "SELECT cost_usd FROM traces") == 3 * CALL
    assert one(
        conn, "SELECT occurred_at FROM cost_ledger ORDER BY id LIMIT 1"
    ) == datetime.fromtimestamp((BEGAN_NS + 3 * SECOND_NS) / SECOND_NS, UTC)


def test_what_has_no_price_is_listed_and_never_zero(conn: psycopg.Connection) -> None:
    unknown = chat(gen_ai__request__model="acme-local-7b", gen_ai__provider__name="acme.local")
    put(conn, span(1, 1, None, unknown), span(1, 2, 1, chat(100, 10)))
    rows = conn.execute(
        "SELECT model, cost_usd, unpriced_reason IS NULL FROM cost_ledger ORDER BY model"
    )
    assert rows.fetchall() == [("acme-local-7b", None, False), ("gpt-4o-mini", CALL, True)]
    assert one(conn, "SELECT count(*) FROM llm_usage WHERE cost_usd IS NULL") == 1
    assert one(conn, "SELECT cost_usd FROM traces") == CALL, "what is known of it"


def test_a_count_that_cannot_be_read_is_not_priced_as_none(conn: psycopg.Connection) -> None:
    told = {**chat(100, 10), "gen_ai.usage.input_tokens": float("nan")}
    put(conn, span(1, 1, None, told))
    query = "SELECT cost_usd, unpriced_reason FROM cost_ledger"
    assert one(conn, query) == (None, "the report does not tell what was used")
    assert books_agree(conn) == 0


def test_a_later_report_books_the_difference(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, chat(100, 10)))
    put(conn, span(1, 1, None, chat(300, 30), end=BEGAN_NS + 9 * SECOND_NS))
    rows = conn.execute("SELECT cost_usd, corrects_id IS NOT NULL FROM cost_ledger ORDER BY id")
    assert rows.fetchall() == [(CALL, False), (2 * CALL, True)]
    put(conn, span(1, 1, None, chat(100, 10), end=BEGAN_NS + 99 * SECOND_NS))
    assert books_agree(conn) == CALL
    assert one(conn, "SELECT cost_usd FROM traces") == CALL
    put(
        conn,
        span(1, 1, None, {"gen_ai.operation.name": "invoke_agent"}, end=BEGAN_NS + 999 * SECOND_NS),
    )
    assert one(conn, "SELECT count(*) FROM llm_usage") == 0
    assert books_agree(conn) == 0, "no call after all"


def test_a_call_that_was_settled_is_linked_and_not_booked_again(
    conn: psycopg.Connection, fresh_database: str
) -> None:
    with cynic.connect(fresh_database) as memory:
        memory.set_budget("5")
        held = memory.reserve(estimated_usd="0.01", provider="openai", model="gpt-4o-mini")
        entry = memory.settle(
            held.reservation_id, tokens_input=100, tokens_output=10, response_id="chatcmpl-1"
        )
    put(conn, span(1, 1, None, chat(gen_ai__response__id="chatcmpl-1")))
    assert one(conn, "SELECT count(*) FROM cost_ledger") == 1
    assert one(conn, "SELECT ledger_id, cost_usd FROM llm_usage") == (entry.ledger_id, CALL)
    assert books_agree(conn) == CALL


def test_the_bill_of_a_caller_is_never_corrected(
    conn: psycopg.Connection, fresh_database: str
) -> None:
    with cynic.connect(fresh_database) as memory:
        bill = memory.record_cost(
            provider="openai", model="gpt-4o-mini", tokens_input=100, tokens_output=10, cost_usd="0.5",
            trace_id=f"{1:032x}", span_id=f"{1:016x}",
        )  # fmt: skip
    put(conn, span(1, 1, None, chat(100, 10)))
    assert one(conn, "SELECT ledger_id FROM llm_usage") == bill.ledger_id
    put(conn, span(1, 1, None, chat(300, 30), end=BEGAN_NS + 9 * SECOND_NS))
    later = {"gen_ai.operation.name": "invoke_agent"}
    put(conn, span(1, 1, None, later, end=BEGAN_NS + 99 * SECOND_NS))
    assert one(conn, "SELECT count(*) FROM llm_usage") == 0
    assert books_agree(conn) == Decimal("0.5")


def test_a_span_that_tells_of_another_call_later_keeps_its_row(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, chat(100, 10, gen_ai__response__id="first")))
    other = chat(300, 30, gen_ai__response__id="second")
    put(conn, span(1, 1, None, other, end=BEGAN_NS + 9 * SECOND_NS))
    assert one(conn, "SELECT response_id, cost_usd FROM llm_usage") == ("second", 3 * CALL)
    assert books_agree(conn) == 3 * CALL
    assert one(conn, "SELECT cost_usd FROM traces") == 3 * CALL


AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}


def test_a_call_that_was_none_for_a_while_is_booked_again(conn: psycopg.Connection) -> None:
    told = chat(100, 10, gen_ai__response__id="r")
    put(conn, span(1, 1, None, told))
    put(conn, span(1, 1, None, AGENT, end=BEGAN_NS + 9 * SECOND_NS))
    assert books_agree(conn) == 0
    put(conn, span(1, 1, None, told, end=BEGAN_NS + 99 * SECOND_NS))
    assert books_agree(conn) == CALL


def test_a_span_that_learns_its_response_id_late_is_the_call_that_was_settled(
    conn: psycopg.Connection, fresh_database: str
) -> None:
    put(conn, span(1, 1, None, chat(0, 0)))
    with cynic.connect(fresh_database) as memory:
        bill = memory.record_cost(
            provider="OpenAI", model="gpt-4o-mini", tokens_input=100, tokens_output=10, response_id="r"
        )  # fmt: skip
    told = chat(100, 10, gen_ai__response__id="r")
    put(conn, span(1, 1, None, told, end=BEGAN_NS + 9 * SECOND_NS))
    assert books_agree(conn) == CALL
    assert one(conn, "SELECT ledger_id FROM llm_usage") == bill.ledger_id
    put(conn, span(2, 1, None, told, end=BEGAN_NS + 9 * SECOND_NS))
    assert books_agree(conn) == CALL


def test_what_a_person_corrected_telemetry_leaves(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, chat(100, 10)))
    row = one(conn, "SELECT id FROM cost_ledger")
    budget_care.correct(conn, row, Decimal(2), NOW, reason="the invoice says so")
    put(conn, span(1, 1, None, chat(300, 30), end=BEGAN_NS + 9 * SECOND_NS))
    assert books_agree(conn) == 2


def test_a_late_report_gives_no_money_of_a_former_period_back(conn: psycopg.Connection) -> None:
    put(conn, span(1, 1, None, chat(300, 30)))
    budget_care.reset(conn, datetime.now(UTC))
    put(conn, span(2, 1, None, chat(1000, 100)))
    spent = one(conn, "SELECT budget_consumed_usd FROM budget_state")
    put(conn, span(1, 1, None, chat(100, 10), end=BEGAN_NS + 9 * SECOND_NS))
    assert one(conn, "SELECT budget_consumed_usd FROM budget_state") == spent == 10 * CALL


def test_what_is_priced_later_shows_with_the_call_and_its_trace(
    conn: psycopg.Connection, fresh_database: str
) -> None:
    unknown = chat(100, 10, gen_ai__request__model="acme-7b", gen_ai__provider__name="acme.local")
    put(conn, span(1, 1, None, unknown), span(1, 2, 1, chat(100, 10)))
    with cynic.connect(fresh_database) as memory, memory.writing() as mine:
        prices.set_own(
            *(mine, "acme.local", "acme-7b"),
            {"input_tokens": Decimal(1), "output_tokens": Decimal(1)},
            valid_from=None,
            now=NOW,
        )
        book = prices.PriceSource().current(mine, NOW)
        assert budget_care.reprice(mine, book, NOW).priced == 1
    later = CALL + Decimal("0.00011")
    assert books_agree(conn) == later
    assert one(conn, "SELECT sum(cost_usd) FROM llm_usage") == later
    assert one(conn, "SELECT cost_usd FROM traces") == later


def test_two_instrumentations_of_one_call_are_one_row(conn: psycopg.Connection) -> None:
    book = Book()
    told = chat(gen_ai__response__id="chatcmpl-2")
    put(conn, span(1, 1, None, told), book=book)
    put(conn, span(2, 1, None, told), book=book)
    assert one(conn, "SELECT count(*) FROM cost_ledger WHERE corrects_id IS NULL") == 1
    assert books_agree(conn) == CALL


def test_the_load_of_ten_thousand_spans_costs_what_it_costs(conn: psycopg.Connection) -> None:
    if not LOAD.is_file():
        pytest.skip(f"no {LOAD}: the load generator lies there")
    spec = importlib.util.spec_from_file_location("otlp_load", LOAD)
    assert spec is not None
    assert spec.loader is not None
    load: Any = importlib.util.module_from_spec(spec)
    sys.modules["otlp_load"] = load
    spec.loader.exec_module(load)
    rng, truth, book = random.Random(21), load.Truth(), Book()
    began = time.time_ns() - 3600 * SECOND_NS
    spans = [
        made
        for number in range(1000)
        for made in load.make_trace(rng, number, began, "genai", 1200, truth, False, 21)
    ]
    for first in range(0, len(spans), 1000):
        put(conn, *spans[first : first + 1000], book=book)
    assert books_agree(conn) == Decimal("36.33487708")
    assert one(conn, "SELECT count(*) FROM cost_ledger WHERE cost_usd IS NULL") == 86
    assert one(conn, "SELECT sum(cost_usd) FROM traces") == Decimal("36.33487708")
    assert one(conn, "SELECT sum(cost_usd) FROM llm_usage") == Decimal("36.33487708")
