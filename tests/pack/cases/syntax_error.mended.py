"""The days until a date."""

from datetime import date


def days_until(day: date, today: date) -> int:
    """How many days are left; 0 when the day has come."""
    if day <= today:
        return 0
    return (day - today).days
