"""The latest judgments of a user in a session among a million judgments, against the same among ten thousand."""

from __future__ import annotations

import statistics
from itertools import cycle
from typing import TYPE_CHECKING

import psycopg

from benchmarks import ground
from benchmarks.measure import Result, paired, seconds
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cynic.db.connect import Database

FEW, MANY = 10_000, 1_000_000
PER_SESSION = 50
SESSIONS_PER_USER = 20
ROUNDS = 200
CALLS = 5
ASKED = 100
"""How many users are asked about in turn, spread over all of them."""

# A session is a run of judgments that overlaps with other sessions; a user has several. Triggers and foreign keys rest
# meanwhile: nothing else differs from rows that were recorded one by one.
# Only the filling may be forgotten: nothing is written in these databases once they are measured.
REST = "SET session_replication_role = replica; SET synchronous_commit = off"
USERS = """
INSERT INTO users (id, username) SELECT md5('user-' || n)::uuid, 'user-' || n
FROM generate_series(0, %(rows)s / %(per_user)s) AS n
"""
# The identifiers ascend as those of version 7 do; digests and judgment_ids are scattered.
JUDGMENTS = """
INSERT INTO judgments (id, judgment_id, user_id, session_id, item_type, item_content, item_hash, q_score, confidence, verdict,
                       axiom_scores, query_type, basis, created_at)
SELECT ('01980000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'jdg_' || md5(n::text),
       md5('user-' || session / %(sessions_per_user)s)::uuid, 'session-' || session,
       (ARRAY['code_review', 'plan', 'answer', 'tool_call'])[1 + n %% 4], 'def area(radius): return 3.14159 * radius ** 2',
       'hmac-sha256:' || md5((n / 3)::text) || md5(n::text), q, 0.618 * ((n::bigint * 7919) %% 1000) / 1000.0,
       CASE WHEN q >= 80 THEN 'HOWL' WHEN q >= 50 THEN 'WAG' WHEN q >= 38.2 THEN 'GROWL' ELSE 'BARK' END,
       '{"PHI": null, "BURN": null, "VERIFY": null, "CULTURE": null}', 'review',
       '{"consensus": {"approved": true, "verdict": "WAG", "agreement": 1.0, "voters": 11, "veto": false}, "score_rule": "votes"}',
       timestamptz '2026-01-01' + n * interval '3 seconds'
FROM generate_series(0, %(rows)s - 1) AS n,
     LATERAL (SELECT (n / 500) * 10 + n %% 10 AS session, ((n::bigint * 7907) %% 10000) / 100.0 AS q) AS made
"""


def run() -> Iterator[Result]:
    """Two hundred pairs of five calls, each pair about another user."""
    with ground.server() as address:
        few, many = (_filled(address, f"rows_{rows}", rows) for rows in (FEW, MANY))
        with Memory(few, pool_size=1) as of_few, Memory(many, pool_size=1) as of_many:
            ours, limit = paired(_asking(of_many, MANY), _asking(of_few, FEW), ROUNDS)
        yield Result(
            what=f"10 latest of user + session, {MANY} vs {FEW} rows",
            ours_seconds=ours,
            limit_seconds=limit,
            ratio_max=1.5,
        )


def _asking(memory: Memory, rows: int) -> Callable[[], float]:
    """One call after another about sessions spread over the whole database; median seconds of a few calls."""
    sessions = rows // PER_SESSION
    asked = cycle(range(0, sessions, sessions // ASKED))

    def ask() -> float:
        session = next(asked)

        def page() -> None:
            user = f"user-{session // SESSIONS_PER_USER}"
            found = memory.judgments(user=user, session_id=f"session-{session}", limit=10)
            if len(found.lines) != 10 or found.cursor is None:
                raise RuntimeError(f"{len(found.lines)} judgments of {user}")

        return statistics.median(seconds(page) for _ in range(CALLS))

    return ask


def _filled(address: str, name: str, rows: int) -> Database:
    database = ground.migrated(address, name)
    with psycopg.connect(database.conninfo, autocommit=True) as conn:
        conn.execute(REST)
        conn.execute(USERS, {"rows": rows, "per_user": PER_SESSION * SESSIONS_PER_USER})
        conn.execute(JUDGMENTS, {"rows": rows, "sessions_per_user": SESSIONS_PER_USER})
        conn.execute("VACUUM ANALYZE")
    return database
