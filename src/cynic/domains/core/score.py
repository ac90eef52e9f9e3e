"""From judged dimensions to the score Q: weighted means within the axioms, the geometric mean across them.

Exact decimal arithmetic throughout: the same dimensions give the same Q on every machine and in any order.
"""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from cynic.base.verdict import passes
from cynic.domains.core.dimensions import (
    AXIOM_OF,
    AXIOMS_ALWAYS_SHOWN,
    NONE_ADDED,
    UNNAMEABLE,
    WEIGHT_OF,
    Placed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Q_PLACES = Decimal("0.01")
AXIOM_PLACES = Decimal("0.0001")
_HUNDRED = Decimal(100)
NO_WEIGHTS: Final[Mapping[str, Decimal]] = MappingProxyType({})


def axiom_means(
    dimensions: Mapping[str, Decimal],
    added: Mapping[str, Placed] = NONE_ADDED,
    learned: Mapping[str, Decimal] = NO_WEIGHTS,
) -> dict[str, Decimal]:
    """The weighted mean, 0 to 100, of each axiom of which at least one dimension was judged.

    `added` says where those belong that were added later, `learned` what those weigh that do not weigh what the contract
    says.
    """
    sums: dict[str, Decimal] = {}
    weights: dict[str, Decimal] = {}
    for name in sorted(dimensions):
        axiom, weight = added[name] if name in added else (AXIOM_OF[name], WEIGHT_OF[name])
        weight = learned.get(name, weight)
        sums[axiom] = sums.get(axiom, Decimal()) + weight * dimensions[name]
        weights[axiom] = weights.get(axiom, Decimal()) + weight
    return {axiom: sums[axiom] / weights[axiom] for axiom in sums}


def q_score(axioms: Mapping[str, Decimal]) -> Decimal:
    """Q = 100 · (Π a/100)^(1/n) over the n judged axioms, to two places; a zero axiom gives 0."""
    product = Decimal(1)
    for axiom in sorted(axioms):
        product *= axioms[axiom] / _HUNDRED
    mean = product if len(axioms) == 1 or not product else product ** (Decimal(1) / len(axioms))
    return min(_HUNDRED, (_HUNDRED * mean)).quantize(Q_PLACES)


def side(axioms: Mapping[str, Decimal]) -> bool:
    """Whether Q passes, mostly without its root: a geometric mean lies between the harmonic and the arithmetic one."""
    values = axioms.values()
    most = sum(values, Decimal()) / len(axioms)
    if not passes(most.quantize(Q_PLACES)):
        return False
    if all(values):
        least = len(axioms) / sum((1 / value for value in values), Decimal())
        if passes(least.quantize(Q_PLACES)):
            return True
    return passes(q_score(axioms))


def shown_axioms(axioms: Mapping[str, Decimal]) -> dict[str, Decimal | None]:
    """The axioms as they are stored: four always, None where nothing was judged; FIDELITY when it was."""
    names = [*AXIOMS_ALWAYS_SHOWN, *(name for name in axioms if name not in AXIOMS_ALWAYS_SHOWN)]
    return {name: _rounded(axioms.get(name)) for name in names}


def with_unnameable(dimensions: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """The dimensions and what they leave unexplained: 100 · (1 - min(s/50, 1)).

    s is the population standard deviation of the judged scores. Of a single score nothing can be said, and
    the 36th dimension stays away.
    """
    scores = [dimensions[name] for name in sorted(dimensions)]
    count = len(scores)
    if count < 2:  # noqa: PLR2004  # a spread needs two
        return dict(dimensions)
    mean = sum(scores, Decimal()) / count
    spread = (sum(((score - mean) ** 2 for score in scores), Decimal()) / count).sqrt()
    unexplained = _HUNDRED * (1 - min(spread / 50, Decimal(1)))
    return {**dimensions, UNNAMEABLE: unexplained.quantize(AXIOM_PLACES)}


def _rounded(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(AXIOM_PLACES)
