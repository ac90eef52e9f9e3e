"""`python -m benchmarks.unpriced ARGS`: `cynic ARGS`, in which telemetry is neither priced nor booked; what pricing is measured against."""

from __future__ import annotations

from cynic.api import app
from cynic.cli.main import main
from cynic.flows.otlp_money import Book, Booked


def _nothing(*_: object) -> Booked:
    """Book nothing of what is stored either."""
    return Booked()


if __name__ == "__main__":
    app.Book = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    Book.catch_up = _nothing  # pyright: ignore[reportAttributeAccessIssue]
    main()
