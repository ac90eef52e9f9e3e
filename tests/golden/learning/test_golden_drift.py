from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from vectors import Case, cases, near

from cynic.domains.learning.drift import Adwin, Ddm, PageHinkley

if TYPE_CHECKING:
    from collections.abc import Callable

DETECTORS: dict[str, Callable[[], Adwin | Ddm | PageHinkley]] = {
    "adwin_default": Adwin,
    "adwin_delta_0.05_clock_1": lambda: Adwin(delta=0.05, clock=1, grace=5),
    "page_hinkley_default": PageHinkley,
    "page_hinkley_tuned": lambda: PageHinkley(threshold=5),
    "page_hinkley_up": lambda: PageHinkley(delta=0.01, threshold=3, forgetting=1, mode="up"),
    "ddm": Ddm,
}
EACH = [
    pytest.param(case, name, id=f"{case.id}-{name}")
    for case in cases("drift")
    for name in case.expected
]


@pytest.mark.parametrize(("case", "name"), EACH)
def test_drift(case: Case, name: str) -> None:
    detector, wanted = DETECTORS[name](), case.expected[name]
    fired: list[int] = []
    for index, value in enumerate(case.input["x"]):
        if detector.update(value):
            fired.append(index)
        if index % 100 == 0:  # interrupted, and gone on
            detector = type(detector).resume(json.loads(json.dumps(detector.state())))
    assert fired == wanted["drift_at"]
    if isinstance(detector, Adwin):
        found = {
            "width": detector.width,
            "estimation": detector.mean,
            "variance": detector.variance,
        }
        assert near(found, {key: wanted[key] for key in found}, case.tolerance)
