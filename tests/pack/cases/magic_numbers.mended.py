"""Choose a tariff for a customer."""

ADULT_FROM_YEARS = 18
SENIOR_FROM_YEARS = 65
GROUP_FROM_PERSONS = 12
CHILD_CENTS, ADULT_CENTS, SENIOR_CENTS, GROUP_CENTS = 450, 900, 700, 600


def tariff(age: int, persons: int) -> int:
    """The price of one ticket in cents."""
    if persons >= GROUP_FROM_PERSONS:
        return GROUP_CENTS
    if age < ADULT_FROM_YEARS:
        return CHILD_CENTS
    return SENIOR_CENTS if age >= SENIOR_FROM_YEARS else ADULT_CENTS
