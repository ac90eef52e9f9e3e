"""Every table is alive: something of the program writes it. Those that nothing writes yet are listed, and the list only shrinks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cynic.db import sqlfile
from generator import model, sources
from generator.outputs import PACKAGE

if TYPE_CHECKING:
    import psycopg

# Take a table out when a flow begins to write it; never put one in.
NOT_ALIVE_YET = frozenset(
    [
        "anchor_batches",
        "architectural_decisions",
        "autonomous_goals",
        "autonomous_tasks",
        "block_anchors",
        "blocks",
        "burn_verifications",
        "burnout_episodes",
        "burnout_warnings",
        "collective_snapshots",
        "consciousness_reflections",
        "consciousness_snapshots",
        "consciousness_transitions",
        "conversation_memories",
        "crash_log",
        "cynic_distance_log",
        "discovered_mcp_servers",
        "discovered_nodes",
        "discovered_plugins",
        "discovery_events",
        "ecosystem_docs",
        "facts",
        "knowledge",
        "library_cache",
        "orchestration_log",
        "poj_blocks",
        "proactive_notifications",
        "psychology_interventions",
        "psychology_observations",
        "psychology_snapshots",
        "router_usage",
        "routing_accuracy",
        "thermodynamic_snapshots",
        "trigger_events",
        "trigger_executions",
        "triggers_registry",
        "user_consciousness",
        "user_preference_history",
        "user_preferences",
        "user_psychology",
        "watcher_heartbeats",
        "watcher_state",
        "x_feed_tweets",
        "x_feeds",
        "x_sync_status",
        "x_trends",
        "x_tweets",
        "x_users",
    ]
)
WRITTEN_BY_MIGRATION = {"ops_secrets"}


def called(db: psycopg.Connection) -> set[str]:
    """The functions of the database that statements of the program call, also by way of other functions."""
    texts = [
        text
        for path in PACKAGE.rglob("*.sql")
        if path.parent.name != "migrations"
        for text in sqlfile.load(path).values()
    ]
    bodies: dict[str, str] = {}
    for name, body in db.execute(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
    ):
        bodies[name] = bodies.get(name, "") + body
    found: set[str] = set()
    while texts:
        names = set(re.findall(r"\b(\w+)\s*\(", texts.pop())) & bodies.keys() - found
        found |= names
        texts += [bodies[name] for name in names]
    return found


def test_the_tables_that_nothing_writes_are_those_of_the_list(db: psycopg.Connection) -> None:
    schema = model.read(db)
    users = sources.users(schema, PACKAGE)
    functions = called(db)
    # A statement of the program is named by its module; a function of the database is a flow if one of them calls it.
    written = {
        name
        for name, found in users.items()
        if any(w.startswith("cynic.") or w.partition("(")[0] in functions for w in found.writers)
    }
    assert set(schema.tables) - written - WRITTEN_BY_MIGRATION == NOT_ALIVE_YET
