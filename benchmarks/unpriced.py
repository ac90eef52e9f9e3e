"""`python -m benchmarks.unpriced ARGS`: `cynic ARGS`, in which telemetry is neither priced nor booked; what pricing is measured against."""

from __future__ import annotations

from cynic.api import app
from cynic.cli.main import main

if __name__ == "__main__":
    app.Book = lambda: None  # pyright: ignore[reportAttributeAccessIssue]
    main()
