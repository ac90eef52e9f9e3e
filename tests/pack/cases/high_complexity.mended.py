"""What it costs to send something."""

BASE = 120
EXTRA = 350
LIGHT = 500
KINDS = {"letter": 1, "card": 2, "parcel": 3, "book": 4, "pallet": 5}
RATES = {"home": 1, "near": 2, "far": 4, "sea": 6}


def postage(kind: str, zone: str, weight: int, *, fast: bool) -> int:
    """The price in cents; 0 for what nobody sends."""
    if kind not in KINDS or zone not in RATES:
        return 0
    price = BASE * KINDS[kind] * RATES[zone]
    return price + EXTRA if fast or weight > LIGHT else price
