"""Maps from a stated probability to a better one, fitted on older data than they are judged on.

Isotonic regression (Zadrozny & Elkan 2002) bends as the data ask and needs many rows; Platt 1999, sigmoid(a · logit p + b),
has two numbers and needs few. Platt's is fitted by damped Newton: undamped, it diverges on extreme logits. Data that
are separable by p have no Platt optimum, and none is invented.

A map is offered when it is better beyond chance on rows that it does not know: the 95 % interval of by how much it lowers the
ECE there is above 0, and the Brier score does not rise. The ECE of a map that says nearly the same of all rows falls a
little on most data, since fewer bins follow noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from cynic.base.errors import InvalidDataError
from cynic.domains.learning.bounds import clamp, finite, unit, within
from cynic.domains.learning.calibration import (
    COVERAGE,
    RESAMPLES,
    Scored,
    bucket_of,
    expected_error,
    quantile,
)
from cynic.domains.learning.isotonic import Isotonic, isotonic
from cynic.domains.learning.newton import minimise, sigmoid, softplus

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

P_EDGE: Final = 1e-6
"""Probabilities are kept this far from 0 and 1 before the logit is taken."""
ROWS_MIN: Final = 30
"""Fewer rows on either side of the cut, and nothing is fitted."""
ISOTONIC_ROWS_MIN: Final = 500
"""Below, isotonic regression follows noise; Platt's two numbers do not."""
FITTED_SHARE: Final = 0.618

Method = Literal["isotonic", "platt"]


@dataclass(frozen=True, slots=True)
class Platt:
    """p ↦ sigmoid(slope · logit(p) + intercept)."""

    slope: float
    intercept: float

    def __call__(self, p: float) -> float:
        """The recalibrated probability."""
        return sigmoid(self.slope * logit(p) + self.intercept)


Map: TypeAlias = Isotonic | Platt


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A map that did better, beyond chance, on data later than those it was fitted on."""

    method: Method
    map: Map
    fitted_rows: int
    judged_rows: int
    ece_before: float
    ece_after: float
    """Both on the later rows."""


def logit(p: float) -> float:
    """ln(p / (1 - p)), with p at least 1e-6 away from 0 and 1."""
    inside = clamp(unit(p, "a probability"), P_EDGE, 1 - P_EDGE)
    return math.log(inside) - math.log1p(-inside)


def fit_isotonic(rows: Sequence[Scored]) -> Isotonic | None:
    """The isotonic map of these rows; None without rows."""
    if not rows:
        return None
    return isotonic([unit(row.p, "a probability") for row in rows], [row.hit for row in rows])


def fit_platt(rows: Sequence[Scored]) -> Platt | None:
    """The most likely slope and intercept; None when there is no optimum: separable, one outcome only, or all p equal."""
    hits = [logit(row.p) for row in rows if row.hit]
    misses = [logit(row.p) for row in rows if not row.hit]
    if not hits or not misses or max(misses) <= min(hits) or max(hits) <= min(misses):
        return None
    hits.sort()
    misses.sort()

    def loss(point: list[float]) -> float:
        slope, intercept = point
        right = sum(softplus(-(slope * x + intercept)) for x in hits)
        return right + sum(softplus(slope * x + intercept) for x in misses)

    def slopes(point: list[float]) -> tuple[list[float], list[list[float]]]:
        slope, intercept = point
        by_slope = by_intercept = bend = cross = flat = 0.0
        for xs, target in ((hits, 1.0), (misses, 0.0)):
            for x in xs:
                p = sigmoid(slope * x + intercept)
                off, width = p - target, p * (1 - p)
                by_slope += off * x
                by_intercept += off
                bend += width * x * x
                cross += width * x
                flat += width
        return [by_slope, by_intercept], [[bend, cross], [cross, flat]]

    found = minimise(loss, slopes, [1.0, 0.0])
    return Platt(found.point[0], found.point[1]) if found.converged else None


def recalibrated(
    in_time_order: Sequence[Scored],
    rng: random.Random,
    *,
    method: Method | None = None,
    rows_min: int = ROWS_MIN,
) -> Recalibration | None:
    """Fit on the older 0.618 of the rows, judge on the rest; None unless the later ECE falls beyond chance.

    Without a method: isotonic from 500 fitted rows on, else Platt.
    """
    cut = math.floor(len(in_time_order) * FITTED_SHARE)
    older, later = in_time_order[:cut], in_time_order[cut:]
    if min(len(older), len(later)) < within(rows_min, 1, math.inf, "the least number of rows"):
        return None
    chosen: Method = method or ("isotonic" if len(older) >= ISOTONIC_ROWS_MIN else "platt")
    fitted = fit_isotonic(older) if chosen == "isotonic" else fit_platt(older)
    before = expected_error(later)
    if fitted is None or before is None:
        return None
    mapped = applied(fitted, later)
    after = expected_error(mapped)
    if after is None or gained(later, mapped, rng) <= 0 or _brier(mapped) > _brier(later):
        return None
    return Recalibration(
        method=chosen,
        map=fitted,
        fitted_rows=len(older),
        judged_rows=len(later),
        ece_before=before,
        ece_after=after,
    )


def applied(fitted: Map, rows: Sequence[Scored]) -> list[Scored]:
    """The rows with their probabilities mapped."""
    return [Scored(clamp(fitted(row.p), 0.0, 1.0), row.hit) for row in rows]


def gained(before: Sequence[Scored], after: Sequence[Scored], rng: random.Random) -> float:
    """The lower end of the 95 % interval of by how much the ECE of rows falls with other probabilities of the same rows.

    The basic bootstrap (Davison & Hinkley 1997, eq. 5.6) of the difference, rows paired. A resample draws the sums of misses of
    the bins from the normal limit of the Poisson bootstrap; a row is in one bin before and in one after.
    """
    cells: dict[tuple[int, int], list[float]] = {}
    for old, new in sorted(zip(before, after, strict=True)):
        x, z = old.hit - old.p, new.hit - new.p
        sums = cells.setdefault((bucket_of(old.p), bucket_of(new.p)), [0.0] * 5)
        for place, value in enumerate((x, z, x * x, x * z, z * z)):
            sums[place] += value
    fall = _fall({at: (sums[0], sums[1]) for at, sums in cells.items()}, len(before))
    drawn: list[float] = []
    for _ in range(RESAMPLES):
        moved: dict[tuple[int, int], tuple[float, float]] = {}
        for at, (x, z, xx, xz, zz) in cells.items():
            first, second = rng.gauss(), rng.gauss()
            slope = xz / xx if xx > 0 else 0.0
            rest = math.sqrt(max(0.0, zz - slope * xz))
            step = math.sqrt(xx) * first
            moved[at] = (x + step, z + slope * step + rest * second)
        drawn.append(_fall(moved, len(before)))
    return 2 * fall - quantile(sorted(drawn), (1 + COVERAGE) / 2)


def _fall(cells: Mapping[tuple[int, int], tuple[float, float]], rows: int) -> float:
    """The ECE before less that after, from the sums of misses by both bins."""
    was, now = dict[int, float](), dict[int, float]()
    for (old, new), (x, z) in cells.items():
        was[old] = was.get(old, 0.0) + x
        now[new] = now.get(new, 0.0) + z
    return (math.fsum(map(abs, was.values())) - math.fsum(map(abs, now.values()))) / rows


def _brier(rows: Sequence[Scored]) -> float:
    return math.fsum((row.p - row.hit) ** 2 for row in rows) / len(rows)


def document(fitted: Map) -> dict[str, object]:
    """The map as JSON values, to be kept between runs."""
    if isinstance(fitted, Platt):
        return {"method": "platt", "slope": fitted.slope, "intercept": fitted.intercept}
    return {"method": "isotonic", "xs": list(fitted.xs), "values": list(fitted.values)}


def restored(kept: Mapping[str, object]) -> Map:
    """The map behind a document; anything else is refused."""
    match kept:
        case {"method": "platt", "slope": float(slope), "intercept": float(intercept)}:
            return Platt(finite(slope, "a slope"), finite(intercept, "an intercept"))
        case {"method": "isotonic", "xs": list(), "values": list()}:
            xs, values = cast("list[float]", kept["xs"]), cast("list[float]", kept["values"])
            points = [tuple(finite(x, "a point of a map") for x in side) for side in (xs, values)]
            return Isotonic(points[0], points[1])
        case _:
            raise InvalidDataError("this is no map of probabilities", details={"map": dict(kept)})
