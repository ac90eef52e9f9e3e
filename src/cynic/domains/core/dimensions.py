"""The five axioms, their 35 dimensions, and the 36th that is computed from the others."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

PHI: Final = (1 + Decimal(5).sqrt()) / 2
_ONE: Final = Decimal(1)
# Within each axiom the seven dimensions weigh, in order, φ, 1/φ, 1, φ, 1/φ², 1/φ, 1/φ.
_WEIGHTS: Final = (PHI, 1 / PHI, _ONE, PHI, 1 / PHI**2, 1 / PHI, 1 / PHI)

AXIOMS: Final = {
    "PHI": (
        "COHERENCE",
        "ELEGANCE",
        "STRUCTURE",
        "HARMONY",
        "PRECISION",
        "COMPLETENESS",
        "PROPORTION",
    ),
    "VERIFY": (
        "ACCURACY",
        "PROVENANCE",
        "INTEGRITY",
        "VERIFIABILITY",
        "TRANSPARENCY",
        "REPRODUCIBILITY",
        "CONSENSUS",
    ),
    "CULTURE": (
        "AUTHENTICITY",
        "RESONANCE",
        "NOVELTY",
        "ALIGNMENT",
        "RELEVANCE",
        "IMPACT",
        "LINEAGE",
    ),
    "BURN": (
        "UTILITY",
        "SUSTAINABILITY",
        "EFFICIENCY",
        "VALUE_CREATION",
        "SACRIFICE",
        "CONTRIBUTION",
        "IRREVERSIBILITY",
    ),
    "FIDELITY": (
        "COMMITMENT",
        "ATTUNEMENT",
        "CANDOR",
        "CONGRUENCE",
        "ACCOUNTABILITY",
        "VIGILANCE",
        "KENOSIS",
    ),
}
"""The dimensions of each axiom; their order gives their weight."""

AXIOMS_ALWAYS_SHOWN: Final = ("PHI", "VERIFY", "CULTURE", "BURN")
UNNAMEABLE: Final = "THE_UNNAMEABLE"


class Placed(NamedTuple):
    """Where a dimension belongs that was added later, and what it weighs there."""

    axiom: str
    weight: Decimal


AXIOM_OF: Final = {name: axiom for axiom, names in AXIOMS.items() for name in names}
WEIGHT_OF: Final = {
    name: weight for names in AXIOMS.values() for name, weight in zip(names, _WEIGHTS, strict=True)
}

NONE_ADDED: Final[Mapping[str, Placed]] = {}
