"""Keep a visitor's basket between two requests."""

import pickle
from pathlib import Path


def save(basket: dict[str, int], path: Path) -> None:
    """Write the basket."""
    path.write_bytes(pickle.dumps(basket))


def load(path: Path) -> dict[str, int]:
    """Read the basket back, whoever wrote the file."""
    return pickle.loads(path.read_bytes())
