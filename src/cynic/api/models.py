"""The shapes of requests and answers, as OpenAPI shows them.

The service itself checks what comes in with `flows.submission`, the same for every surface; a test holds that
these models and that parser agree.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # pydantic reads it
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict  # noqa: TC002  # pydantic reads it

from cynic.base.phi import PHI_BOUND
from cynic.domains.core.dimensions import AXIOM_OF
from cynic.domains.dogs.pack import DOGS
from cynic.flows.submission import (
    CONTENT_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    OUTCOMES,
    REASONING_CHARACTERS_MAX,
)

_NO_NUL = r"^[^\u0000]*$"
Name = Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=_NO_NUL)]
Reason = Annotated[str, Field(min_length=1, max_length=REASONING_CHARACTERS_MAX, pattern=_NO_NUL)]
Confidence = Annotated[float, Field(ge=0, le=float(PHI_BOUND))]
Probability = Annotated[float, Field(ge=0, le=1)]
Score = Annotated[float, Field(ge=0, le=100)]
Verdict = Literal["HOWL", "WAG", "GROWL", "BARK"]


def _named_dimensions(schema: JsonDict) -> None:
    # Besides those that are built in, the dogs may add some.
    schema["propertyNames"] = {
        "anyOf": [
            {"enum": [*sorted(AXIOM_OF)]},
            {"pattern": r"^([A-Z0-9_]+_EXTENDED|DISCOVERED_\d+)$"},
        ]
    }


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class VoteBody(_Body):
    """What one dog thinks: 0 rejects, 0.5 abstains, 1 approves. A dog that failed gives `error` instead of `score`."""

    dog: Annotated[str, Field(json_schema_extra={"enum": list(DOGS)})]
    score: Probability | None = None
    confidence: Confidence | None = None
    probability: Probability | None = None
    veto: bool = False
    reasoning: Reason | None = None
    error: Reason | None = None


class JudgmentBody(_Body):
    """One judgment; at least one of `dimensions` and `votes`. Give `confidence` or `probability`, not both."""

    item_type: Name
    item_content: Annotated[
        str, Field(min_length=1, max_length=CONTENT_CHARACTERS_MAX, pattern=_NO_NUL)
    ]
    user: Name | None = None
    session_id: Name | None = None
    context_type: Name | None = None
    task_type: Name | None = None
    dimensions: Annotated[
        dict[str, Score],
        Field(json_schema_extra=_named_dimensions),
    ] = Field(default_factory=dict)
    votes: Annotated[list[VoteBody], Field(max_length=len(DOGS))] = Field(default_factory=list)
    confidence: Confidence | None = None
    probability: Probability | None = None
    judgment_id: Name | None = None


class FeedbackBody(_Body):
    """Whether a judgment was right, and what the score should have been."""

    outcome: Annotated[str, Field(json_schema_extra={"enum": list(OUTCOMES)})]
    actual_score: Score | None = None
    user: Name | None = None


class ClaudeCodeEvent(BaseModel):
    """What Claude Code gives a hook on its standard input; fields that are not named here are let through."""

    model_config = ConfigDict(extra="allow")

    session_id: Name
    hook_event_name: Annotated[str, Field(min_length=1)]
    cwd: str | None = None
    prompt_id: str | None = None
    prompt: str | None = None
    tool_name: str | None = None
    tool_use_id: str | None = None
    tool_input: dict[str, Any] | None = None
    tool_response: Any = None
    error: str | None = None
    last_assistant_message: str | None = None
    reason: str | None = None


class ConsensusShown(BaseModel):
    """What the pack agreed on, beside the verdict."""

    approved: bool
    verdict: Verdict | None
    agreement: float | None
    voters: int
    veto: bool
    reason: str


class JudgmentAnswer(BaseModel):
    """What is stored."""

    judgment_id: str
    q_score: Score
    verdict: Verdict
    confidence: Confidence
    axiom_scores: dict[str, float | None]
    consensus: ConsensusShown | None


class HookAnswer(BaseModel):
    """`stored` is false for an event that says nothing that is kept."""

    stored: bool


class StoredLine(BaseModel):
    """A judgment of a batch that is stored."""

    index: int
    judgment_id: str
    q_score: float
    verdict: Verdict


class RejectedLine(BaseModel):
    """A judgment of a batch that is not stored, and why."""

    index: int
    code: str
    detail: str


class BatchAnswer(BaseModel):
    """Of a batch: how many are new, every one that is stored, and every one that is not."""

    stored: int
    judgments: list[StoredLine]
    rejected: list[RejectedLine]


class JudgmentLine(BaseModel):
    """One judgment as a list shows it."""

    judgment_id: str
    user: str | None
    session_id: str | None
    item_type: str
    context_type: str | None
    q_score: float
    verdict: Verdict
    confidence: Confidence
    approved: bool | None
    created_at: datetime


class JudgmentPage(BaseModel):
    """Judgments, newest first; `cursor` leads to the next page."""

    judgments: list[JudgmentLine]
    cursor: str | None


class VoteShown(BaseModel):
    """A vote as it is stored."""

    dog: str
    score: float
    confidence: Confidence
    verdict: Verdict | None
    veto: bool
    error: str | None
    reasoning: str | None


class FeedbackShown(BaseModel):
    """Feedback as it is stored; `superseded_at` is set once the same user answered otherwise."""

    feedback_id: str
    user: str | None
    outcome: str
    actual_score: float | None
    created_at: datetime
    superseded_at: datetime | None


class AddedDimension(BaseModel):
    """Where a dimension belonged that the dogs had added."""

    axiom: str
    weight: float


class JudgmentShown(BaseModel):
    """One judgment with everything that belongs to it."""

    judgment_id: str
    user: str | None
    session_id: str | None
    item_type: str
    item_content: str | None
    context_type: str | None
    q_score: float
    verdict: Verdict
    confidence: Confidence
    axiom_scores: dict[str, float | None]
    dimension_scores: dict[str, float] | None
    added_dimensions: dict[str, AddedDimension]
    """Of these, the ones that are not built in."""
    consensus: ConsensusShown | None
    score_rule: str | None
    confidence_rule: str | None
    anchor_status: str
    created_at: datetime
    votes: list[VoteShown]
    feedback: list[FeedbackShown]


class FeedbackAnswer(BaseModel):
    """Feedback that is stored."""

    feedback_id: str
    judgment_id: str
    outcome: str
    actual_score: float | None
    created_at: datetime


class LoopChange(BaseModel):
    """The last thing that moved a loop; `mean_change` is the mean of what it moved."""

    at: datetime
    judgment_id: str | None
    event: str
    mean_change: float | None


class MaturityParts(BaseModel):
    """What maturity is the geometric mean of, each in [0, 1]; null where not measured."""

    data_coverage: float | None
    convergence: float | None
    accuracy: float | None
    adaptability: float | None


class LoopShown(BaseModel):
    """A learning loop: `state` is learning, or how much it has seen of how much it needs."""

    loop: str
    state: str
    about: str
    """What the loop is, in one sentence."""
    data: int
    unit: str
    """What `data` and `needed` count."""
    needed: int
    acts_on: str | None
    """What its knowledge changes; null while nothing reads it."""
    finding: str | None
    """The one thing to know of what it found; null while it has seen too little."""
    maturity: float | None
    """In [0, 1]; null while a part of it is not measured."""
    maturity_parts: MaturityParts | None
    """Null before the first measurement."""
    detail: dict[str, object]
    last_change: LoopChange | None


class LearningShown(BaseModel):
    """The eleven loops, and how many answers wait to be learned from."""

    waiting: int
    set_aside: int = 0
    loops: list[LoopShown]


class CalibrationBin(BaseModel):
    """A tenth of the probabilities: what was said, and what came true."""

    bucket: int
    count: int
    mean_p: float
    hit_rate: float
    gap: float


class ExpectedError(BaseModel):
    """The expected calibration error with its 95 % interval; biased upwards while n is small."""

    value: float
    low: float | None
    high: float | None
    n: int


class BrierShown(BaseModel):
    """score = miscalibration - discrimination + uncertainty; no skill where only one outcome was seen."""

    n: int
    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    skill: float | None


class RecalibrationShown(BaseModel):
    """A map of probabilities, fitted on the older 61.8 % of the answers, that did better on the later ones."""

    fitted_on: int
    judged_on: int
    ece_before: float
    ece_after: float
    map: dict[str, Any]
    """{method: platt, slope, intercept} on the logit, or {method: isotonic, xs, values}."""


class CalibrationShown(BaseModel):
    """How well probabilities agree with what came true; null where there are no data."""

    days: int
    n: int
    curve: list[CalibrationBin]
    ece: ExpectedError | None
    brier: BrierShown | None
    recalibration: RecalibrationShown | None


class RelationLine(BaseModel):
    """A table."""

    table: str
    comment: str | None
    rows_estimate: int | None


class RowsPage(BaseModel):
    """Rows of a table; values as JSON, numerics and times as text."""

    rows: list[dict[str, object]]
    cursor: str | None


class Problem(BaseModel):
    """An error (RFC 9457) with a stable code."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    hint: str | None = None
    field: str | None = None
