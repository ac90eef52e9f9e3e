"""Read the number of workers from a file."""

from pathlib import Path

DEFAULT = 4


def workers(path: Path) -> int:
    """How many workers to start; the default when the file is not there."""
    try:
        return int(path.read_text("utf-8"))
    except FileNotFoundError:
        return DEFAULT
