"""`cynic learn`: a pass that says what changed, and the eleven loops."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import cynic as package
from cynic.cli import learn_text

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
    (line,) = [one for one in shown.splitlines() if one.startswith("q-learning")]
    assert re.fullmatch(
        r"q-learning      too few data  2 of 100 updates        changes nothing yet              "
        r"-         \d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
        line,
    )
    assert "will change the weights of the" in shown
    assert shown.count("too few data") > 5
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
    assert "sona            learning      30 answers on the" in shown
    assert "\n                no dimension tells yet\n" in shown


def test_whatever_is_found_the_columns_stay_where_they_are() -> None:
    loop = {
        "loop": "meta-cognition",
        "data": 12_345_678,
        "needed": 30,
        "unit": "answers on one side of the best-known kind",
        "acts_on": "the confidence of judgments that is neither given nor calibrated",
        "finding": "in " + "W" * 300 + "\x1b[2J\u202e Sage is best",
        "maturity": 0.0,
        "last_change": {"at": "2026-11-25T14:35:33.192142+02:00"},
    }
    head, first, *others = learn_text.lines([loop])
    assert first.index("0.00") == head.index("MATURITY")
    assert first.endswith("2026-11-25 12:35:33")
    assert first.index("12,345,678 answers on") == head.index("HAS SEEN")
    assert max(map(len, [head, first, *others])) <= 120
    assert "".join(others).count("W") == 300
    assert all(line.isprintable() for line in others)
