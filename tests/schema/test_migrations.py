"""The runner and the files: up and down for every step, many at once, killed, edited, offline, in any schema."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from cynic.db import catalogue
from cynic.db.migrate import (
    DatabaseNewerError,
    MigrationBusyError,
    MigrationEditedError,
    MigrationFailedError,
    MigrationOrderError,
    Migrator,
)
from cynic.db.migration import Migration, packaged, target_index
from cynic.db.offline import script
from cynic.db.tools import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CYNIC = Path(sys.executable).with_name("cynic")


@pytest.fixture
def conn(empty_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(empty_database, autocommit=True) as opened:
        yield opened


def changed(migration: Migration, **fields: Any) -> Migration:
    from dataclasses import replace

    return replace(migration, **fields)


def test_the_files_are_the_contracts_in_its_order(contract: dict[str, Any]) -> None:
    assert [m.name for m in packaged()][:47] == contract["migration_files"]


def test_every_file_begins_with_prose() -> None:
    for path in sorted(Path(catalogue.__file__).parent.glob("migrations/*.sql")):
        head = path.read_text(encoding="utf-8").split("-- migrate:up")[0]
        assert head.startswith(f"-- {path.stem}: "), path.name
        assert len(head.split()) > 20, path.name


def test_every_step_up_down_and_up_again_gives_the_same_catalogue(conn: psycopg.Connection) -> None:
    before = catalogue.picture(conn, "public")
    for migration in packaged():
        migrator = Migrator(conn)
        assert migrator.up(migration.name) == [migration.name]
        after = catalogue.picture(conn, "public")
        previous = packaged()[target_index(packaged(), migration.name) - 2].name
        assert migrator.down("0" if migration == packaged()[0] else previous) == [migration.name]
        migrator.grant()
        assert without_grants(catalogue.picture(conn, "public")) == without_grants(before), (
            migration.name
        )
        assert migrator.up(migration.name) == [migration.name]
        assert catalogue.picture(conn, "public") == after, migration.name
        before = after


def without_grants(lines: Sequence[str]) -> list[str]:
    """The rights on the schema itself come with the first run and stay."""
    return [line for line in lines if not line.startswith("grant schema")]


def test_all_the_way_down_leaves_nothing_of_ours(conn: psycopg.Connection) -> None:
    empty = without_grants(catalogue.picture(conn, "public"))
    migrator = Migrator(conn)
    migrator.up()
    assert migrator.down("000") == [m.name for m in reversed(packaged())]
    assert without_grants(catalogue.picture(conn, "public")) == empty


def test_a_number_means_all_its_files_and_a_name_one(conn: psycopg.Connection) -> None:
    assert packaged()[target_index(packaged(), "039") - 1].name == "039_qlearning_ewc"
    assert packaged()[target_index(packaged(), "039_brier_score") - 1].name == "039_brier_score"
    assert Migrator(conn).up("002") == ["001_initial", "002_knowledge_fts"]


def test_up_twice_applies_nothing_and_takes_no_lock(
    conn: psycopg.Connection, empty_database: str
) -> None:
    Migrator(conn).up()
    with psycopg.connect(empty_database, autocommit=True) as other:
        # Somebody else holds the runner's lock for ever; a complete schema does not need it.
        other.execute("SELECT pg_advisory_lock(objid::bigint) FROM pg_locks WHERE false")
        assert Migrator(conn).up() == []


def test_an_edited_file_is_reported_by_name(conn: psycopg.Connection) -> None:
    Migrator(conn).up("003")
    first, second, *rest = packaged()
    edited = (first, changed(second, sha256="0" * 64), *rest)
    with pytest.raises(MigrationEditedError, match="002_knowledge_fts"):
        Migrator(conn, migrations=edited).up()
    assert [s.state for s in Migrator(conn, migrations=edited).status()][:4] == [
        "applied",
        "edited",
        "applied",
        "pending",
    ]


def test_a_database_newer_than_the_code_is_refused(conn: psycopg.Connection) -> None:
    Migrator(conn).up("003")
    with pytest.raises(DatabaseNewerError, match="003_ecosystem_docs"):
        Migrator(conn, migrations=packaged()[:2]).up()


def test_a_gap_is_refused(conn: psycopg.Connection) -> None:
    Migrator(conn).up("003")
    conn.execute("DELETE FROM _migrations WHERE name = '002_knowledge_fts'")
    with pytest.raises(MigrationOrderError, match="002_knowledge_fts"):
        Migrator(conn).up()


def test_a_failing_statement_is_named_and_leaves_whole_files_only(conn: psycopg.Connection) -> None:
    first, second, *_ = packaged()
    broken = changed(second, up="CREATE TABLE half (n integer);\nSELECT 1 / 0;\n")
    with pytest.raises(
        MigrationFailedError, match=r"002_knowledge_fts \(up\), statement 2: division by zero"
    ):
        Migrator(conn, migrations=(first, broken)).up()
    assert conn.execute("SELECT to_regclass('half'), count(*) FROM _migrations").fetchone() == (
        None,
        1,
    )


def test_a_reader_that_stays_makes_a_migration_give_up_and_leave_nothing(
    conn: psycopg.Connection, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cynic.db.migrate.FILE_LOCK_TIMEOUT_MS", 50)
    Migrator(conn).up("001")
    with psycopg.connect(empty_database) as reader:
        reader.execute("SELECT count(*) FROM knowledge")
        with pytest.raises(MigrationBusyError, match="002_knowledge_fts"):
            Migrator(conn).up("002")
        assert [s.state for s in Migrator(conn).status()][:2] == ["applied", "pending"]
    assert Migrator(conn).up("002") == ["002_knowledge_fts"]


def test_a_file_may_leave_the_transaction(conn: psycopg.Connection) -> None:
    first = packaged()[0]
    alone = Migration(
        "002_concurrent",
        up="CREATE INDEX CONCURRENTLY idx_alone ON users (created_at);",
        down="DROP INDEX CONCURRENTLY idx_alone;",
        transactional=False,
        sha256="x",
    )
    migrator = Migrator(conn, migrations=(first, alone))
    assert migrator.up() == ["001_initial", "002_concurrent"]
    assert migrator.down("001") == ["002_concurrent"]


def start_runner(dsn: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [CYNIC, "--database", dsn, "db", "migrate"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_eight_processes_migrating_at_once_all_succeed(empty_database: str) -> None:
    runners = [start_runner(empty_database) for _ in range(8)]
    assert [runner.wait(120) for runner in runners] == [0] * 8
    assert_complete(empty_database)


def test_runners_killed_on_the_way_leave_work_that_the_others_finish(empty_database: str) -> None:
    runners = [start_runner(empty_database) for _ in range(6)]
    with psycopg.connect(empty_database, autocommit=True) as watcher:
        # Kill whoever works, twice, once some files are in.
        for enough in (3, 20):
            while files_applied(watcher) < enough and any(r.poll() is None for r in runners):
                pass
            for runner in runners[: enough // 3]:
                if runner.poll() is None:
                    runner.send_signal(signal.SIGKILL)
    codes = [runner.wait(120) for runner in runners]
    assert set(codes) <= {0, -signal.SIGKILL}
    assert start_runner(empty_database).wait(120) == 0
    assert_complete(empty_database)


def files_applied(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT to_regclass('_migrations') IS NOT NULL").fetchone()
    if not (row and row[0]):
        return 0
    counted = conn.execute("SELECT count(*) FROM _migrations").fetchone()
    return counted[0] if counted else 0


def assert_complete(dsn: str, schema: str = "public") -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        report = catalogue.verify(conn, schema)
        assert report.ok, list(report.lines())
        assert {s.state for s in Migrator(conn, schema).status()} == {"applied"}


def test_the_offline_script_gives_the_same_as_the_runner(
    empty_database: str, pg_major: int
) -> None:
    subprocess.run(
        [program("psql", pg_major), "-X", "-q", "-d", empty_database],
        input="".join(script()),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert_complete(empty_database)


def test_the_offline_script_in_a_schema_of_its_own(empty_database: str, pg_major: int) -> None:
    subprocess.run(
        [program("psql", pg_major), "-X", "-q", "-d", empty_database],
        input="".join(script(schema="Odd Name")),
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    assert_complete(empty_database, "Odd Name")


def test_a_schema_without_public_names_public_nowhere(
    conn: psycopg.Connection, empty_database: str
) -> None:
    conn.execute("DROP SCHEMA public")
    Migrator(conn, "x").up()
    assert_complete(empty_database, "x")
    named = conn.execute(
        """
        SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'x'::regnamespace AND p.prokind = 'f'
            AND pg_get_functiondef(p.oid) ~* '\\mpublic\\.'
        UNION ALL
        SELECT c.conname FROM pg_constraint AS c WHERE c.connamespace = 'x'::regnamespace
            AND pg_get_constraintdef(c.oid) ~* '\\mpublic\\M'
        UNION ALL
        SELECT i.indexname FROM pg_indexes AS i WHERE i.schemaname = 'x' AND i.indexdef ~* '\\mpublic\\M'
        UNION ALL
        SELECT t.tgname FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
            WHERE c.relnamespace = 'x'::regnamespace AND pg_get_triggerdef(t.oid) ~* '\\mpublic\\M'
        UNION ALL
        SELECT d.adrelid::regclass::text FROM pg_attrdef AS d WHERE pg_get_expr(d.adbin, d.adrelid) ~* '\\mpublic\\M'
        """
    ).fetchall()
    assert named == []


def test_two_tenants_in_one_database_each_have_all_of_it(
    conn: psycopg.Connection, empty_database: str
) -> None:
    Migrator(conn, "one").up()
    with psycopg.connect(empty_database, autocommit=True) as other:
        Migrator(other, "two").up()
        other.execute("INSERT INTO users (username) VALUES ('only here')")
    assert conn.execute("SELECT count(*) FROM one.users").fetchone() == (0,)
    assert_complete(empty_database, "one")
    assert_complete(empty_database, "two")


UPGRADES: dict[str, list[str]] = {
    "001_initial": [],
    "026_qlearning_persistence": [
        "INSERT INTO qlearning_episodes (episode_id, features) VALUES ('ep1', ARRAY['task:code', 'ctx:x'])",
        "INSERT INTO x_users (x_user_id, username) VALUES ('1', 'cynic')",
        "INSERT INTO x_tweets (tweet_id, x_user_id, text) VALUES ('t1', '1', 'the dog remembers')",
        "INSERT INTO user_preferences (user_id, preferences) SELECT id, '{\"verbosity\": 2}' FROM users LIMIT 1",
    ],
    "047_metrics_infrastructure": [
        "SELECT update_budget(1.23456789)",
        (
            "INSERT INTO dog_votes (dog_name, item_type, item_id, vote_score, confidence) "
            "VALUES ('Guardian', 'judgment', 'jdg_1', 0.9, 0.5)"
        ),
    ],
}
CORE_ROWS = [
    "INSERT INTO users (username, wallet_address) VALUES ('ada', 'w1'), ('bob', NULL), (NULL, NULL)",
    (
        "INSERT INTO judgments (judgment_id, user_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores) "
        "SELECT 'jdg_' || n, (SELECT id FROM users WHERE username = 'ada'), 'code', 'text ' || n, 'h' || n, n, 0.618, 'GROWL', "
        "'{\"PHI\": 50}' FROM generate_series(1, 50) AS n"
    ),
    "INSERT INTO feedback (judgment_id, user_id, outcome) SELECT 'jdg_1', id, 'correct' FROM users WHERE username = 'ada'",
    "INSERT INTO knowledge (knowledge_id, source_type, summary, insights) VALUES ('kno_1', 'code', 'trees grow', '[\"roots deepen\"]')",
    "INSERT INTO patterns (pattern_id, category, name, confidence) VALUES ('pat_1', 'c', 'n', 0.3)",
]


@pytest.mark.parametrize("version", UPGRADES)
def test_an_upgrade_keeps_the_data_that_is_there(conn: psycopg.Connection, version: str) -> None:
    Migrator(conn).up(version)
    for statement in [*CORE_ROWS, *UPGRADES[version]]:
        conn.execute(statement.encode())
    before = rows_by_table(conn)
    Migrator(conn).up()
    after = rows_by_table(conn)
    for table, rows in before.items():
        # Columns may have come; those that were there are as they were, in every row.
        kept = [
            {name: new[name] for name in old} for old, new in zip(rows, after[table], strict=True)
        ]
        assert kept == rows, table
    assert conn.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").fetchone() == (
        0,
    )
    found = conn.execute(
        "SELECT knowledge_id FROM knowledge WHERE search_vector @@ websearch_to_tsquery('english', 'growing root')"
    ).fetchall()
    assert found == [("kno_1",)]
    assert conn.execute(
        "SELECT sum(q_score), count(DISTINCT user_id) FROM judgments"
    ).fetchone() == (1275, 1)


def rows_by_table(conn: psycopg.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but the ledger, in a stable order."""
    tables = conn.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    query = "SELECT to_jsonb(t) FROM {} AS t ORDER BY to_jsonb(t) ->> 'id', t::text"
    return {
        table: [row[0] for row in conn.execute(sql.SQL(query).format(sql.Identifier(table)))]
        for (table,) in tables
        if table != "_migrations"
    }


def test_migrate_as_an_owner_without_superuser_rights(
    make_database: Callable[..., str],
) -> None:
    dsn = make_database()
    with psycopg.connect(dsn, autocommit=True) as setup:
        setup.execute("CREATE EXTENSION vector")
        setup.execute("CREATE ROLE plain_owner LOGIN")
        setup.execute("GRANT CREATE, USAGE ON SCHEMA public TO plain_owner")
        try:
            setup.execute("SET ROLE plain_owner")
            Migrator(setup).up()
            assert setup.execute(
                "SELECT tableowner FROM pg_tables WHERE tablename = 'judgments'"
            ).fetchone() == ("plain_owner",)
        finally:
            setup.execute("RESET ROLE")
            setup.execute("DROP OWNED BY plain_owner")
            setup.execute("DROP ROLE plain_owner")
