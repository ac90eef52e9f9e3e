"""Split a bill among friends."""

from decimal import Decimal


def shares(total: Decimal, friends: list[str]) -> dict[str, Decimal]:
    """What each pays; the first pays the cents that are left."""
    each = (total / len(friends)).quantize(Decimal("0.01"))
    paid = dict.fromkeys(friends, each)
    paid[friends[0]] += total - each * len(friends)
    return paid


def settle(paid: dict[str, Decimal], advances: dict[str, Decimal]) -> dict[str, Decimal]:
    """What each still owes after the advances."""
    return {friend: share - advances.get(friend, Decimal()) for friend, share in paid.items()}
