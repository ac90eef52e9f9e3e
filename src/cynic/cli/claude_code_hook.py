"""Hand what Claude Code tells on standard input to cynic, and be gone: run as `python -I -S claude_code_hook.py URL`.

It imports little and nothing of cynic, prints nothing, and always exits with 0, so that it can neither hold up nor
disturb the agent. A process of its own sends the event and waits for the answer; where there are none
(on Windows) the event is sent in a few milliseconds or lost. Only addresses are connected to: no name is looked up.
"""

import os
import sys
import time

SEND_SECONDS = 5.0
SEND_SECONDS_WITHOUT_FORK = 0.03
BODY_BYTES_MAX = 8 * 1024 * 1024


def request(url: str, body: bytes) -> tuple[str, int, bytes] | None:
    """Where to send what; None when the address cannot be used."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.rpartition(":")
    if not port.isdigit() or not url.startswith("http://"):
        return None
    head = (
        f"POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Cynic-Sent-At: {int(time.time() * 1000)}\r\nConnection: close\r\n"
    )
    key = os.environ.get("CYNIC_API_KEY", "")
    if key and key.isprintable() and key.isascii():
        head += f"Authorization: Bearer {key}\r\n"
    address = "127.0.0.1" if name == "localhost" else name.strip("[]")
    return address, int(port), f"{head}\r\n".encode() + body


def send(address: str, port: int, message: bytes, seconds: float) -> None:
    """Send and wait until it is taken: who hangs up earlier may not be heard."""
    import socket  # only the process that sends pays for it

    until = time.monotonic() + seconds
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect((address, port))
        connection.sendall(message)
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(4096):
                return


def detached() -> bool:
    """Go on in a process of its own: True there. The agent waits for the end of our output, so that is closed."""
    if os.fork():
        return False
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    return True


def main() -> None:
    """Read, hand over, end."""
    body = sys.stdin.buffer.read()
    if not body or len(body) > BODY_BYTES_MAX or len(sys.argv) != 2:  # noqa: PLR2004
        return
    found = request(sys.argv[1], body)
    if found is None:
        return
    if not hasattr(os, "fork"):
        send(*found, SEND_SECONDS_WITHOUT_FORK)
    elif detached():
        send(*found, SEND_SECONDS)


if __name__ == "__main__":
    try:
        main()
    finally:
        # Whatever happened, and without a word of it: the agent must not notice.
        os._exit(0)
