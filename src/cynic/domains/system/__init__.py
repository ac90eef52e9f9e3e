"""How the service itself is: watchers, background tasks, crashes, and what it notices about itself.

Heartbeats and watcher states let a watcher go on where it stopped. Session and pipeline states let a session
that crashed resume; the crash log says whether that worked, which is unknown until it was tried. Distance,
thermodynamics, transitions and reflections are the service's view of itself, with numbers.

Invariants: ratios lie in [0, 1], efficiency, distance and confidence at most 0.618; one state per watcher; the
kinds of watcher, task, crash and state are closed sets. The accuracy of a router counts only decisions with
feedback: without any it is NULL.

Retention: heartbeats, routing accuracy, snapshots, finished tasks and the self-observations 30 days; session
and pipeline states and crashes up to 180 days. A task that still runs is never deleted.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "background_tasks",
    "consciousness_reflections",
    "consciousness_snapshots",
    "consciousness_transitions",
    "crash_log",
    "cynic_distance_log",
    "dog_pipeline_state",
    "ops_api_keys",
    "ops_secrets",
    "routing_accuracy",
    "session_state",
    "thermodynamic_snapshots",
    "watcher_heartbeats",
    "watcher_state",
)
