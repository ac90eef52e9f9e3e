"""Open the connection that the nightly report reads from."""

import os

import psycopg

HOST = "reports.internal.example"


def connect() -> psycopg.Connection:
    """Connect as the reporting role."""
    return psycopg.connect(host=HOST, user="reporter", password=os.environ["REPORT_PASSWORD"])


def rows(conn: psycopg.Connection, day: str) -> list[tuple[str, int]]:
    """The orders of one day, by customer."""
    return conn.execute("SELECT customer, count(*) FROM orders WHERE day = %s GROUP BY 1", (day,)).fetchall()
