"""The human side: preferences, profiles and how each person is doing.

Learning profiles hold what a person's feedback taught, preferences what they chose and how that changed.
Psychology is kept with care: snapshots of energy and focus, observations, burnout episodes with their warnings,
and interventions with whether they were welcome.

Invariants: at most one profile, one set of preferences, one psychology and one consciousness row per person;
scores lie in [0, 1], a feedback bias between -0.618 and 0.618; a warning outlives the episode that it belongs
to, with an empty reference. Everything here belongs to one row of `users` and goes with it.

Retention: kept as long as the person is; deleted with them, and when they are erased.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "burnout_episodes",
    "burnout_warnings",
    "ops_user_dimensions",
    "psychology_interventions",
    "psychology_observations",
    "psychology_snapshots",
    "user_consciousness",
    "user_learning_profiles",
    "user_preference_history",
    "user_preferences",
    "user_psychology",
)
