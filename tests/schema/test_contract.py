"""The live schema against the contract: tables, columns, types, keys, enumerations, indexes, functions, files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cynic.db import catalogue
from cynic.db.migration import packaged

if TYPE_CHECKING:
    import psycopg

TYPES = {
    "uuid": "uuid",
    "varchar": "character varying",
    "text": "text",
    "decimal": "numeric",
    "numeric": "numeric",
    "timestamptz": "timestamp with time zone",
    "jsonb": "jsonb",
    "integer": "integer",
    "bigint": "bigint",
    "smallint": "smallint",
    "boolean": "boolean",
    "real": "real",
    "double precision": "double precision",
    "serial": "bigint",
    "bigserial": "bigint",
    "text[]": "text[]",
    "uuid[]": "uuid[]",
    "vector": "vector(1536)",
    "tsvector": "tsvector",
}
FOUR_ANCHOR_STATUSES = ["PENDING", "QUEUED", "ANCHORED", "FAILED"]
LEVELS = ["abundant", "cautious", "critical", "exhausted"]
DOGS = [
    "CYNIC", "Analyst", "Sage", "Scholar", "Guardian", "Oracle", "Architect", "Deployer", "Janitor", "Scout",
    "Cartographer",
]  # fmt: skip
CLOSED_BY_CONVENTION = {
    "patterns.anchor_status": FOUR_ANCHOR_STATUSES,
    "knowledge.anchor_status": FOUR_ANCHOR_STATUSES,
    "poj_blocks.anchor_status": FOUR_ANCHOR_STATUSES,
    "block_anchors.anchor_status": FOUR_ANCHOR_STATUSES,
    "routing_accuracy.budget_level": LEVELS,
    "cost_ledger.budget_level": LEVELS,
    "budget_alerts.budget_level": LEVELS,
    "x_trends.sentiment": ["positive", "negative", "neutral", "mixed"],
    "residual_anomalies.severity": ["low", "medium", "high", "critical"],
    "routing_weights.dog_name": DOGS,
    "dog_votes.dog_name": DOGS,
    "dog_signals.dog_name": DOGS,
    "dog_events.dog_name": DOGS,
    "consensus_votes.dog_name": DOGS,
    "cynic_distance_log.lead_dog": DOGS,
    "dog_pipeline_state.current_dog": DOGS,
}
CASCADES = {
    ("sessions", "users"),
    ("feedback", "users"),
    ("escore_history", "users"),
    ("user_learning_profiles", "users"),
    ("user_preferences", "users"),
    ("user_preference_history", "users"),
    ("user_psychology", "users"),
    ("psychology_observations", "users"),
    ("psychology_interventions", "users"),
    ("psychology_snapshots", "users"),
    ("burnout_episodes", "users"),
    ("burnout_warnings", "users"),
    ("user_consciousness", "users"),
    ("consciousness_reflections", "users"),
    ("spans", "traces"),
    ("x_feed_tweets", "x_feeds"),
    ("x_feed_tweets", "x_tweets"),
}
SETS_NULL = {("burnout_warnings", "burnout_episodes")}
RESTRICTS = {
    ("judgments", "users"),
    ("feedback", "judgments"),
    ("x_tweets", "x_users"),
    ("autonomous_tasks", "autonomous_goals"),
    ("orchestration_log", "autonomous_tasks"),
}


@pytest.fixture
def live(db: psycopg.Connection) -> dict[str, str]:
    return catalogue.parse(catalogue.picture(db))


def columns(contract: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, column) for name, table in contract["tables"].items() for column in table["columns"]
    ]


def words(definition: str) -> list[str]:
    """The literals of `x IN (…)` as the server prints it."""
    literals = re.search(r"ANY \(ARRAY\[([^\]]*)\]\)", definition)
    return re.findall(r"'([^']*)'", literals[1]) if literals else []


def test_every_table_exists_in_its_domain(contract: dict[str, Any], live: dict[str, str]) -> None:
    for name, table in contract["tables"].items():
        assert f"table {name}" in live
        assert live[f"comment table {name}"].startswith(f"{table['domain']}: "), name


def test_every_column_exists_with_its_type(contract: dict[str, Any], live: dict[str, str]) -> None:
    wrong = []
    for table, column in columns(contract):
        found = live.get(f"column {table}.{column['name']}") or live.get(
            f'column {table}."{column["name"]}"'
        )
        expected = TYPES[column["type"]]
        if table == "budget_state" and column["name"] == "id":
            expected = "integer"
        if found is None or not (found == expected or found.startswith(f"{expected} ")):
            wrong.append((table, column["name"], expected, found))
    assert wrong == []


def test_the_contracts_columns_stand_in_its_order(
    contract: dict[str, Any], live: dict[str, str]
) -> None:
    for name, table in contract["tables"].items():
        order = re.search(r"columns \(([^)]*)\)", live[f"table {name}"])
        assert order is not None
        found = [column.strip('"') for column in order[1].split(", ")]
        wanted = [column["name"] for column in table["columns"]]
        later = {"task_type", "task_complexity"} if name == "cost_ledger" else set[str]()
        assert [c for c in found if c in wanted and c not in later] == [
            c for c in wanted if c not in later
        ]


def test_columns_beyond_the_contract_say_why(
    contract: dict[str, Any], live: dict[str, str]
) -> None:
    known = {f"{table}.{column['name']}" for table, column in columns(contract)}
    tables = contract["tables"]
    extra = [
        name.removeprefix("column ").replace('"', "")
        for name in live
        if name.startswith("column ") and name.split()[1].split(".")[0] in tables
    ]
    silent = [name for name in extra if name not in known and f"comment column {name}" not in live]
    assert silent == []


def test_every_key_of_the_contract_is_one(contract: dict[str, Any], db: psycopg.Connection) -> None:
    keys = db.execute(
        "SELECT c.relname, a.attname, k.contype::text, cardinality(k.conkey) FROM pg_constraint AS k "
        "JOIN pg_class AS c ON c.oid = k.conrelid "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey) "
        "WHERE k.connamespace = current_schema()::regnamespace AND k.contype IN ('p', 'u', 'f')"
    ).fetchall()
    found = {(table, column, kind) for table, column, kind, _ in keys}
    alone = {(table, column, kind) for table, column, kind, width in keys if width == 1}
    # A span is unique within its trace; progress has one row per kind and target.
    together = {
        ("spans", "span_id", "u"),
        ("x_sync_status", "sync_type", "u"),
        ("x_sync_status", "sync_target", "u"),
    }
    missing = []
    for table, column in columns(contract):
        for mark in column.get("key", []):
            key = (table, column["name"], {"PK": "p", "UK": "u", "FK": "f"}[mark])
            primary_of_many = mark == "PK" and table == "x_feed_tweets"
            if key not in (
                found
                if primary_of_many or key in together
                else alone | {k for k in found if k[2] == "f"}
            ):
                missing.append(key)
    assert missing == []


def test_every_closed_enumeration_has_exactly_its_words(
    contract: dict[str, Any], live: dict[str, str]
) -> None:
    closed = {
        f"{table}.{column['name']}": column["allowed"]
        for table, column in columns(contract)
        if "allowed" in column
    }
    assert len(closed) > 30
    for name, allowed in {**closed, **CLOSED_BY_CONVENTION}.items():
        table, _, column = name.partition(".")
        definition = live.get(f"constraint {table}.{table}_{column}_check", "")
        assert words(definition) == allowed, name


def test_every_phi_bound_of_the_contract_is_checked_and_explained(
    contract: dict[str, Any], live: dict[str, str]
) -> None:
    bounded = [f"{t}.{c['name']}" for t, c in columns(contract) if c.get("max") == 0.618]
    assert len(bounded) > 15
    for name in bounded:
        table, _, column = name.partition(".")
        definition = live[f"constraint {table}.{table}_{column}_check"]
        assert re.search(r"<= 0\.618(::\w+( \w+)?)?\)", definition), f"{name}: {definition}"
        assert "φ-bounded" in live[f"comment column {name}"], name


def test_every_default_of_the_contract_is_one(
    contract: dict[str, Any], live: dict[str, str]
) -> None:
    for table, column in columns(contract):
        if "default" in column and "default" not in str(column["default"]):
            found = re.search(r"DEFAULT (\S+)", live[f"column {table}.{column['name']}"])
            assert found is not None, f"{table}.{column['name']}"
            wanted = str(column["default"])
            text = found[1].partition("::")[0].strip("'")
            same = (
                float(text) == float(wanted) if re.fullmatch(r"[\d.]+", wanted) else text == wanted
            )
            assert same, f"{table}.{column['name']}: {text}, not {wanted}"


def test_what_must_be_given_must_be_given(contract: dict[str, Any], live: dict[str, str]) -> None:
    for table, column in columns(contract):
        if column.get("not_null"):
            assert "NOT NULL" in live[f"column {table}.{column['name']}"], (table, column["name"])


def test_each_index_exists_with_its_kind(contract: dict[str, Any], live: dict[str, str]) -> None:
    assert len(contract["indexes"]) == 91
    for index in contract["indexes"]:
        definition = live[f"index {index['name']}"]
        kind = index.get("kind", "")
        columns_of = definition.partition(" USING ")[2]
        if kind == "DESC":
            assert re.match(r"btree \(\w+ DESC", columns_of), definition
        elif kind == "GIN":
            assert columns_of.startswith("gin "), definition
        elif kind == "HNSW":
            assert (
                columns_of
                == "hnsw (embedding vector_cosine_ops) WITH (m='21', ef_construction='89')"
            )
        elif kind == "composite":
            assert columns_of.count(",") >= 1, definition
        else:
            assert columns_of.startswith("btree "), definition
        if index["name"].endswith("_unprocessed"):
            assert "WHERE NOT processed" in definition


def test_the_functions_of_the_contract_keep_their_arguments(live: dict[str, str]) -> None:
    signatures = {
        name.removeprefix("function ").partition("(")[0]: definition
        for name, definition in live.items()
        if name.startswith("function ")
    }
    assert (
        "takes (service_id character varying DEFAULT 'default'"
        in signatures["get_qlearning_summary"]
    )
    assert "takes ()" in signatures["get_budget_status"]
    assert "get_week1_progress" in signatures
    curve = signatures["get_calibration_curve"]
    assert re.search(
        r"takes \(service_id character varying DEFAULT 'default'\S+.*, days integer DEFAULT 7\)",
        curve,
    )
    search = signatures["search_x_tweets_hybrid"]
    names = re.search(r"takes \((.*?)\), returns", search)
    assert names is not None
    kinds = [part.split(" DEFAULT ")[0].split(" ", 1)[1] for part in names[1].split(", ")]
    assert kinds == [
        "text",
        "vector",
        "character varying",
        "integer",
        "character varying",
        "timestamp with time zone",
        "timestamp with time zone",
        "integer",
    ]
    assert names[1].startswith("query text")


def test_a_delete_goes_where_it_should(db: psycopg.Connection) -> None:
    found = db.execute(
        "SELECT c.relname, f.relname, k.confdeltype::text FROM pg_constraint AS k "
        "JOIN pg_class AS c ON c.oid = k.conrelid JOIN pg_class AS f ON f.oid = k.confrelid "
        "WHERE k.contype = 'f' AND k.connamespace = current_schema()::regnamespace"
    ).fetchall()
    contracted = [
        (child, parent, action) for child, parent, action in found if not child.startswith("ops_")
    ]
    assert {(c, p) for c, p, action in contracted if action == "c"} == CASCADES
    assert {(c, p) for c, p, action in contracted if action == "n"} == SETS_NULL
    assert {(c, p) for c, p, action in contracted if action in {"r", "a"}} == RESTRICTS


def test_the_47_files_are_named_as_the_contract_says(contract: dict[str, Any]) -> None:
    files = contract["migration_files"]
    assert len(files) == 47
    assert [m.name for m in packaged() if m.number <= 47] == sorted(files)
    assert all(m.number > 47 for m in packaged()[47:])
