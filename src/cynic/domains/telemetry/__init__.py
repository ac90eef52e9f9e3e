"""What ran and how long it took: traces with their spans, usage of tools and models, hourly sums.

Traces come in by OpenTelemetry or from the service itself; usage rows count calls and tokens; snapshots and
hourly values are what is left when the detail is gone.

Invariants: a span is unique within its trace and goes with it; durations, tokens, counts and costs are never
negative; a cost is NULL when the price is not known, never 0.

Retention: traces with their spans and log records 7 days, usage and dead letters 30 days, each from when it was
received; snapshots 30 days; hourly values and sums by day are kept.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "llm_usage",
    "ops_dead_letters",
    "ops_imports",
    "ops_llm_days",
    "ops_log_records",
    "ops_rollup_queue",
    "spans",
    "telemetry_hourly",
    "telemetry_snapshots",
    "tool_usage",
    "traces",
)
