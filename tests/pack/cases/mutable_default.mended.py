"""Collect the names of the guests."""


def invite(name: str, guests: list[str] | None = None) -> list[str]:
    """The guests with one more."""
    invited = list(guests or ())
    invited.append(name)
    return invited
