"""A cursor leads back to its place, and a damaged one is a clear error whatever it holds."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.reads.place import BEFORE_ALL, BadQueryError, cursor_of, place_of


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_cursor_leads_back_to_its_place(at: datetime) -> None:
    row_id = uuid4()
    assert place_of(cursor_of(at, row_id)) == (at, row_id)


def test_without_a_cursor_the_list_begins() -> None:
    assert place_of(None) == BEFORE_ALL


@pytest.mark.parametrize(
    "text", ["", "5", "null", "[" * 20_000, "[1, 2]", '["2026-01-01T00:00:00", "x"]', "{}"]
)
def test_a_damaged_cursor_is_named(text: str) -> None:
    with pytest.raises(BadQueryError, match="damaged"):
        place_of(base64.urlsafe_b64encode(text.encode()).decode().rstrip("="))


@given(st.text())
def test_no_text_makes_it_fall_over(text: str) -> None:
    with pytest.raises(BadQueryError):
        place_of(text)
