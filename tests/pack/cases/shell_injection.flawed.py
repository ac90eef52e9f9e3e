"""Make thumbnails with the program that is installed for it."""

import subprocess
from pathlib import Path

WIDTH_PIXELS = 320


def thumbnail(source: str, target: Path) -> None:
    """Write a small picture of `source` to `target`."""
    command = f"convert {source} -resize {WIDTH_PIXELS} {target}"
    subprocess.run(command, shell=True, check=True)
