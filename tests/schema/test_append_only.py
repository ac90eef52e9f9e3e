"""Judgments, votes and costs are never rewritten: not by the application, not by the owner, by no detour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

TABLES = ("judgments", "dog_votes", "cost_ledger")
JUDGMENT = (
    "INSERT INTO judgments (judgment_id, user_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores) "
    "VALUES (%s, %s, 'code', 'secret text', 'h', 61, 0.5, 'WAG', '{}')"
)
VOTE = (
    "INSERT INTO dog_votes (dog_name, item_type, item_id, vote_score, confidence, reasoning) "
    "VALUES ('Sage', 'judgment', %s, 0.8, 0.4, 'about a person')"
)

DETOURS = {
    "update": "UPDATE {t} SET {c} = {c}",
    "update of the key": "UPDATE {t} SET id = DEFAULT",
    "delete": "DELETE FROM {t}",
    "truncate": "TRUNCATE {t}",
    "truncate cascade": "TRUNCATE {t} CASCADE",
    "on conflict": "INSERT INTO {t} SELECT * FROM {t} ON CONFLICT (id) DO UPDATE SET {c} = excluded.{c}",
    "merge update": "MERGE INTO {t} AS a USING {t} AS b ON a.id = b.id WHEN MATCHED THEN UPDATE SET {c} = b.{c}",
    "merge delete": "MERGE INTO {t} AS a USING {t} AS b ON a.id = b.id WHEN MATCHED THEN DELETE",
    "update from a CTE": "WITH gone AS (DELETE FROM {t} RETURNING id) SELECT count(*) FROM gone",
}
COLUMN = {"judgments": "verdict", "dog_votes": "vote_score", "cost_ledger": "cost_usd"}


@pytest.fixture
def person(db: psycopg.Connection) -> UUID:
    row = db.execute(
        "INSERT INTO users (username, wallet_address) VALUES ('ada', 'w') RETURNING id"
    ).fetchone()
    assert row is not None
    db.execute(JUDGMENT, ["jdg_1", row[0]])
    db.execute(JUDGMENT, ["jdg_2", None])
    db.execute(VOTE, ["jdg_1"])
    db.execute(VOTE, ["jdg_2"])
    db.execute("SELECT update_budget(0.000001)")
    return row[0]


def refused(
    db: psycopg.Connection, statement: str, parameters: list[object] | None = None
) -> psycopg.Error:
    """The error of a statement that must fail; the transaction goes on."""
    with pytest.raises(psycopg.Error) as caught, db.transaction():
        db.execute(statement.encode(), parameters)
    return caught.value


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("role", ["cynic_app", "cynic_owner", "superuser", "superuser as replica"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("detour", DETOURS)
def test_no_detour_rewrites(db: psycopg.Connection, table: str, detour: str, role: str) -> None:
    if role.startswith("cynic"):
        db.execute(b"SET LOCAL ROLE " + role.encode())
    if role.endswith("replica"):
        db.execute("SET LOCAL session_replication_role = replica")
    error = refused(db, DETOURS[detour].format(t=table, c=COLUMN[table]))
    allowed: list[type[psycopg.Error]] = [errors.RestrictViolation]
    if role == "cynic_app":
        allowed.append(errors.InsufficientPrivilege)
    if detour == "truncate" and table == "judgments":
        allowed.append(
            errors.FeatureNotSupported
        )  # feedback refers to it: refused before any trigger
    assert isinstance(error, tuple(allowed)), error
    if isinstance(error, errors.RestrictViolation):
        assert error.diag.message_hint


@pytest.mark.usefixtures("person")
def test_truncating_a_parent_does_not_take_judgments_along(db: psycopg.Connection) -> None:
    assert isinstance(refused(db, "TRUNCATE users CASCADE"), errors.RestrictViolation)


def test_deleting_a_user_with_judgments_is_refused_and_names_the_way(
    db: psycopg.Connection, person: UUID
) -> None:
    error = refused(db, "DELETE FROM users WHERE id = %s", [person])
    assert isinstance(error, errors.RestrictViolation)
    assert "erase_user" in (error.diag.message_hint or "")


def test_deleting_a_user_without_judgments_cascades(db: psycopg.Connection) -> None:
    row = db.execute("INSERT INTO users (username) VALUES ('nobody') RETURNING id").fetchone()
    assert row is not None
    for statement in (
        "INSERT INTO sessions (session_id, user_id) VALUES ('s', %s)",
        "INSERT INTO escore_history (user_id, e_score) VALUES (%s, 1)",
        "INSERT INTO user_learning_profiles (user_id) VALUES (%s)",
        "INSERT INTO user_preferences (user_id, preferences) VALUES (%s, '{\"a\": 1}')",
        "INSERT INTO burnout_episodes (user_id, peak_burnout) VALUES (%s, 0.7)",
    ):
        db.execute(statement, row)
    db.execute("DELETE FROM users WHERE id = %s", row)
    counts = db.execute(
        "SELECT (SELECT count(*) FROM sessions), (SELECT count(*) FROM user_preference_history), "
        "(SELECT count(*) FROM burnout_episodes)"
    ).fetchone()
    assert counts == (0, 0, 0)


STATUSES = ("PENDING", "QUEUED", "ANCHORED", "FAILED")
LEGAL = {("PENDING", "QUEUED"), ("QUEUED", "ANCHORED"), ("QUEUED", "FAILED"), ("FAILED", "QUEUED")}


@pytest.mark.usefixtures("person")
@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_the_anchor_status_moves_along_legal_steps_only(
    db: psycopg.Connection, before: str, after: str
) -> None:
    db.execute(
        "INSERT INTO judgments (judgment_id, item_type, item_hash, q_score, confidence, verdict, axiom_scores, anchor_status, anchor_tx) "
        "VALUES ('jdg_s', 'code', 'h', 1, 0.1, 'BARK', '{}', %s, 'sig')",
        [before],
    )
    move = "UPDATE judgments SET anchor_status = %s, anchor_slot = 7 WHERE judgment_id = 'jdg_s'"
    if (before, after) in LEGAL:
        db.execute(move, [after])
    else:
        assert isinstance(refused(db, move, [after]), errors.RestrictViolation)


@pytest.mark.usefixtures("person")
def test_a_legal_step_carries_nothing_else_along(db: psycopg.Connection) -> None:
    smuggle = (
        "UPDATE judgments SET anchor_status = 'QUEUED', q_score = 99 WHERE judgment_id = 'jdg_1'"
    )
    assert isinstance(refused(db, smuggle), errors.RestrictViolation)
    db.execute("ALTER TABLE judgments ADD COLUMN later integer DEFAULT 1")
    smuggle = "UPDATE judgments SET anchor_status = 'QUEUED', later = 2 WHERE judgment_id = 'jdg_1'"
    assert isinstance(refused(db, smuggle), errors.RestrictViolation)


def test_anchored_needs_a_transaction(db: psycopg.Connection, person: UUID) -> None:
    del person
    db.execute("UPDATE judgments SET anchor_status = 'QUEUED' WHERE judgment_id = 'jdg_1'")
    anchor = "UPDATE judgments SET anchor_status = 'ANCHORED' WHERE judgment_id = 'jdg_1'"
    assert isinstance(refused(db, anchor), errors.CheckViolation)


@pytest.mark.usefixtures("person")
def test_personal_fields_do_not_go_while_the_person_is_there(db: psycopg.Connection) -> None:
    for statement in (
        "UPDATE judgments SET item_content = NULL",
        "UPDATE judgments SET user_id = NULL",
        "UPDATE dog_votes SET reasoning = NULL",
    ):
        assert isinstance(refused(db, statement), errors.RestrictViolation)


def test_erasing_leaves_the_record_and_takes_the_person(
    db: psycopg.Connection, person: UUID
) -> None:
    db.execute(
        "INSERT INTO feedback (judgment_id, user_id, outcome) VALUES ('jdg_1', %s, 'correct')",
        [person],
    )
    db.execute("SELECT set_user_preference(%s, 'verbosity', '2')", [person])
    db.execute("SET LOCAL ROLE cynic_app")
    row = db.execute("SELECT erase_user(%s)", [person]).fetchone()
    assert row is not None
    counts = row[0]
    assert (counts["judgments"], counts["dog_votes"], counts["feedback"]) == (1, 1, 1)
    assert counts["user_preferences"] == counts["user_preference_history"] == 1
    assert db.execute(
        "SELECT username, wallet_address, erased_at IS NOT NULL FROM users WHERE id = %s", [person]
    ).fetchone() == (
        None,
        None,
        True,
    )
    assert db.execute(
        "SELECT judgment_id, user_id, item_content, item_hash, q_score FROM judgments ORDER BY judgment_id"
    ).fetchall() == [("jdg_1", None, None, "h", 61), ("jdg_2", None, "secret text", "h", 61)]
    assert db.execute("SELECT item_id, reasoning FROM dog_votes ORDER BY item_id").fetchall() == [
        ("jdg_1", None),
        ("jdg_2", "about a person"),
    ]
    again = db.execute("SELECT erase_user(%s)", [person]).fetchone()
    assert again is not None
    assert set(again[0].values()) == {0}


def test_erasing_nobody_is_an_error(db: psycopg.Connection) -> None:
    assert isinstance(refused(db, "SELECT erase_user(new_uuid())"), errors.NoDataFound)
    assert isinstance(refused(db, "SELECT erase_user(NULL)"), errors.NoDataFound)


def test_the_erasing_function_is_not_led_astray_by_a_search_path(
    db: psycopg.Connection, person: UUID
) -> None:
    db.execute("CREATE SCHEMA evil")
    db.execute("GRANT USAGE ON SCHEMA evil TO cynic_app")
    db.execute(
        "CREATE TABLE evil.users (id uuid, username text, wallet_address text, e_score numeric, e_score_data jsonb, erased_at timestamptz)"
    )
    db.execute("SET LOCAL search_path = evil, public")
    db.execute("SELECT public.erase_user(%s)", [person])
    assert db.execute(
        "SELECT erased_at IS NOT NULL FROM public.users WHERE id = %s", [person]
    ).fetchone() == (True,)


@pytest.mark.usefixtures("person")
def test_copy_adds_rows_and_cannot_replace_them(db: psycopg.Connection) -> None:
    row = db.execute("SELECT id FROM cost_ledger LIMIT 1").fetchone()
    assert row is not None
    columns = "id, provider, model, cost_usd, budget_before, budget_after, budget_level"
    with (
        pytest.raises(errors.UniqueViolation),
        db.transaction(),
        db.cursor() as cursor,
        cursor.copy(f"COPY cost_ledger ({columns}) FROM STDIN".encode()) as copy,
    ):
        copy.write_row([row[0], "x", "y", 0, 0, 0, "abundant"])


def test_what_remains_is_written_down_and_seen(fresh_database: str) -> None:
    """A superuser may disable a trigger; verify reports it."""
    from cynic.db import catalogue

    with psycopg.connect(fresh_database, autocommit=True) as conn:
        conn.execute("ALTER TABLE judgments DISABLE TRIGGER judgments_update")
        report = catalogue.verify(conn, "public")
        assert not report.ok
        assert any("judgments_update" in line for line in report.lines())


class TestRights:
    """Each role can do what it is for and no more."""

    @pytest.fixture
    def reader(self, db: psycopg.Connection) -> Iterator[psycopg.Connection]:
        db.execute("SET LOCAL ROLE cynic_reader")
        return db

    def test_the_reader_reads_and_writes_nothing(self, reader: psycopg.Connection) -> None:
        tables = [
            row[0]
            for row in reader.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
        ]
        assert len(tables) >= 108
        for table in tables:
            read = f"SELECT count(*) FROM {table}"
            if table in {"ops_secrets", "ops_api_keys"}:
                assert isinstance(refused(reader, read), errors.InsufficientPrivilege)
            else:
                reader.execute(read.encode())
            assert isinstance(refused(reader, f"DELETE FROM {table}"), errors.InsufficientPrivilege)
            assert isinstance(
                refused(reader, f"INSERT INTO {table} DEFAULT VALUES"), errors.InsufficientPrivilege
            )
        assert isinstance(
            refused(reader, "CREATE TABLE mine (n integer)"), errors.InsufficientPrivilege
        )
        assert isinstance(
            refused(reader, "SELECT erase_user(new_uuid())"), errors.InsufficientPrivilege
        )

    def test_the_application_changes_no_structure_and_no_ledger_of_migrations(
        self, db: psycopg.Connection
    ) -> None:
        db.execute("SET LOCAL ROLE cynic_app")
        for statement in (
            "DELETE FROM _migrations",
            "ALTER TABLE judgments DISABLE TRIGGER ALL",
            "DROP TRIGGER judgments_update ON judgments",
            "CREATE TABLE mine (n integer)",
            "DROP FUNCTION refuse_rewrite() CASCADE",
            "CREATE OR REPLACE FUNCTION refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "SET LOCAL session_replication_role = replica",
        ):
            assert isinstance(refused(db, statement), errors.InsufficientPrivilege), statement
