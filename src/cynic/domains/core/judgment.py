"""What is said of a judgment that is not there, by whoever looks for it."""

from __future__ import annotations

from cynic.base.errors import NotFoundError


class UnknownJudgmentError(NotFoundError):
    """No judgment has this id."""

    code = "unknown-judgment"
