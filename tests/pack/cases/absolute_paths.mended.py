"""Where the pictures are."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("PICTURES", "pictures"))


def picture(name: str) -> Path:
    """The file of a picture."""
    return FOLDER / f"{name}.png"


def logo() -> Path:
    """The file of the logo."""
    return Path(__file__).with_name("logo.svg")
