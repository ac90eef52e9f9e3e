"""The pages in a real browser: drawn, and without a complaint on its console."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from pack_examples import fill

from agent_sessions import shop
from traced import shopping

if TYPE_CHECKING:
    from served import Site

CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: the pages were not drawn")
def test_a_browser_draws_every_page_without_complaint(
    site: Site, fresh_database: str, tmp_path: Path
) -> None:
    made = fill(site)
    with psycopg.connect(fresh_database, autocommit=True) as conn:
        shop(conn)
        shopping(conn)
    pages = {
        "/": "deploy-1141",
        f"/judgments/{made['veto']}": "vetoes",
        "/sessions": "The basket loses items.",
        "/sessions/shop": "Where it failed",
        "/learning": "which dog succeeds in which context",
        "/traces": "plan the shopping",
        f"/traces/{'a' * 32}": "no such shelf",
    }
    for number, (path, words) in enumerate(pages.items()):
        picture = tmp_path / f"{number}.png"
        done = browse(tmp_path, site.url + path, "--dump-dom")
        assert words in done.stdout
        assert "CONSOLE" not in done.stderr, done.stderr
        done = browse(tmp_path, site.url + path, f"--screenshot={picture}")
        assert "CONSOLE" not in done.stderr, done.stderr
        drawn = picture.read_bytes()
        assert drawn.startswith(PNG)
        assert len(drawn) > 10_000, "an empty page compresses to less"


def browse(folder: Path, url: str, what: str) -> subprocess.CompletedProcess[str]:
    profile = f"--user-data-dir={folder / 'profile'}"
    return subprocess.run(
        [str(CHROMIUM), *OPTIONS, profile, "--window-size=1400,1000", what, url],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
