"""Look up accounts by what a visitor typed."""

import sqlite3


def find_accounts(conn: sqlite3.Connection, name: str) -> list[tuple[int, str]]:
    """Accounts whose holder has this name."""
    query = "SELECT id, holder FROM accounts WHERE holder = ?"
    return conn.execute(query, (name,)).fetchall()


def close_account(conn: sqlite3.Connection, account_id: int) -> None:
    """Mark an account as closed."""
    with conn:
        conn.execute("UPDATE accounts SET closed = 1 WHERE id = ?", (account_id,))
