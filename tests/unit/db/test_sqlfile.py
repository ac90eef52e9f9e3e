from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.db.sqlfile import SqlFileError, load, parts, split

if TYPE_CHECKING:
    from pathlib import Path

# Pieces that hold a semicolon where it does not end a statement.
ATOMS = [
    "SELECT 1",
    "SELECT 'a;b'",
    "SELECT 'it''s; fine'",
    r"SELECT E'back\\slash; \'quote'",
    'SELECT ";" FROM "a""b;c"',
    "DO $$ BEGIN PERFORM 1; END; $$",
    "DO $tag$ SELECT $$;$$; $tag$",
    "SELECT $1; "[:-2],
    "SELECT /* ; /* nested ; */ ; */ 2",
    "SELECT 3 -- no end; here\n",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
    "SELECT a$b$c FROM t",
    "INSERT INTO t VALUES (1), (2)",
]


@given(st.lists(st.sampled_from(ATOMS), max_size=8))
def test_statements_joined_by_semicolons_come_apart_as_they_were(statements: list[str]) -> None:
    assert list(split(";\n".join(statements) + ";")) == [one.strip() for one in statements]


def test_runs_without_code_are_no_statements() -> None:
    assert list(split("-- nothing; here\n;;\n/* nor; here */;\n  ")) == []


def test_an_end_without_a_semicolon_counts() -> None:
    assert list(split("SELECT 1;\nSELECT 2")) == ["SELECT 1", "SELECT 2"]


def test_an_unclosed_quote_or_comment_swallows_the_rest_without_hanging() -> None:
    assert list(split("SELECT $$ never closed; SELECT 2")) == ["SELECT $$ never closed; SELECT 2"]
    assert list(split("SELECT 1 /* never; closed")) == ["SELECT 1 /* never; closed"]


def test_parts_are_cut_at_their_marks() -> None:
    cut = parts("-- 001\n-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n", "001_x")
    assert (cut.up.strip(), cut.down.strip(), cut.transactional) == ("SELECT 1;", "SELECT 2;", True)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;",
        "-- migrate:up\nSELECT 1;",
        "-- migrate:down\n-- migrate:up\n",
        "-- migrate:up\n-- migrate:up\n-- migrate:down\n",
        "-- migrate:no-transaction\n-- migrate:up\nSELECT 1; SELECT 2;\n-- migrate:down\n",
    ],
)
def test_a_file_without_clear_parts_is_refused(text: str) -> None:
    with pytest.raises(SqlFileError, match="001_x"):
        parts(text, "001_x")


def test_named_statements_keep_their_comments_and_lose_their_semicolon(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text("-- head\n\n-- name: one\n-- why\nSELECT 1;\n\n-- name: two\nSELECT ';';\n")
    assert load(file) == {"one": "-- why\nSELECT 1", "two": "SELECT ';'"}


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n")
    with pytest.raises(SqlFileError, match="one"):
        load(file)
