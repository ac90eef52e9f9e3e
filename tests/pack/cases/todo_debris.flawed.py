"""Send reminders for open invoices."""

from datetime import date, timedelta

GRACE = timedelta(days=14)


def overdue(invoices: dict[str, date], today: date) -> list[str]:
    """The numbers of the invoices whose grace is over, oldest first."""
    # TODO: weekends
    # FIXME: this is wrong in leap years
    # HACK until the new calendar is there
    late = [number for number, due in invoices.items() if due + GRACE < today]
    return sorted(late, key=lambda number: invoices[number])


def send(number: str) -> None:
    """Send the reminder."""
    raise NotImplementedError


def text(number: str) -> str:
    """What the reminder says."""
    # XXX translate
    return f"Invoice {number} is open. Please pay it, or tell us why not."
