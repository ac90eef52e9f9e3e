"""Collect the names of the guests."""


def invite(name: str, guests: list[str] = []) -> list[str]:
    """The guests with one more."""
    guests.append(name)
    return guests
