"""A connection whose user dies at a statement of the test's choice."""

from __future__ import annotations

from typing import Any

import psycopg


class StoppedError(Exception):
    """The process died here."""


class Mortal(psycopg.Connection[Any]):
    """A connection whose user dies before statement number `left`."""

    left = 0

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise StoppedError
        return super().execute(*args, **kwargs)
