"""Golden vectors: made by reference libraries that are not ours, read from one of three places.

The directory in CYNIC_GOLDEN wins; without it ../shared/golden beside the repository; without that the copy in
vectors/. A directory holds `learning/<name>.json`, or `<name>.json` directly.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
BESIDE = HERE.parents[2] / "shared" / "golden"


class Case(NamedTuple):
    """One case of a file; `tolerance` is both relative and absolute."""

    id: str
    input: Any
    expected: Any
    tolerance: float


def directory() -> Path:
    if named := os.environ.get("CYNIC_GOLDEN"):
        return Path(named)
    return BESIDE if BESIDE.is_dir() else HERE / "vectors"


@cache
def document(name: str) -> dict[str, Any]:
    """The whole file, with `notes` and `made_by`; a file that is missing in a named directory is an error."""
    places = [directory() / "learning" / f"{name}.json", directory() / f"{name}.json"]
    for place in places:
        if place.is_file():
            return json.loads(place.read_text())
    raise FileNotFoundError(f"no golden vectors {name!r}: looked at {places[0]} and {places[1]}")


def cases(name: str) -> list[Case]:
    found = document(name)
    return [
        Case(case["id"], case["input"], case["expected"], found["tolerance"])
        for case in found["cases"]
    ]


def ids(name: str) -> list[str]:
    return [case.id for case in cases(name)]


def near(found: Any, expected: Any, tolerance: float) -> bool:
    """Equality of nested values, floats within the tolerance; None equals only None."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            near(found[key], expected[key], tolerance) for key in expected
        )
    if isinstance(expected, list):
        return len(found) == len(expected) and all(
            near(one, other, tolerance) for one, other in zip(found, expected, strict=True)
        )
    if isinstance(expected, bool | str) or expected is None or found is None:
        return found == expected
    return abs(found - expected) <= max(tolerance, tolerance * abs(expected))
