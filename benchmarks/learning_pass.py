"""One learning pass in a process of its own, so that its memory is its own: `python -m benchmarks.learning_pass CONNINFO`."""

from __future__ import annotations

import json
import resource
import sys
import time

from cynic.base import clock, ids
from cynic.db.connect import Database
from cynic.flows import learn
from cynic.flows.edge import Edge, digest_key

PART = 10_000
KB_PER_MB = 1024


def main() -> None:
    """Learn all that is queued; seconds, peak memory, and how much longer the last part took than the first, as JSON."""
    marks = [(0, time.perf_counter())]
    with Database(conninfo=sys.argv[1], source="benchmark").connect("cynic_app") as conn:
        edge = Edge(clock=clock.now, new_id=ids.new_uuid, digest_key=digest_key(conn))
        done = learn.run(
            conn, edge, progress=lambda taken: marks.append((taken, time.perf_counter()))
        )
    ended = time.perf_counter()
    first = next(at for taken, at in marks if taken >= PART) - marks[0][1]
    last = marks[-1][1] - next(at for taken, at in marks if taken >= done.taken - PART)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {
        "signals": done.taken,
        "cpu_seconds": time.process_time(),
        "seconds": ended - marks[0][1],
        "megabytes": peak_kb / KB_PER_MB,
        "ratio": last / first,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
