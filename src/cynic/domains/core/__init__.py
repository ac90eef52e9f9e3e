"""People, sessions, judgments and what became of them: the record that everything else refers to.

A judgment is one opinion about one item: a score from 0 to 100, the verdict that follows from it, and how sure
the judge was. Feedback says later whether it was right. Patterns and knowledge are what was distilled from
many judgments; the E-score history is how much each person has contributed.

Invariants, all held by the database: a confidence is never above 0.618; a judgment is append-only, and only its
anchor columns move, along PENDING, QUEUED, ANCHORED or FAILED, and from FAILED back to QUEUED; feedback is keyed
by judgment and person, and another outcome supersedes the former in a new row; the state of learning is one row,
`state_key = 'global'`. Deleting a person who has judgments is refused: erasing one leaves a tombstone, empties
what was personal in the judgments, and deletes the rest.

Retention: permanent, except sessions, which expire 61 803 s after their last use, and the E-score history,
which thins out: all for 24 hours, one a day for 30 days, one a week for a year.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "_migrations",
    "escore_history",
    "feedback",
    "judgments",
    "knowledge",
    "learning_cycles",
    "learning_state",
    "ops_counter_queue",
    "patterns",
    "sessions",
    "users",
)
