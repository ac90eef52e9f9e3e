"""Calls that transcripts brought are priced and booked once, and charged only where they belong to this period."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from cynic.domains.telemetry.agent_facts import Facts, ModelCall
from cynic.domains.telemetry.claude_code import Reader
from cynic.domains.telemetry.otlp.request import read
from cynic.flows import budget_care
from cynic.flows.agent_sessions import store
from cynic.flows.budget_care import ImpossibleCorrectionError
from cynic.flows.otlp_money import Book, Booked
from cynic.flows.otlp_store import Batch
from cynic.flows.otlp_store import store as store_telemetry
from otlp_spans import body, chat, event, log_body, span
from transcript_maker import Maker

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2031, 11, 2, tzinfo=UTC)
MODEL = "claude-sonnet-4-5"
CALL = Decimal("0.00045")
"""100 tokens in at 3 and 10 out at 15 USD a million."""


@pytest.fixture
def conn(fresh_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_database, autocommit=True) as opened:
        opened.execute("SET ROLE cynic_app")
        budget_care.reset(opened, NOW, limit_usd=Decimal(5))
        yield opened


def told(conn: psycopg.Connection, *calls: tuple[str, datetime, int], model: str = MODEL) -> None:
    """Store what a transcript tells: a response id, when it ended, and tokens in."""
    facts = Facts()
    for response_id, at, tokens in calls:
        facts.touch("s", at)
        facts.add_model(
            ModelCall(
                response_id=response_id, session_id="s", model=model, tokens_input=tokens, tokens_output=10,
                cache_read=None, cache_write=None, latency_ms=None, at=at,
            )
        )  # fmt: skip
    with conn.transaction():
        store(conn, facts, "claude-code", "test")


def one(conn: psycopg.Connection, query: Any) -> Any:
    row = conn.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def books_agree(conn: psycopg.Connection) -> Decimal:
    """What was consumed, which is the ledger's sum."""
    booked = one(conn, "SELECT coalesce(sum(cost_usd), 0) - sum(credit_usd) FROM cost_ledger")
    assert booked == one(conn, "SELECT budget_consumed_usd FROM budget_state")
    assert one(conn, "SELECT count(*) FROM llm_usage WHERE ledger_id IS NULL") == 0
    return booked


DAY = timedelta(days=1)


def test_the_past_is_priced_and_has_its_row_and_charges_nothing(conn: psycopg.Connection) -> None:
    told(conn, ("msg_old", NOW - 40 * DAY, 100), ("msg_new", NOW + DAY, 100))
    done = Book().catch_up(conn, NOW + 2 * DAY)
    assert done == Booked(calls=2, cost_usd=2 * CALL, past_usd=CALL)
    assert conn.execute(
        "SELECT response_id, source, is_past, cost_usd, credit_usd FROM cost_ledger ORDER BY response_id"
    ).fetchall() == [
        ("msg_new", "transcript", False, CALL, 0),
        ("msg_old", "transcript", True, CALL, CALL),
    ]
    assert one(conn, "SELECT sum(cost_usd) FROM llm_usage") == 2 * CALL
    assert books_agree(conn) == CALL
    assert one(conn, "SELECT total_calls FROM budget_state") == 1
    assert Book().catch_up(conn, NOW + 2 * DAY) == Booked()


def test_a_response_that_goes_on_books_the_difference(conn: psycopg.Connection) -> None:
    told(conn, ("msg_1", NOW + DAY, 100), ("msg_0", NOW - DAY, 100))
    Book().catch_up(conn, NOW + 2 * DAY)
    told(conn, ("msg_1", NOW + DAY, 1100), ("msg_0", NOW - DAY, 1100))
    Book().catch_up(conn, NOW + 2 * DAY)
    more = CALL + Decimal("0.003")
    assert books_agree(conn) == more
    assert one(conn, "SELECT count(*) FROM cost_ledger WHERE corrects_id IS NULL") == 2
    assert one(conn, "SELECT sum(cost_usd) FROM cost_ledger") == 2 * more
    assert one(conn, "SELECT sum(cost_usd) FROM llm_usage") == 2 * more
    told(conn, ("msg_1", NOW + DAY, 1100))
    assert Book().catch_up(conn, NOW + 2 * DAY) == Booked(), "the same again is nothing new"


def test_a_call_that_telemetry_told_of_is_not_booked_again(conn: psycopg.Connection) -> None:
    attributes = chat(
        100, 10, gen_ai__response__id="msg_1", gen_ai__provider__name="anthropic", gen_ai__request__model=MODEL
    )  # fmt: skip
    spans = list(read("traces", "protobuf", body(span(1, 1, None, attributes))).spans)
    ended = datetime.fromtimestamp(spans[0].end_ns / 1e9, UTC)
    budget_care.reset(conn, NOW + DAY)
    store_telemetry(conn, Batch(spans=spans), NOW + 2 * DAY, Book())
    assert books_agree(conn) == CALL
    told(conn, ("msg_1", ended, 100))
    Book().catch_up(conn, NOW + 3 * DAY)
    assert one(conn, "SELECT count(*) FROM cost_ledger") == 1
    assert books_agree(conn) == CALL


@pytest.mark.parametrize("telemetry_first", [True, False])
def test_claude_code_that_is_seen_twice_is_counted_and_booked_once(
    conn: psycopg.Connection, telemetry_first: bool
) -> None:
    values: dict[str, object] = {
        "model": MODEL, "input_tokens": 4, "output_tokens": 50, "cache_read_tokens": 20_000, "cache_creation_tokens": 1200,
        "cost_usd": 0.25, "duration_ms": 800, "session.id": "s", "request_id": "req_1",
    }  # fmt: skip
    events = list(
        read("logs", "protobuf", log_body(event("claude_code.api_request", values))).events
    )
    facts = Facts()
    reader = Reader(facts, "s")
    reader.take(Maker(1).says({"type": "text", "text": "hi"}, response="msg_1", model=MODEL))

    def from_telemetry() -> None:
        store_telemetry(conn, Batch(events=events), NOW, Book())

    def from_transcript() -> None:
        with conn.transaction():
            store(conn, facts, "claude-code", "test")
        Book(is_history=True).catch_up(conn, NOW)

    told_by = [from_telemetry, from_transcript]
    for tell in told_by if telemetry_first else reversed(told_by):
        tell()
    assert one(conn, "SELECT count(*), sum(tokens_input), sum(tokens_output) FROM llm_usage") == (
        *(1, 21_204, 50),
    )
    assert one(conn, "SELECT count(*) FROM cost_ledger WHERE corrects_id IS NULL") == 1
    books_agree(conn)


def test_what_has_no_price_is_listed_and_priced_later_without_a_charge(
    conn: psycopg.Connection,
) -> None:
    told(conn, ("msg_1", NOW - DAY, 100), model="acme-9")
    assert Book().catch_up(conn, NOW) == Booked(calls=1, unpriced=1)
    row = one(conn, "SELECT id FROM cost_ledger WHERE cost_usd IS NULL")
    budget_care.correct(conn, row, Decimal(3), NOW)
    assert books_agree(conn) == 0
    assert one(conn, "SELECT sum(cost_usd) FROM cost_ledger") == 3
    with pytest.raises(ImpossibleCorrectionError):
        budget_care.correct(conn, row, Decimal(2), NOW)
    assert one(conn, "SELECT count(*) FROM cost_ledger WHERE is_past") == 2
    assert one(conn, "SELECT sum(cost_usd), sum(credit_usd) FROM cost_ledger") == (3, 3)


def test_many_who_book_at_once_book_each_call_once(
    fresh_database: str, conn: psycopg.Connection
) -> None:
    told(conn, *((f"msg_{number}", NOW + DAY, 100) for number in range(3000)))
    gate = threading.Barrier(4)

    def book(_: int) -> int:
        with psycopg.connect(fresh_database, autocommit=True) as mine:
            mine.execute("SET ROLE cynic_app")
            gate.wait()
            return Book().catch_up(mine, NOW + 2 * DAY).calls

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(book, range(4))) == 3000
    assert books_agree(conn) == 3000 * CALL
