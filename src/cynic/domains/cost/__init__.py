"""What the work costs, and the budget that stops it.

The ledger has one row per call of a model, with the budget before and after it; the state is one row that
always equals the ledger; alerts tell of a level crossed or of money going too fast.

Invariants: money is numeric and exact, never a float and never rounded on the way; the budget's level follows
from consumed / limit at 61.8 %, 80 % and 95 %, unrounded, and the breaker is on exactly when it is exhausted;
what was spent is booked whatever the limit says, so the remainder stops at zero while the ratio goes on. The ledger is append-only. One call is one row, whoever reports it first.

Retention: the ledger for ever; alerts 30 days once acknowledged.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "budget_alerts",
    "budget_state",
    "cost_ledger",
    "ops_budget_changes",
    "ops_budget_minutes",
    "ops_budget_reservations",
    "ops_cheaper_models",
    "ops_cost_reports",
    "ops_model_prices",
    "ops_price_providers",
)
