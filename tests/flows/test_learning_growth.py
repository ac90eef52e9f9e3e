"""What a cycle reads grows with its own answers, not with what was learned before: whatever the statistics say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_learn_adapted import loops
from test_learning_cycle import ANSWERS_MANY, _rows_read

from cynic.domains.dogs.pack import DOGS
from cynic.flows import learn
from cynic.flows.learning import behavior, dpo

if TYPE_CHECKING:
    import psycopg

    from conftest import Judge, Say
    from cynic.flows.edge import Edge

FILL = (
    (
        "INSERT INTO judgments (judgment_id, item_type, item_content, item_hash, q_score, confidence, verdict, axiom_scores, basis)"
        " SELECT 'j' || n, 'code', 'x', md5('x'), 50, 0.4, 'WAG', '{}', '{\"confidence_rule\": \"votes\"}'"
        " FROM generate_series(1, %(many)s::integer) AS n"
    ),
    (
        "INSERT INTO feedback (id, judgment_id, outcome)"
        " SELECT new_uuid(), 'j' || n, 'correct' FROM generate_series(1, %(many)s::integer) AS n"
    ),
    (
        "INSERT INTO preference_pairs (chosen, rejected, context_type, feedback_ids, processed, batch_id)"
        " SELECT '{\"dog\": \"Sage\"}', '{\"dog\": \"Scout\"}', 'c', ARRAY[f.id], true, 'lrn_x' FROM feedback AS f"
    ),
    (
        "INSERT INTO routing_weights (dog_name, context_type)"
        " SELECT d.dog, 'c' || n FROM generate_series(1, %(many)s::integer / 10) AS n, unnest(%(dogs)s::text[]) AS d (dog)"
    ),
    (
        "INSERT INTO loop_persistence_state (loop_name, state_type, weights)"
        " SELECT 'dpo', 'c' || n, '{}' FROM generate_series(1, %(many)s::integer) AS n"
    ),
)


@pytest.mark.parametrize("counted", [True, False])
def test_a_cycle_looks_up_what_it_touches(conn: psycopg.Connection, counted: bool) -> None:
    conn.execute("RESET ROLE")
    for statement in FILL:
        conn.execute(statement, {"many": ANSWERS_MANY, "dogs": list(DOGS)})
    if counted:
        conn.execute("ANALYZE")
    conn.execute("UPDATE feedback SET learned_as = substr(judgment_id, 2)::bigint, applied = true")
    ids = conn.execute("SELECT id FROM feedback WHERE learned_as > %s", [ANSWERS_MANY - 50])
    names = [f"c{number}" for number in range(50)]
    given = {
        "since": ANSWERS_MANY - 50,
        "until": ANSWERS_MANY,
        "ids": [row[0] for row in ids],
        "contexts": names,
        "limit": dpo.GIVEN_MAX,
    }
    for name, statement in {
        "governed": behavior._SQL["governed"],
        **{
            name: dpo._SQL[name]
            for name in ("optimizer", "contexts", "weights", "given", "take_back")
        },
    }.items():
        explained = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
        row = conn.execute(explained.encode(), given).fetchone()
        assert row is not None
        assert _rows_read(row[0][0]["Plan"]) < ANSWERS_MANY / 5, (name, row)


def test_pairs_that_nothing_can_be_learned_from_are_looked_at_once(
    conn: psycopg.Connection, edge: Edge, judge: Judge, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dpo, "GIVEN_MAX", 3)
    conn.execute(
        "INSERT INTO preference_pairs (chosen, rejected, context_type, created_at)"
        " SELECT '\"an answer in words\"', '{\"dog\": \"Sage\"}', NULL, now() - interval '1 day'"
        " FROM generate_series(1, 4)"
    )
    conn.execute(
        'SELECT create_preference_pair(\'{"dog": "Sage"}\', \'{"dog": "Scout"}\', p_context_type => \'c\')'
    )
    for pairs in (0, 1, 1):
        say(judge(context_type="other").judgment_id, "correct")
        learn.run(conn, edge)
        assert loops(conn)["dpo"]["data"] == pairs
    row = conn.execute(
        "SELECT count(*) FILTER (WHERE processed), count(batch_id) FROM preference_pairs"
    ).fetchone()
    assert row == (5, 1)
