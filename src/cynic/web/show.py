"""What a page says about a judgment beyond what is stored: axioms with what was not judged, sides, words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from cynic.base.phi import PHI_BOUND, probability_from_confidence
from cynic.domains.core.dimensions import AXIOMS, UNNAMEABLE
from cynic.domains.dogs.consensus import AGREEMENT_MIN, VOTERS_MIN
from cynic.domains.dogs.pack import ABSTENTION, GUARDIAN, VETO_BELOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTENT_CHARACTERS_SHOWN: Final = 20_000

SCORE_RULES: Final = {
    "dimensions": "The score is the geometric mean of the judged axioms; each axiom is the weighted mean of its judged dimensions.",
    "votes": "The score is 100 times the weighted mean of the votes, because no dimension was judged.",
}
CONFIDENCE_RULES: Final = {
    "given": "The confidence is the writer's own.",
    "probability": "The confidence is 0.618 times the probability that the writer gave.",
    "calibrated": "The confidence is 0.618 times the rate at which judgments of this kind turned out right.",
    "votes": "The confidence is 0.618 times the share of the votes on the score's side.",
    "distance": "The confidence follows from how far the score is from 50: the writer gave none, and nobody voted.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Axiom:
    """One axiom: its score, the dimensions that were judged, and the names of those that were not."""

    name: str
    score: float | None
    judged: Sequence[tuple[str, float]]
    unjudged: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """One dog's vote as it is drawn: a line from the middle to the score, both from 0 to 100."""

    dog: str
    score: float
    confidence: float
    verdict: str | None
    side: str
    """approves, rejects, abstains, vetoes, or failed."""
    veto_line: float | None
    """Where the Guardian's veto begins; None for every other dog."""
    reasoning: str | None
    error: str | None

    @property
    def start(self) -> float:
        """The left end of the line, from 0 to 100."""
        return min(self.score, float(ABSTENTION)) * 100

    @property
    def width(self) -> float:
        """The length of the line, from 0 to 50."""
        return abs(self.score - float(ABSTENTION)) * 100


@dataclass(frozen=True, slots=True)
class Content:
    """The beginning of an item's content; the whole has `total` characters."""

    text: str
    total: int

    @property
    def clipped(self) -> bool:
        """Whether there is more than is shown."""
        return self.total > len(self.text)


def axioms(found: Mapping[str, object]) -> list[Axiom]:
    """All five axioms, also those of which nothing was judged."""
    scores = cast("Mapping[str, float | None]", found["axiom_scores"] or {})
    dimensions = cast("Mapping[str, float]", found["dimension_scores"] or {})
    added = cast("Mapping[str, Mapping[str, object]]", found["added_dimensions"])
    of_axiom = {
        axiom: [*names, *(name for name, one in sorted(added.items()) if one["axiom"] == axiom)]
        for axiom, names in AXIOMS.items()
    }
    return [
        Axiom(
            name=axiom,
            score=scores.get(axiom),
            judged=[(name, dimensions[name]) for name in names if name in dimensions],
            unjudged=[name for name in names if name not in dimensions],
        )
        for axiom, names in of_axiom.items()
    ]


def unnameable(found: Mapping[str, object]) -> float | None:
    """The computed dimension; None where fewer than two were judged."""
    return cast("Mapping[str, float]", found["dimension_scores"] or {}).get(UNNAMEABLE)


def ballots(found: Mapping[str, object]) -> list[Ballot]:
    """The votes in the order in which they came."""
    return [_ballot(vote) for vote in cast("Sequence[Mapping[str, object]]", found["votes"])]


def _ballot(vote: Mapping[str, object]) -> Ballot:
    score = cast("float", vote["score"])
    guards = vote["dog"] == GUARDIAN
    middle = float(ABSTENTION)
    if vote["error"] is not None:
        side = "failed"
    elif guards and (vote["veto"] or score < float(VETO_BELOW)):
        side = "vetoes"
    elif score == middle:
        side = "abstains"
    else:
        side = "approves" if score > middle else "rejects"
    return Ballot(
        dog=cast("str", vote["dog"]),
        score=score,
        confidence=cast("float", vote["confidence"]),
        verdict=cast("str | None", vote["verdict"]),
        side=side,
        veto_line=float(VETO_BELOW) * 100 if guards else None,
        reasoning=cast("str | None", vote["reasoning"]),
        error=cast("str | None", vote["error"]),
    )


def content(found: Mapping[str, object]) -> Content | None:
    """The content as far as a page shows it; None where none is kept."""
    text = cast("str | None", found["item_content"])
    return None if text is None else Content(text[:CONTENT_CHARACTERS_SHOWN], len(text))


def probability(found: Mapping[str, object]) -> float:
    """How probable it is that the judgment is right, with the scale of the bound undone."""
    return float(probability_from_confidence(Decimal(repr(found["confidence"]))))


def consensus_words(consensus: Mapping[str, object]) -> str:
    """The stored reason as a sentence that a newcomer understands."""
    reason = cast("str", consensus["reason"])
    plain = {
        "approved": "Enough dogs took a side, enough of them agree, and nobody vetoes.",
        "rejected": "Enough dogs took a side and agree, on the side that rejects.",
        "Guardian vetoes": "The Guardian vetoes, and its veto alone withholds approval.",
    }
    if reason in plain:
        return plain[reason]
    if reason.startswith("no vote from "):
        dogs = reason.removeprefix("no vote from ").removesuffix(": an error")
        return f"{dogs} could not vote, and whatever is in doubt is not approved."
    if reason.endswith("voters"):
        return f"Only {reason}: abstentions take no side."
    return f"Not enough of the pack is on one side: {reason}."


def limits() -> dict[str, object]:
    """The bounds that the drawings are scaled to."""
    return {
        "bound": float(PHI_BOUND),
        "agreement_min": float(AGREEMENT_MIN),
        "voters_min": VOTERS_MIN,
    }
