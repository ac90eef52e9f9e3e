"""Work that the service sets itself: goals, tasks, triggers, and a log of what they did.

A goal spawns tasks, tasks depend on one another and are claimed by workers; triggers watch for events and run
actions. The log says what happened to each task.

Invariants: progress lies in [0, 1]; a task belongs to a goal, and its row is claimed with FOR UPDATE SKIP
LOCKED, so that no two workers have it; what is referred to cannot be deleted; a trigger's execution ends in
success or failure and nothing else.

Retention: log, events, executions and finished tasks 30 days; goals and the registry are kept. Unfinished work
outlives its interval.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "autonomous_goals",
    "autonomous_tasks",
    "orchestration_log",
    "trigger_events",
    "trigger_executions",
    "triggers_registry",
)
