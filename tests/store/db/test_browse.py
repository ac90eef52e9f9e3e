"""The generic reader: right rows, stable pages, nothing written, nothing injected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from cynic.base.errors import UsageError
from cynic.db.browse import (
    BadCursorError,
    BadFilterError,
    Filter,
    Query,
    Sort,
    UnknownColumnError,
    UnknownTableError,
    _encode,
    make_read_only,
    parse_filter,
    parse_sort,
    read,
    read_all,
    relations,
)
from cynic.db.connect import set_role

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def rows(db: psycopg.Connection) -> psycopg.Connection:
    """Forty patterns with ties and gaps in every column."""
    db.execute(
        "INSERT INTO patterns (pattern_id, category, name, confidence, frequency, tags, locked_at) "
        "SELECT 'pat_' || n, chr(97 + n % 3), CASE WHEN n % 5 = 0 THEN 'a%b_c' ELSE 'name ' || n END, (n % 7) / 100.0, n % 4, "
        "ARRAY['t' || n % 2], CASE WHEN n % 2 = 0 THEN timestamptz '2026-01-01' + make_interval(hours => n % 6) END "
        "FROM generate_series(1, 40) AS n"
    )
    return db


def ids(
    conn: psycopg.Connection, *filters: str, sort: Sequence[Sort] = (), limit: int = 1000
) -> list[object]:
    query = Query(
        table="patterns",
        columns=["pattern_id"],
        filters=[parse_filter(f) for f in filters],
        sort=sort,
        limit=limit,
    )
    return [row[0] for row in read(conn, query).rows]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("category=a", "category = 'a'"),
        ("category!=a", "category <> 'a'"),
        ("confidence>=0.05", "confidence >= 0.05"),
        ("confidence<0.01", "confidence < 0.01"),
        ("name~A%B", "name = 'a%b_c'"),
        ("name~_", "name LIKE '%\\_%'"),
        ("tags has t1", "'t1' = ANY (tags)"),
        ("locked_at=NULL", "locked_at IS NULL"),
        ("locked_at!=NULL", "locked_at IS NOT NULL"),
        ("locked_at>2026-01-01T02:00Z", "locked_at > '2026-01-01 02:00Z'"),
        ("name='; DROP TABLE users; --", "false"),
    ],
)
def test_filters_mean_what_they_say(rows: psycopg.Connection, text: str, where: str) -> None:
    wanted = {
        row[0] for row in rows.execute(f"SELECT pattern_id FROM patterns WHERE {where}".encode())
    }
    assert set(ids(rows, text)) == wanted


def test_filters_hold_together(rows: psycopg.Connection) -> None:
    assert set(ids(rows, "category=a", "confidence>0.03")) < set(ids(rows, "category=a"))


columns = st.sampled_from(
    ["category", "name", "confidence", "frequency", "locked_at", "pattern_id"]
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)
@given(
    sorts=st.lists(
        st.builds(Sort, columns, st.booleans()), max_size=3, unique_by=lambda s: s.column
    ),
    limit=st.integers(1, 15),
)
def test_pages_together_are_the_whole_in_order(
    rows: psycopg.Connection, sorts: list[Sort], limit: int
) -> None:
    whole = ids(rows, sort=sorts)
    query = Query(table="patterns", columns=["pattern_id"], sort=sorts, limit=limit)
    pages = [[row[0] for row in page.rows] for page in read_all(rows, query)]
    assert [one for page in pages for one in page] == whole
    assert len(whole) == len(set(whole)) == 40
    assert all(len(page) == limit for page in pages[:-1])


def test_every_table_can_be_read(db: psycopg.Connection) -> None:
    found = relations(db)
    assert len([one for one in found if not one.name.startswith("ops_")]) == 108
    for relation in found:
        assert relation.comment
        assert set(read(db, Query(table=relation.name, limit=3)).columns)


def test_what_does_not_exist_is_an_error_with_its_name(db: psycopg.Connection) -> None:
    with pytest.raises(UnknownTableError, match="nowhere"):
        read(db, Query(table="nowhere"))
    with pytest.raises(UnknownTableError):
        read(db, Query(table="pg_authid"))
    for query in (
        Query(table="users", columns=["secret"]),
        Query(table="users", filters=[Filter("secret", "=", "x")]),
        Query(table="users", sort=[Sort("secret")]),
    ):
        with pytest.raises(UnknownColumnError, match="secret"):
            read(db, query)


@pytest.mark.parametrize("text", ["q_score>=high", "created_at=yesterdayish", "id=1"])
def test_a_value_of_the_wrong_kind_is_an_error(db: psycopg.Connection, text: str) -> None:
    with pytest.raises(BadFilterError), db.transaction():
        read(db, Query(table="judgments", filters=[parse_filter(text)]))


@pytest.mark.parametrize("text", ["", "no operator", "=x"[1:], "user_id>NULL", "verdict has HOWL"])
def test_a_filter_that_cannot_be_read_is_an_error(db: psycopg.Connection, text: str) -> None:
    with pytest.raises(BadFilterError):
        read(db, Query(table="judgments", filters=[parse_filter(text)]))


def test_cursors_of_another_query_and_damaged_ones_are_refused(rows: psycopg.Connection) -> None:
    page = read(rows, Query(table="patterns", sort=[Sort("category")], limit=5))
    assert page.cursor
    with pytest.raises(BadCursorError):
        read(rows, Query(table="patterns", sort=[Sort("name")], limit=5, cursor=page.cursor))
    for damaged in ("%%%", page.cursor[:-5], "bm90IGpzb24"):
        with pytest.raises(BadCursorError):
            read(rows, Query(table="patterns", sort=[Sort("category")], limit=5, cursor=damaged))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_bounds(db: psycopg.Connection, limit: int) -> None:
    with pytest.raises(UsageError):
        read(db, Query(table="users", limit=limit))


def test_the_session_of_the_reader_cannot_write(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        assert set_role(conn, "cynic_reader")
        make_read_only(conn)
        with pytest.raises(
            (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)
        ):
            conn.execute("DELETE FROM frictions")


def test_sort_is_parsed() -> None:
    assert (parse_sort("-a"), parse_sort("a")) == (Sort("a", descending=True), Sort("a"))


def test_a_page_far_into_a_table_is_found_by_its_index(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO dog_events (event_type, dog_name) SELECT 'DOG_VOTED', 'Sage' FROM generate_series(1, 5000)"
    )
    db.execute("ANALYZE dog_events")
    row = db.execute("SELECT max(id) - 100 FROM dog_events").fetchone()
    assert row is not None
    plans: list[str] = []

    class Spy:
        """Explains what is read, and reads it."""

        def execute(self, query: Any, parameters: Any = None) -> Any:
            if isinstance(query, sql.Composed):
                plan = db.execute(sql.SQL("EXPLAIN ") + query, parameters).fetchall()
                plans.append("\n".join(line[0] for line in plan))
            return db.execute(query, parameters)

    query = Query(table="dog_events", limit=50, cursor=_encode([Sort("id")], [str(row[0])]))
    assert len(read(cast("psycopg.Connection", Spy()), query).rows) == 50
    # In the order of the index from the cursor on: nothing is read before it, nothing sorted, nothing filtered out.
    assert re.search(r"Index (Only )?Scan using dog_events_pkey", plans[0]), plans[0]
    assert "Index Cond: (id > " in plans[0]
    assert not re.search(r"Filter|Sort|Bitmap", plans[0])
