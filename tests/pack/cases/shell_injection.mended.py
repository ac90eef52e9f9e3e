"""Make thumbnails with the program that is installed for it."""

import subprocess
from pathlib import Path

WIDTH_PIXELS = 320


def thumbnail(source: str, target: Path) -> None:
    """Write a small picture of `source` to `target`."""
    command = ["/usr/bin/convert", source, "-resize", str(WIDTH_PIXELS), str(target)]
    subprocess.run(command, check=True)
