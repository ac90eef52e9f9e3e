"""A connection whose user dies at a statement of the test's choice."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LIVES_MAX = 1000


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


def live_on(database: str, act: Callable[[Mortal], object]) -> None:
    """Do it as often as it takes: each life is a statement longer than the one before, so that each statement is the last of one."""
    with Mortal.connect(database, autocommit=True) as mortal:
        mortal.left = 1
        mortal.execute("SET ROLE cynic_app")
        for statements in range(LIVES_MAX):
            mortal.left = statements
            with suppress(StoppedError):
                act(mortal)
                return
    pytest.fail("it never came to an end")
