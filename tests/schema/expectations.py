"""What a column must accept and refuse: from the contract, else from the conventions, never from the schema itself."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping

PHI = Decimal("0.618")
ANCHOR_STATUSES = ("PENDING", "QUEUED", "ANCHORED", "FAILED")
LEVELS = ("abundant", "cautious", "critical", "exhausted")
DOGS = (
    "CYNIC",
    "Analyst",
    "Sage",
    "Scholar",
    "Guardian",
    "Oracle",
    "Architect",
    "Deployer",
    "Janitor",
    "Scout",
    "Cartographer",
)
SIGNALS = (
    "DOG_VOTE_CAST",
    "DOG_VOTE_ABSTAIN",
    "DOG_VOTE_CHANGED",
    "CONSENSUS_REACHED",
    "CONSENSUS_FAILED",
    "CONSENSUS_TIMEOUT",
    "EARLY_EXIT_TRIGGERED",
    "QUORUM_REACHED",
    "VOTE_WEIGHTED",
    "VOTE_SIMPLE",
    "VOTE_STATISTICS_UPDATED",
    "DOG_SPAWNED",
    "DOG_READY",
    "DOG_BUSY",
    "DOG_IDLE",
    "DOG_ERROR",
    "DOG_RECOVERY",
    "DOG_SHUTDOWN",
    "DOG_HEALTH_CHECK",
    "DOG_METRIC_UPDATED",
    "DOG_LEARNING_UPDATED",
    "COLLECTIVE_SYNC",
    "COLLECTIVE_PATTERN_DETECTED",
    "COLLECTIVE_DISAGREEMENT",
    "COLLECTIVE_UNANIMITY",
    "COLLECTIVE_SHIFT",
    "COLLECTIVE_LEARNING",
    "COLLECTIVE_EMERGENCE",
    "COLLECTIVE_CALIBRATION",
    "DOG_MESSAGE_SENT",
    "DOG_MESSAGE_RECEIVED",
    "DOG_BROADCAST",
    "DOG_SIGNAL_STRENGTH",
    "DOG_PRIORITY_RAISED",
    "DOG_PRIORITY_LOWERED",
    "DOG_HANDOFF",
    "DOG_REQUEST_BACKUP",
    "DOG_PROVIDE_BACKUP",
    "DOG_COLLABORATION_COMPLETE",
)


@dataclass(frozen=True, slots=True)
class Range:
    """Values from `low` to `high`, both included unless open; None is no bound but infinity, which is refused."""

    low: Decimal | None
    high: Decimal | None
    low_open: bool = False

    def accepts(self, value: float | Decimal) -> bool:
        """Whether a number lies inside; NaN and the infinities never do."""
        if not math.isfinite(value):
            return False
        # A float is compared with the float nearest to the bound, as the server does.
        kind = float if isinstance(value, float) else Decimal
        if self.low is not None and not (
            value > kind(self.low) if self.low_open else value >= kind(self.low)
        ):
            return False
        return self.high is None or value <= kind(self.high)


@dataclass(frozen=True, slots=True)
class Words:
    """A closed set."""

    allowed: tuple[str, ...]

    def accepts(self, value: str) -> bool:
        """Whether it is one of the words, letter by letter."""
        return value in self.allowed


Expectation = Range | Words


def between(low: object, high: object) -> Range:
    """The closed range of two bounds."""
    return Range(Decimal(str(low)), Decimal(str(high)))


NOT_NEGATIVE = Range(Decimal(0), None)
FINITE = Range(None, None)
UNIT = between(0, 1)
PERCENT = between(0, 100)
BOUNDED = between(0, PHI)

_UNIT = """
    consensus_votes.vote_score learning_maturity.data_coverage learning_maturity.convergence
    learning_maturity.accuracy learning_maturity.adaptability user_learning_profiles.accuracy
    user_learning_profiles.learning_rate consciousness_snapshots.routing_accuracy_24h
    consciousness_snapshots.calibration_ece consciousness_transitions.prediction_accuracy
    qlearning_ewc_history.pre_consolidation_accuracy qlearning_ewc_history.post_consolidation_accuracy
    qlearning_state.exploration_rate forgetting_baselines.baseline_accuracy forgetting_judgments.accuracy
    routing_weights.base_weight dpo_optimizer_state.learning_rate dpo_optimizer_state.beta
    dpo_optimizer_state.regularization patterns.fisher_importance
    psychology_snapshots.energy psychology_snapshots.focus psychology_snapshots.frustration
    psychology_snapshots.creativity psychology_snapshots.burnout_score psychology_snapshots.flow_score
    burnout_warnings.burnout_score burnout_warnings.energy burnout_warnings.frustration
"""
_PERCENT = """
    feedback.actual_score knowledge.q_score pattern_evolution.strength escore_history.e_score
    escore_history.hold_score escore_history.burn_score escore_history.use_score escore_history.build_score
    escore_history.run_score escore_history.refer_score escore_history.time_score
"""
_FINITE = """
    learning_cycles.avg_weight_delta learning_cycles.avg_threshold_delta learning_events.weight_delta
    pattern_evolution.threshold_delta pattern_evolution.trend_velocity psychology_observations.value
    qlearning_episodes.reward qlearning_tasks.avg_reward qlearning_fisher_gradients.gradient_sum
    td_error_tracker.td_error td_error_tracker.rolling_avg_td_error td_error_tracker.current_q
    td_error_tracker.target td_error_tracker.reward telemetry_hourly.value judgment_metrics.value
    ops_llm_days.cost_usd
"""
_BIT = """
    cynic_distance_log.delta_judgment cynic_distance_log.delta_memory cynic_distance_log.delta_consensus
    cynic_distance_log.delta_economics cynic_distance_log.delta_phi cynic_distance_log.delta_residual
"""
_DOGS = """
    routing_weights.dog_name dog_votes.dog_name dog_signals.dog_name dog_events.dog_name
    consensus_votes.dog_name cynic_distance_log.lead_dog dog_pipeline_state.current_dog
"""
CONVENTIONS: Mapping[str, Expectation] = {
    **dict.fromkeys(_UNIT.split(), UNIT),
    **dict.fromkeys(_PERCENT.split(), PERCENT),
    **dict.fromkeys(_FINITE.split(), FINITE),
    **dict.fromkeys(_BIT.split(), UNIT),
    **dict.fromkeys(("residual_candidates.score", "anomalies.residual"), BOUNDED),
    **dict.fromkeys(
        ("forgetting_metrics.average_bwt", "forgetting_alerts.average_bwt"), between(-1, 1)
    ),
    "discovered_dimensions.weight": Range(Decimal(0), None, low_open=True),
    "budget_state.id": between(1, 1),
    **dict.fromkeys(_DOGS.split(), Words(DOGS)),
    **dict.fromkeys(
        (
            "patterns.anchor_status",
            "knowledge.anchor_status",
            "poj_blocks.anchor_status",
            "block_anchors.anchor_status",
        ),
        Words(ANCHOR_STATUSES),
    ),
    **dict.fromkeys(
        ("routing_accuracy.budget_level", "cost_ledger.budget_level", "budget_alerts.budget_level"),
        Words(LEVELS),
    ),
    "ops_model_prices.per": Range(Decimal(1), None),
    "ops_budget_changes.kind": Words(("limit", "reset")),
    "ops_budget_reservations.state": Words(("held", "settled", "released", "expired", "refused")),
    "ops_budget_reservations.decision": Words(("allow", "degrade", "refuse")),
    "ops_budget_reservations.router_type": Words(("llm", "kabbalistic", "unified")),
    "ops_budget_reservations.task_complexity": Words(("simple", "moderate", "complex")),
    "ops_api_keys.scope": Words(("read", "write", "admin")),
    "ops_counter_queue.kind": Words(("judgment", "answer", "superseded")),
    "ops_counter_queue.confidence": BOUNDED,
    "x_trends.sentiment": Words(("positive", "negative", "neutral", "mixed")),
    "residual_anomalies.severity": Words(("low", "medium", "high", "critical")),
    "burnout_warnings.severity": Words(("info", "caution", "warning", "critical")),
    "discovered_mcp_servers.status": Words(("discovered", "active", "inactive", "error")),
    "discovered_dimensions.category": Words(
        ("PHI", "VERIFY", "CULTURE", "BURN", "FIDELITY", "META")
    ),
    "pattern_evolution.trend_direction": Words(("up", "down", "stable")),
    "ops_rollup_queue.source": Words(("llm", "tool", "span", "trace")),
    **dict.fromkeys(
        ("traces.status", "spans.status", "llm_usage.status"), Words(("unset", "ok", "error"))
    ),
    "spans.kind": Words(
        (
            "model",
            "embedding",
            "tool",
            "agent",
            "chain",
            "retrieval",
            "memory",
            "evaluation",
            "other",
        )
    ),
    "ops_dead_letters.signal": Words(("traces", "logs")),
    "ops_dead_letters.encoding": Words(("protobuf", "json")),
    "dog_signals.signal_type": Words(SIGNALS),
}


def of_contract(contract: dict[str, Any]) -> dict[str, Expectation]:
    """The expectations that the contract states, by `table.column`."""
    stated: dict[str, Expectation] = {}
    for table, described in contract["tables"].items():
        for column in described["columns"]:
            if "allowed" in column:
                stated[f"{table}.{column['name']}"] = Words(tuple(column["allowed"]))
            elif "max" in column:
                stated[f"{table}.{column['name']}"] = between(column["min"], column["max"])
    return stated


def expectation(name: str, kind: str, stated: Mapping[str, Expectation]) -> Expectation | None:
    """What holds for a column: the contract, else the convention for it, else that numbers are not negative."""
    found = stated.get(name) or CONVENTIONS.get(name)
    return found or (NOT_NEGATIVE if kind in INTEGERS or kind in FRACTIONS else None)


INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
FRACTIONS = ("numeric", "real", "double precision")
_EDGES = tuple(
    Decimal(text) for text in ("0", "1", "-1", "9", "100", "0.618", "-0.618", "0.5", "0.382", "80")
)
_SPECIAL = (
    "NaN Infinity -Infinity 0.6180339887 0.618 0.618034 0.6180000000000001 0.61800001 -0.6180339887 0 -0 1E-12 -1E-12 "
    "1E-30 -1E-30 1E+30 -1E+30 0.9999999999999999 1.0000000000000002 100.00000000000001 99.99999999999999"
)


def fractions(kind: str, count: int, rng: random.Random) -> list[Decimal | float]:
    """Numbers of a type: special ones, close to every bound, small, huge, and anywhere between."""
    values = [Decimal(text) for text in _SPECIAL.split()]
    values += [Decimal(f"{sign}1E{e}") for sign in ("", "-") for e in (-37, -20, 20, 37)]
    while len(values) < count:
        edge, way = rng.choice(_EDGES), rng.choice((1, -1))
        match rng.randrange(4):
            case 0:
                values.append(edge + way * Decimal(10) ** -rng.randrange(1, 25))
            case 1:
                values.append(Decimal(repr(rng.uniform(-2, 2))))
            case 2:
                values.append(Decimal(repr(rng.uniform(-200, 200))))
            case _:
                values.append(
                    way * Decimal(rng.randrange(1, 1000)) * Decimal(10) ** rng.randrange(-30, 30)
                )
    if kind == "numeric":
        return list(values)
    floats = [float(value) for value in values]
    return (
        [struct.unpack("f", struct.pack("f", value))[0] for value in floats]
        if kind == "real"
        else list(floats)
    )


def integers(kind: str, count: int, rng: random.Random) -> list[int]:
    """Integers of a type: both ends of it, around every bound, and anywhere between."""
    limit = INTEGERS[kind]
    values = [-limit, -limit + 1, limit - 1, limit - 2, *range(-120, 121)]
    while len(values) < count:
        width = rng.randrange(1, limit.bit_length())
        values.append(rng.choice((1, -1)) * rng.randrange(2**width))
    return [value for value in values if -limit <= value < limit]


def strings(words: Iterable[str], count: int, rng: random.Random) -> list[str]:
    """The words of all sets, their variants in case, space and length, look-alikes, and random text."""
    pool = sorted(set(words))
    values = ["", " ", "NULL", "null", "\u0430ctive", "ACT\u0399VE", "%", "_", "'", "\\", "\n"]
    for word in pool:
        values += [word, word.lower(), word.upper(), word.capitalize(), word.swapcase()]
        values += [
            f" {word}",
            f"{word} ",
            f"{word}\n",
            word[:-1],
            word[1:],
            word + word[-1],
            f"{word}s",
            word.replace("_", "-"),
        ]
    while len(values) < count:
        if rng.random() < 0.5:
            values.append(
                "".join(
                    rng.choices("abcdefghijklmnopqrstuvwxyzABCDEF_-é 0", k=rng.randrange(1, 20))
                )
            )
        else:
            word = rng.choice(pool)
            place = rng.randrange(len(word))
            values.append(word[:place] + rng.choice("aZ_0é") + word[place + 1 :])
    return values
