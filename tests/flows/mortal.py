"""A connection whose user dies at a statement of the test's choice."""

from __future__ import annotations

from typing import Any

import psycopg


class StoppedError(Exception):
    """The process died here."""


class Mortal(psycopg.Connection[Any]):
    """A connection whose user dies before statement number `left`."""

    left = 0
    _within = False

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self._live_on()
        self._within = True
        try:
            return super().execute(*args, **kwargs)
        finally:
            self._within = False

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """Asked for by hand for COPY, and by `execute`, which has counted already."""
        if not self._within:
            self._live_on()
        return super().cursor(*args, **kwargs)

    def _live_on(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoppedError
