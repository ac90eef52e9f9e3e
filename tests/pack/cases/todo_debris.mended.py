"""Send reminders for open invoices."""

from datetime import date, timedelta

GRACE = timedelta(days=14)


def overdue(invoices: dict[str, date], today: date) -> list[str]:
    """The numbers of the invoices whose grace is over, oldest first."""
    late = [number for number, due in invoices.items() if due + GRACE < today]
    return sorted(late, key=lambda number: invoices[number])


def text(number: str) -> str:
    """What the reminder says."""
    return f"Invoice {number} is open. Please pay it, or tell us why not."
