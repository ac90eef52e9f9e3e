"""Where the pictures are."""

from pathlib import Path

FOLDER = Path("/home/marta/projects/shop/pictures")


def picture(name: str) -> Path:
    """The file of a picture."""
    return FOLDER / f"{name}.png"


def logo() -> Path:
    """The file of the logo."""
    return Path("C:\\Users\\marta\\Desktop\\logo.svg")
