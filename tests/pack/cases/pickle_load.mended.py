"""Keep a visitor's basket between two requests."""

import json
from pathlib import Path


def save(basket: dict[str, int], path: Path) -> None:
    """Write the basket."""
    path.write_text(json.dumps(basket), "utf-8")


def load(path: Path) -> dict[str, int]:
    """Read the basket back, whoever wrote the file."""
    return json.loads(path.read_text("utf-8"))
