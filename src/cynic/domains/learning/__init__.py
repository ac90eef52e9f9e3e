"""The eleven learning loops: what they know, what they saw, and how well they do.

Q-learning keeps one table of values per service, with its episodes, its tasks and the consolidation that
protects what was learned before (elastic weight consolidation). Preference pairs move the routing weights of
the dogs; calibration and Brier rows hold predictions against outcomes; the TD-error and forgetting tables
watch for convergence, drift and loss. Unified signals and learning events are what came in and what it did.

Invariants: a confidence is a scaled probability, at most 0.618, and whatever scores it undoes the scale first;
weights, rates and accuracies lie in [0, 1], backward transfer in [-1, 1]; one row of state per service, and one
weight per service, dog and context. A prediction without an outcome is no mistake: NULL where nothing was
measured, never 0.

Retention: signals, TD errors 30 days; learning events, calibration, Brier rows, forgetting judgments and
processed preference pairs 90 days; the last 1000 episodes of each service. Weights and state are kept.
Alerts that nobody acknowledged, pairs that nobody processed, signals that wait for the learner and TD errors that
the Q-table does not hold yet outlive their interval. A call of a tool that waits for meta-cognition goes with its row.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "brier_predictions",
    "calibration_tracking",
    "dpo_optimizer_state",
    "forgetting_alerts",
    "forgetting_baselines",
    "forgetting_judgments",
    "forgetting_metrics",
    "learning_events",
    "loop_persistence_state",
    "ops_call_queue",
    "ops_learning_queue",
    "pattern_evolution",
    "preference_pairs",
    "qlearning_episodes",
    "qlearning_ewc_history",
    "qlearning_fisher_gradients",
    "qlearning_state",
    "qlearning_tasks",
    "routing_weights",
    "td_error_tracker",
    "unified_signals",
)
