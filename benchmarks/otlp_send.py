"""A sender of export requests in a process of its own: each body once, over some keep-alive connections.

`python -m benchmarks.otlp_send PORT CONNECTIONS`: bodies come on standard input, each behind its length (four bytes);
what comes out is JSON: seconds for all of it, and the seconds of each request. Loopback only, bounded.
"""

from __future__ import annotations

import http.client
import json
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

CONNECTIONS_MAX = 16
WAIT_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """How long it took: all of it, and each request, in seconds."""

    seconds: float
    each: list[float]

    @property
    def p99_ms(self) -> float:
        """The 99th percentile of the requests, in milliseconds."""
        ordered = sorted(self.each)
        return 1000 * ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]


def send(port: int, bodies: list[bytes], connections: int) -> Sent:
    """Send each body once from another process; every answer must be a plain 200."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.otlp_send", str(port), str(connections)],
        input=b"".join(len(body).to_bytes(4, "big") + body for body in bodies),
        check=True,
        stdout=subprocess.PIPE,
    )
    told = json.loads(done.stdout)
    return Sent(told["seconds"], told["each"])


def _work(port: int, waiting: queue.SimpleQueue[bytes], each: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS_MAX)
    while True:
        try:
            body = waiting.get_nowait()
        except queue.Empty:
            connection.close()
            return
        started = time.perf_counter()
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200 or content:
            raise RuntimeError(f"{answer.status}: {content[:500]!r}")
        each.append(time.perf_counter() - started)


def main() -> None:
    """Send what comes on standard input."""
    port, connections = int(sys.argv[1]), min(int(sys.argv[2]), CONNECTIONS_MAX)
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    number = 0
    while head := sys.stdin.buffer.read(4):
        waiting.put(sys.stdin.buffer.read(int.from_bytes(head, "big")))
        number += 1
    each: list[float] = []
    threads = [
        threading.Thread(target=_work, args=(port, waiting, each)) for _ in range(connections)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    if len(each) != number:
        raise SystemExit("not every request was answered with 200")
    print(json.dumps({"seconds": took, "each": each}))


if __name__ == "__main__":
    main()
