"""The real application over a real database, served on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from served import Site, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site(fresh_database: str) -> Iterator[Site]:
    with serving(fresh_database) as found:
        yield found
