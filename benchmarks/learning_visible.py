"""From the answer to a POST of feedback until /calibration and /learning show it, on a service that does nothing else.

Beside it the floor: how long a GET of the same pages takes when nothing has changed, which is what looking costs.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks import ground, over_http

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS: Final = 60
BAR_SECONDS: Final = 0.25
PATIENCE_SECONDS: Final = 10.0
PERCENTILE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """The 95th percentile of the delays, beside the median and what one look costs."""

    what: str
    seconds: list[float]
    look_seconds: float

    @property
    def p95(self) -> float:
        """In seconds: the smallest delay that 95 % do not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(PERCENTILE * len(ordered)))]

    @property
    def reached(self) -> bool:
        """Whether the bar holds."""
        return self.p95 <= BAR_SECONDS

    def line(self) -> str:
        """The result as one line of the printed table."""
        return (
            f"{self.what:50} p95 {1000 * self.p95:5.0f} ms, median"
            f" {1000 * statistics.median(self.seconds):.0f} ms of {len(self.seconds)}; one look"
            f" {1000 * self.look_seconds:.0f} ms  <= {1000 * BAR_SECONDS:.0f} ms:"
            f" {'reached' if self.reached else 'MISSED'}"
        )


def run() -> Iterator[Delay]:
    """Sixty answers one after the other."""
    with ground.server() as address:
        database = ground.migrated(address, "visible")
        with over_http.service(database) as port:
            client = _Client(port)
            delays: list[float] = []
            looks: list[float] = []
            for number in range(1, ANSWERS + 1):
                judged = client.post("/api/v1/judgments", ground.judgment(number))
                client.post(
                    f"/api/v1/judgments/{judged['judgment_id']}/feedback", {"outcome": "correct"}
                )
                started = time.perf_counter()
                while not client.shows(number):
                    if time.perf_counter() - started > PATIENCE_SECONDS:
                        raise RuntimeError(f"answer {number} was never shown")
                delays.append(time.perf_counter() - started)
                started = time.perf_counter()
                client.shows(number)
                looks.append(time.perf_counter() - started)
            yield Delay(
                what="feedback until /calibration and /learning show it",
                seconds=delays,
                look_seconds=statistics.median(looks),
            )


class _Client:
    """One connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def post(self, path: str, document: object) -> dict[str, Any]:
        """Send a document; the answer."""
        return self._ask("POST", path, json.dumps(document))

    def shows(self, answers: int) -> bool:
        """Whether both pages know of so many answers."""
        found = self._ask("GET", "/api/v1/calibration")
        if found["n"] < answers:
            return False
        loops = {one["loop"]: one for one in self._ask("GET", "/api/v1/learning")["loops"]}
        return loops["thompson"]["data"] >= answers

    def _ask(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        self._connection.request(method, path, body)
        response = self._connection.getresponse()
        document = json.loads(response.read())
        if response.status >= http.client.BAD_REQUEST:
            raise RuntimeError(f"{method} {path}: {response.status} {document}")
        return document
