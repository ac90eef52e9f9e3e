"""A load generator in a process of its own: keep-alive connections that send one prepared request again and again.

`python -m benchmarks.load PORT CONNECTIONS SECONDS PATH`: bodies come on standard input, one line for each connection;
what comes out is the number of 2xx answers a second. Loopback only, bounded in connections and in time.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time

CONNECTIONS_MAX = 64
SECONDS_MAX = 60.0
ANSWER_BYTES_MAX = 1 << 24
WAIT_SECONDS_MAX = 30.0


def rate(port: int, path: str, bodies: list[bytes], duration_seconds: float) -> float:
    """2xx answers a second, over one connection for each body, asked from another process."""
    numbers = [str(port), str(len(bodies)), str(duration_seconds), path]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", *numbers],
        input=b"\n".join(bodies),
        check=True,
        stdout=subprocess.PIPE,
    )
    return float(done.stdout)


class _Connection:
    """One connection and the request it repeats."""

    def __init__(self, port: int, path: str, body: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = head.encode() + body
        self._answer = b""

    def ask(self) -> None:
        """Send the request."""
        self._answer = b""
        self.socket.sendall(self._request)

    def answered(self) -> bool:
        """Take what has come; whether that completes an answer, which must be a 2xx."""
        self._answer += self.socket.recv(1 << 20)
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"refused: {self._answer[:500]!r}")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if length > ANSWER_BYTES_MAX:
            raise RuntimeError(f"an answer of {length} bytes")
        return len(body) >= length


def _rate(port: int, path: str, bodies: list[bytes], duration_seconds: float) -> float:
    connections = [_Connection(port, path, body) for body in bodies]
    made = 0
    waiting = len(connections)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        started = time.perf_counter()
        for connection in connections:
            connection.ask()
        while waiting:
            ready = selector.select(WAIT_SECONDS_MAX)
            if not ready:
                raise RuntimeError(f"no answer within {WAIT_SECONDS_MAX} s")
            for key, _ in ready:
                if not key.data.answered():
                    continue
                made += 1
                if time.perf_counter() - started < duration_seconds:
                    key.data.ask()
                else:
                    waiting -= 1
        took = time.perf_counter() - started
    for connection in connections:
        connection.socket.close()
    return made / took


def main() -> None:
    """Ask for as long as the command line says, within the bounds."""
    port, connections, duration_seconds, path = sys.argv[1:]
    bodies = sys.stdin.buffer.read().split(b"\n")[: min(int(connections), CONNECTIONS_MAX)]
    print(_rate(int(port), path, bodies, min(float(duration_seconds), SECONDS_MAX)))


if __name__ == "__main__":
    main()
