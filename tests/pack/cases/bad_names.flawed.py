"""Split a bill among friends."""

from decimal import Decimal


def doIt(a: Decimal, l: list[str]) -> dict[str, Decimal]:
    """What tmp pays; the first pays the cents that are left."""
    tmp = (a / len(l)).quantize(Decimal("0.01"))
    foo = dict.fromkeys(l, tmp)
    foo[l[0]] += a - tmp * len(l)
    return foo


def stuff2(foo: dict[str, Decimal], tmp2: dict[str, Decimal]) -> dict[str, Decimal]:
    """What tmp still owes after the tmp2."""
    return {friend: share - tmp2.get(friend, Decimal()) for friend, share in foo.items()}
