"""Choose a tariff for a customer."""


def tariff(age: int, persons: int) -> int:
    """The price of one ticket in cents."""
    if persons >= 12:
        return 600
    if age < 18:
        return 450
    return 700 if age >= 65 else 900
