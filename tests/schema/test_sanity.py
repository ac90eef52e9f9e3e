"""Rules that hold for every object of the schema: each query of sanity.sql finds the exceptions, and finds none."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cynic.db import catalogue, sqlfile

if TYPE_CHECKING:
    import psycopg

DOMAINS = (
    "core",
    "learning",
    "dogs",
    "users",
    "system",
    "cost",
    "anchoring",
    "social",
    "discovery",
    "orchestration",
    "telemetry",
    "memory",
)
QUERIES = sqlfile.load(Path(__file__).with_name("sanity.sql"))

# What breaks a rule, one statement per query: a query that cannot find anything proves nothing.
BREAKING = {
    "foreign_keys_without_an_index": "CREATE TABLE made (u uuid REFERENCES users)",
    "tables_without_a_domain": "CREATE TABLE made (id integer)",
    "tables_without_a_primary_key": "CREATE TABLE made (id integer)",
    "numbers_without_a_check": "CREATE TABLE made (x real)",
    "bounds_of_phi_without_a_comment": "CREATE TABLE made (x numeric CHECK (x <= 0.618))",
    "bounds_of_phi_with_another_constant": "CREATE TABLE made (x numeric CHECK (x <= 0.618034))",
    "checks_on_one_column_not_named_after_it": "CREATE TABLE made (x int CONSTRAINT c CHECK (x > 0))",
    "checks_on_several_columns_without_a_name_of_their_own": "CREATE TABLE made (a int, b int, CHECK (a < b))",
    "constraints_not_validated": "ALTER TABLE users ADD CONSTRAINT c CHECK (e_score < 99) NOT VALID",
    "small_sequences": "CREATE TABLE made (id serial)",
    "identifiers_too_small_for_their_sequence": "CREATE TABLE made (id serial)",
    "types_that_the_schema_does_not_use": "CREATE TABLE made (at timestamp)",
    "money_that_is_not_numeric": "CREATE TABLE made (cost_usd real)",
    "creation_times_that_may_be_missing": "CREATE TABLE made (created_at timestamptz)",
    "modification_times_that_nothing_sets": "DROP TRIGGER users_touch ON users",
    "kinds_of_object_that_the_schema_does_not_use": "CREATE VIEW made AS SELECT 1 AS one",
    "functions_without_a_comment": "CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "parameters_that_may_be_taken_for_columns": "CREATE FUNCTION made(id int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "definer_functions_that_a_caller_can_redirect": "ALTER FUNCTION erase_user(uuid) RESET search_path",
    "definer_functions_for_everybody": "GRANT EXECUTE ON FUNCTION erase_user(uuid) TO PUBLIC",
    "bodies_that_name_a_schema": "CREATE FUNCTION made() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.users'",
    "bodies_that_do_what_must_not_be_done": "CREATE FUNCTION made() RETURNS void LANGUAGE sql AS 'SELECT pg_notify(''a'', '''')'",
    "cleanups_without_a_limit": "CREATE FUNCTION cleanup_made() RETURNS void LANGUAGE sql AS 'DELETE FROM frictions'",
    "cleanups_without_an_index_on_their_time": "CREATE FUNCTION cleanup_made() RETURNS void LANGUAGE sql AS "
    "'DELETE FROM users WHERE ctid = ANY (ARRAY(SELECT u.ctid FROM users AS u WHERE true ORDER BY u.updated_at))'",
    "append_only_tables_that_can_be_rewritten": "ALTER TABLE cost_ledger DISABLE TRIGGER USER",
    "disabled_triggers": "ALTER TABLE users DISABLE TRIGGER USER",
    "invalid_indexes": "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_judgments_verdict'::regclass",
    "indexes_that_do_the_same": "CREATE INDEX made ON judgments (verdict)",
    "rights_that_the_reader_must_not_have": "GRANT INSERT ON users TO cynic_reader",
    "rights_that_the_application_must_not_have": "GRANT UPDATE ON cost_ledger TO cynic_app",
    "tables_that_the_application_cannot_write": "REVOKE INSERT ON users FROM cynic_app",
}
NOT_BREAKABLE_HERE = {
    "extensions_that_not_every_server_has",  # the embedded server has no other extension to install
    "virtual_columns",  # PostgreSQL 16 cannot make one
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_exception_to(db: psycopg.Connection, name: str) -> None:
    assert [row[0] for row in db.execute(QUERIES[name].encode())] == []


@pytest.mark.parametrize("name", BREAKING)
def test_an_exception_is_found_by(db: psycopg.Connection, name: str) -> None:
    db.execute(BREAKING[name].encode())
    assert db.execute(QUERIES[name].encode()).fetchall() != []


def test_every_query_is_shown_to_find_something() -> None:
    assert QUERIES.keys() == BREAKING.keys() | NOT_BREAKABLE_HERE


def test_the_contract_has_108_tables(db: psycopg.Connection) -> None:
    lines = [line for line in catalogue.picture(db) if line.startswith("table ")]
    names = [line.removeprefix("table ").partition(":")[0] for line in lines]
    assert len([name for name in names if not name.startswith("ops_")]) == 108


def test_no_definition_names_a_schema(db: psycopg.Connection) -> None:
    named = [
        line
        for line in catalogue.picture(db)
        if ("public." in line or "pg_temp." in line) and not line.startswith("comment ")
    ]
    assert named == []


def test_every_table_is_listed_by_its_domain_exactly_once(db: psycopg.Connection) -> None:
    listed = [
        (name, domain)
        for domain in DOMAINS
        for name in import_module(f"cynic.domains.{domain}").TABLES
    ]
    found = db.execute(
        "SELECT relname, split_part(obj_description(oid, 'pg_class'), ':', 1) FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')"
    ).fetchall()
    assert sorted(listed) == sorted(found)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_says_what_it_is_for(domain: str) -> None:
    prose = import_module(f"cynic.domains.{domain}").__doc__ or ""
    assert len(prose.splitlines()) >= 9
    assert "Invariants" in prose
    assert "Retention: " in prose
