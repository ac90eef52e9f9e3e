"""Every kind of change that a hand can make to a schema shows in its picture, and names its object."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql

from cynic.db import catalogue
from cynic.db.migrate import Migrator


@dataclass(frozen=True, slots=True)
class Drift:
    """A change by hand: what it does, and which object of the picture must tell."""

    name: str
    change: str
    object: str
    before: str = ""
    """What the change needs to be there and the schema does not have."""


DRIFTS = (
    Drift("table added", "CREATE TABLE stray (id integer)", "table stray"),
    Drift("table dropped", "DROP TABLE frictions", "table frictions"),
    Drift("table unlogged", "ALTER TABLE frictions SET UNLOGGED", "table frictions"),
    Drift("table options", "ALTER TABLE frictions SET (fillfactor = 70)", "table frictions"),
    Drift(
        "autovacuum off for the out-of-line values",
        "ALTER TABLE frictions SET (toast.autovacuum_enabled = false)",
        "table frictions",
    ),
    Drift("replica identity", "ALTER TABLE frictions REPLICA IDENTITY FULL", "table frictions"),
    Drift("row security", "ALTER TABLE frictions ENABLE ROW LEVEL SECURITY", "table frictions"),
    Drift(
        "column order",
        "ALTER TABLE learning_cycles DROP duration_ms; ALTER TABLE learning_cycles ADD duration_ms integer",
        "table learning_cycles",
    ),
    Drift("column added", "ALTER TABLE frictions ADD stray integer", "column frictions.stray"),
    Drift("column dropped", "ALTER TABLE frictions DROP severity", "column frictions.severity"),
    Drift(
        "column type",
        "ALTER TABLE frictions ALTER description TYPE varchar(200)",
        "column frictions.description",
    ),
    Drift(
        "default",
        "ALTER TABLE frictions ALTER resolved SET DEFAULT true",
        "column frictions.resolved",
    ),
    Drift(
        "default dropped",
        "ALTER TABLE frictions ALTER resolved DROP DEFAULT",
        "column frictions.resolved",
    ),
    Drift(
        "not null dropped",
        "ALTER TABLE judgments ALTER verdict DROP NOT NULL",
        "column judgments.verdict",
    ),
    Drift(
        "not null added", "ALTER TABLE users ALTER username SET NOT NULL", "column users.username"
    ),
    Drift(
        "generated expression",
        "ALTER TABLE made DROP twice; ALTER TABLE made ADD twice integer GENERATED ALWAYS AS (3 * n) STORED",
        "column made.twice",
        before="CREATE TABLE made (n integer, twice integer GENERATED ALWAYS AS (2 * n) STORED)",
    ),
    Drift(
        "column storage",
        "ALTER TABLE frictions ALTER description SET STORAGE EXTERNAL",
        "column frictions.description",
    ),
    Drift(
        "column statistics",
        "ALTER TABLE frictions ALTER description SET STATISTICS 7",
        "column frictions.description",
    ),
    Drift(
        "column collation",
        'ALTER TABLE frictions ALTER description TYPE text COLLATE "POSIX"',
        "column frictions.description",
    ),
    Drift(
        "bound moved",
        "ALTER TABLE judgments DROP CONSTRAINT judgments_confidence_check; "
        "ALTER TABLE judgments ADD CHECK (confidence >= 0 AND confidence <= 0.7)",
        "constraint judgments.judgments_confidence_check",
    ),
    Drift(
        "bound not valid",
        "ALTER TABLE judgments DROP CONSTRAINT judgments_confidence_check; "
        "ALTER TABLE judgments ADD CONSTRAINT judgments_confidence_check "
        "CHECK (confidence >= 0 AND confidence <= 0.618) NOT VALID",
        "constraint judgments.judgments_confidence_check",
    ),
    Drift(
        "foreign key's action",
        "ALTER TABLE sessions DROP CONSTRAINT sessions_user_id_fkey; "
        "ALTER TABLE sessions ADD FOREIGN KEY (user_id) REFERENCES users (id)",
        "constraint sessions.sessions_user_id_fkey",
    ),
    Drift(
        "foreign key deferred",
        "ALTER TABLE sessions ALTER CONSTRAINT sessions_user_id_fkey DEFERRABLE INITIALLY DEFERRED",
        "constraint sessions.sessions_user_id_fkey",
    ),
    Drift(
        "unique dropped",
        "ALTER TABLE judgment_keys DROP CONSTRAINT k",
        "constraint judgment_keys.k",
        before="CREATE TABLE judgment_keys (id integer CONSTRAINT k UNIQUE)",
    ),
    Drift("index dropped", "DROP INDEX idx_judgments_verdict", "index idx_judgments_verdict"),
    Drift("index added", "CREATE INDEX stray ON judgments (created_at)", "index stray"),
    Drift(
        "index direction",
        "DROP INDEX idx_judgments_qscore; CREATE INDEX idx_judgments_qscore ON judgments (q_score)",
        "index idx_judgments_qscore",
    ),
    Drift(
        "vector index options",
        "ALTER INDEX idx_x_tweets_vector SET (m = 8)",
        "index idx_x_tweets_vector",
    ),
    Drift(
        "index invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_judgments_verdict'::regclass",
        "index idx_judgments_verdict",
    ),
    Drift("trigger dropped", "DROP TRIGGER users_touch ON users", "trigger users.users_touch"),
    Drift(
        "trigger disabled",
        "ALTER TABLE users DISABLE TRIGGER users_touch",
        "trigger users.users_touch",
    ),
    Drift(
        "trigger no longer always",
        "ALTER TABLE users ENABLE REPLICA TRIGGER users_touch",
        "trigger users.users_touch",
    ),
    Drift(
        "foreign keys unchecked",
        "ALTER TABLE sessions DISABLE TRIGGER ALL",
        "trigger sessions.sessions_user_id_fkey",
    ),
    Drift(
        "function body",
        "CREATE OR REPLACE FUNCTION require_batch(p_batch integer) RETURNS integer "
        "LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN p_batch; END'",
        "function require_batch(p_batch integer)",
    ),
    Drift(
        "function volatility",
        "ALTER FUNCTION require_batch(integer) VOLATILE",
        "function require_batch(p_batch integer)",
    ),
    Drift(
        "function security",
        "ALTER FUNCTION require_batch(integer) SECURITY DEFINER",
        "function require_batch(p_batch integer)",
    ),
    Drift(
        "function setting",
        "ALTER FUNCTION require_batch(integer) SET work_mem = '1GB'",
        "function require_batch(p_batch integer)",
    ),
    Drift(
        "definer function's search_path",
        "ALTER FUNCTION erase_user(uuid) SET search_path = pg_temp, public",
        "function erase_user(p_user_id uuid)",
    ),
    Drift(
        "function overloaded",
        "CREATE FUNCTION require_batch(p_batch text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "function require_batch(p_batch text)",
    ),
    Drift("function dropped", "DROP FUNCTION get_budget_status()", "function get_budget_status()"),
    Drift("view added", "CREATE VIEW stray AS SELECT 1 AS one", "view stray"),
    Drift(
        "view changed",
        "CREATE OR REPLACE VIEW made AS SELECT 2 AS one",
        "view made",
        before="CREATE VIEW made AS SELECT 1 AS one",
    ),
    Drift(
        "sequence type", "ALTER SEQUENCE frictions_id_seq AS integer", "sequence frictions_id_seq"
    ),
    Drift(
        "sequence step", "ALTER SEQUENCE frictions_id_seq INCREMENT 2", "sequence frictions_id_seq"
    ),
    Drift(
        "sequence unowned",
        "ALTER SEQUENCE frictions_id_seq OWNED BY NONE",
        "sequence frictions_id_seq",
    ),
    Drift(
        "enum value",
        "CREATE TYPE made AS ENUM ('a', 'b')",
        "type made",
    ),
    Drift(
        "enum order",
        "DROP TYPE made; CREATE TYPE made AS ENUM ('b', 'a')",
        "type made",
        before="CREATE TYPE made AS ENUM ('a', 'b')",
    ),
    Drift(
        "domain bound",
        "ALTER DOMAIN made DROP CONSTRAINT c; ALTER DOMAIN made ADD CONSTRAINT c CHECK (VALUE <= 0.7)",
        "type made",
        before="CREATE DOMAIN made AS numeric CONSTRAINT c CHECK (VALUE <= 0.618)",
    ),
    Drift(
        "partition bound",
        "ALTER TABLE made DETACH PARTITION part; ALTER TABLE made ATTACH PARTITION part FOR VALUES FROM (0) TO (20)",
        "table part",
        before="CREATE TABLE made (n integer) PARTITION BY RANGE (n); "
        "CREATE TABLE part PARTITION OF made FOR VALUES FROM (0) TO (10)",
    ),
    Drift(
        "policy",
        "CREATE POLICY stray ON frictions FOR SELECT USING (resolved)",
        "policy frictions.stray",
    ),
    Drift(
        "rule",
        "CREATE RULE stray AS ON DELETE TO frictions DO INSTEAD NOTHING",
        "rule frictions.stray",
    ),
    Drift(
        "extended statistics",
        "CREATE STATISTICS stray ON friction_type, resolved FROM frictions",
        "statistics stray",
    ),
    Drift(
        "comment", "COMMENT ON COLUMN users.erased_at IS 'now'", "comment column users.erased_at"
    ),
    Drift("comment dropped", "COMMENT ON TABLE users IS NULL", "comment table users"),
    Drift(
        "comment on a constraint",
        "COMMENT ON CONSTRAINT judgments_confidence_check ON judgments IS 'stray'",
        "comment constraint judgments.judgments_confidence_check",
    ),
    Drift("grant", "GRANT DELETE ON judgments TO cynic_app", "grant table judgments"),
    Drift("grant revoked", "REVOKE SELECT ON judgments FROM cynic_reader", "grant table judgments"),
    Drift("grant to everybody", "GRANT SELECT ON judgments TO PUBLIC", "grant table judgments"),
    Drift(
        "grant on a column",
        "GRANT UPDATE (verdict) ON judgments TO cynic_app",
        "grant column judgments.verdict",
    ),
    Drift(
        "definer function for everybody",
        "GRANT EXECUTE ON FUNCTION erase_user(uuid) TO PUBLIC",
        "grant function erase_user(p_user_id uuid)",
    ),
    Drift("grant on the schema", "GRANT CREATE ON SCHEMA public TO cynic_reader", "grant schema"),
    Drift(
        "default privileges",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO cynic_reader",
        "default privileges postgres on tables",
    ),
    Drift("owner", "ALTER TABLE frictions OWNER TO cynic_app", "owner table frictions"),
    Drift(
        "text search dictionary",
        "CREATE TEXT SEARCH DICTIONARY stray (TEMPLATE = simple)",
        "other text search dictionary stray",
    ),
)


def read(conn: psycopg.Connection) -> dict[str, str]:
    return catalogue.parse(catalogue.picture(conn, "public"))


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.name)
def test_a_change_by_hand_shows(db: psycopg.Connection, drift: Drift) -> None:
    user = db.info.user
    db.execute(drift.before.encode())
    before = read(db)
    db.execute(drift.change.encode())
    after = read(db)
    thing = drift.object.replace("postgres", user)
    assert before.get(thing) != after.get(thing), f"{drift.name}: {thing} looks the same"


def test_nothing_else_changes_when_one_bound_does(db: psycopg.Connection) -> None:
    before = read(db)
    db.execute("ALTER TABLE judgments ALTER verdict DROP NOT NULL")
    after = read(db)
    assert {thing for thing in before | after if before.get(thing) != after.get(thing)} == {
        "column judgments.verdict"
    }


def test_dropping_a_column_and_adding_it_again_leaves_one_line_different(
    db: psycopg.Connection,
) -> None:
    db.execute("CREATE TABLE made (a integer, b integer)")
    before = read(db)
    db.execute("ALTER TABLE made DROP b")
    db.execute("ALTER TABLE made ADD b integer")
    assert read(db) == before, "a dropped column's number must not show"


def test_every_drift_has_a_name_of_its_own() -> None:
    names = [drift.name for drift in DRIFTS]
    assert len(set(names)) == len(names) >= 28


def test_the_picture_leaves_the_session_alone(db: psycopg.Connection) -> None:
    db.execute("SET LOCAL search_path = pg_catalog")
    db.execute("SET LOCAL quote_all_identifiers = on")
    with_odd_settings = read(db)
    assert db.execute("SHOW search_path").fetchone() == ("pg_catalog",)
    assert db.execute("SHOW quote_all_identifiers").fetchone() == ("on",)
    db.execute("RESET search_path")
    db.execute("RESET quote_all_identifiers")
    assert read(db) == with_odd_settings


def test_data_and_sequences_do_not_show(db: psycopg.Connection) -> None:
    before = read(db)
    db.execute("SELECT nextval('frictions_id_seq')")
    db.execute("INSERT INTO users (username) VALUES ('somebody')")
    db.execute("INSERT INTO _migrations (name) VALUES ('048_not_yet')")
    assert read(db) == before


def test_the_picture_is_quick(db: psycopg.Connection) -> None:
    read(db)
    times: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        read(db)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.3, f"the picture takes {min(times):.2f} s"


def test_another_schema_gives_the_same_picture(fresh_database: str) -> None:
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        Migrator(conn, "acme").up()
        assert catalogue.picture(conn, "acme") == catalogue.picture(conn, "public")
        assert list(catalogue.verify(conn, "acme").lines()) == []


def test_the_extension_may_live_anywhere(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as conn:
        conn.execute("CREATE SCHEMA tools")
        conn.execute("GRANT USAGE ON SCHEMA tools TO PUBLIC")
        conn.execute("CREATE EXTENSION vector SCHEMA tools")
        Migrator(conn).up()
        report = catalogue.verify(conn, "public")
    assert list(report.lines()) == []


def test_a_fresh_installation_is_as_expected(db: psycopg.Connection) -> None:
    report = catalogue.verify(db, "public")
    assert list(report.lines()) == []
    assert report.ok
    assert report.summary() == f"schema public: {report.objects} objects as expected"


def test_verify_tells_missing_extra_and_changed_apart(db: psycopg.Connection) -> None:
    db.execute("DROP INDEX idx_judgments_verdict")
    db.execute("CREATE TABLE stray (id integer)")
    db.execute("ALTER TABLE judgments ALTER verdict DROP NOT NULL")
    report = catalogue.verify(db, "public")
    assert not report.ok
    assert [line.split(":")[0] for line in report.missing] == ["index idx_judgments_verdict"]
    found = {line.split(":")[0] for line in report.extra}
    assert found == {"table stray", "column stray.id", "owner table stray"}
    assert report.changed == (
        catalogue.Change(
            "column judgments.verdict", "character varying NOT NULL", "character varying"
        ),
    )
    assert "- index idx_judgments_verdict" in "\n".join(report.lines())
    assert report.summary() == "schema public: 1 missing, 3 extra, 1 changed"
    assert report.as_document()["ok"] is False


def test_a_missing_role_is_a_warning(db: psycopg.Connection) -> None:
    db.execute(
        sql.SQL("ALTER ROLE cynic_reader RENAME TO {}").format(sql.Identifier("other_reader"))
    )
    report = catalogue.verify(db, "public")
    assert report.ok, list(report.lines())
    assert len(report.warnings) == 1
    assert "cynic_reader" in report.warnings[0]


def test_another_owner_of_everything_is_a_warning(db: psycopg.Connection) -> None:
    db.execute("CREATE ROLE somebody")
    db.execute("REASSIGN OWNED BY cynic_owner TO somebody")
    report = catalogue.verify(db, "public")
    assert report.ok, list(report.lines())[:5]
    assert report.warnings == ("the objects are owned by somebody, not by cynic_owner",)


def test_a_schema_that_is_not_there_is_an_error(db: psycopg.Connection) -> None:
    with pytest.raises(catalogue.NoSuchSchemaError, match="there is no schema nowhere"):
        catalogue.verify(db, "nowhere")


def test_without_a_schema_named_the_first_of_the_search_path_is_read(
    db: psycopg.Connection,
) -> None:
    assert catalogue.picture(db) == catalogue.picture(db, "public")
    db.execute("SET LOCAL search_path = nowhere")
    with pytest.raises(catalogue.NoSuchSchemaError, match="search_path"):
        catalogue.picture(db)
