"""`cynic learn`: a pass that says what changed, and the eleven loops."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cynic as package

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Done


def test_learn_says_what_changed_and_what_is_known(
    cynic: Callable[..., Done], fresh_database: str
) -> None:
    with package.connect(fresh_database) as memory:
        judged = memory.judge(
            item_type="code",
            item_content="x",
            votes=[{"dog": "Sage", "score": 0.8}, {"dog": "Scout", "score": 0.1}],
        )
        memory.feedback(judged.judgment_id, "correct")
    before = cynic("--database", fresh_database, "learn", "status")
    assert before.code == 0, before.err
    assert "1 answers wait" in before.out
    done = cynic("--database", fresh_database, "learn", "run")
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "1 answers learned, 0 of them took a former one back; 0 skipped",
        "1 cycles, 0 consolidations",
        "         1  calibration",
        "         1  dog-votes",
        "         1  dpo",
        "         1  q-learning",
        "         1  thompson",
    ]
    again = json.loads(cynic("--database", fresh_database, "learn", "run", "--json").out)
    assert (again["taken"], again["changes"]) == (0, {})
    shown = cynic("--database", fresh_database, "learn", "status").out
    assert "not enough data yet (2 of 100)  last change" in shown
    assert judged.judgment_id in shown
    assert shown.count("not enough data yet") > 5
    status = json.loads(cynic("--database", fresh_database, "learn", "status", "--json").out)
    assert status["waiting"] == 0
    assert len(status["loops"]) == 11


def test_status_says_whether_a_dimension_tells(
    cynic: Callable[..., Done], fresh_database: str
) -> None:
    with package.connect(fresh_database) as memory:
        for number in range(30):
            judged = memory.judge(
                item_type="code", item_content="x", dimensions={"IMPACT": 3 * number}
            )
            memory.feedback(judged.judgment_id, "correct" if number % 2 else "incorrect")
        memory.learn()
    shown = cynic("--database", fresh_database, "learn", "status").out
    assert "sona            learning: no dimension tells yet" in shown
