"""What was learned by working: session patterns, decisions, lessons, frictions, facts, anomalies.

These are the things that an agent looks up before it starts again: what was decided and why, what went wrong
and what came of it, facts with their source and an embedding, answers of libraries, and the residuals that no
known dimension explains and that may become a new one.

Invariants: a confidence and a residual are at most 0.618, the parts of a loop's maturity and a severity lie in
[0, 1], an impact in [0, 100]; a decision, a lesson, a trajectory and an anomaly are unique by their identifiers;
the shared patterns are one row per memory. An accuracy that nobody measured is NULL.

Retention: patterns and metrics of sessions 30 days; frictions and residuals 90 days once resolved or
acknowledged; a library's answer until it expires. Decisions, lessons and facts are kept.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "anomalies",
    "architectural_decisions",
    "conversation_memories",
    "dimension_governance_log",
    "distribution_snapshots",
    "ecosystem_docs",
    "ewc_consolidation_history",
    "facts",
    "frictions",
    "judgment_metrics",
    "learning_maturity",
    "lessons_learned",
    "library_cache",
    "proactive_notifications",
    "reasoning_trajectories",
    "residual_anomalies",
    "residual_candidates",
    "router_usage",
    "session_patterns",
    "session_summary",
    "shared_memory_patterns",
)
