"""Read the settings that a customer uploads."""

from pathlib import Path

import yaml


def settings(path: Path) -> dict[str, str]:
    """The settings as text values."""
    with path.open(encoding="utf-8") as opened:
        read = yaml.safe_load(opened)
    return {str(name): str(value) for name, value in read.items()}
