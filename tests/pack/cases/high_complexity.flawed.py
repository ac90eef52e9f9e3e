"""What it costs to send something."""

BASE = 120
EXTRA = 350
LIGHT = 500
KINDS = {"letter": 1, "card": 2, "parcel": 3, "book": 4, "pallet": 5}
RATES = {"home": 1, "near": 2, "far": 4, "sea": 6}


def postage(kind: str, zone: str, weight: int, *, fast: bool) -> int:
    """The price in cents; 0 for what nobody sends."""
    price = 0
    if kind == "letter" and zone == "home" and (fast or weight > LIGHT):
        price = BASE * KINDS["letter"] * RATES["home"] + EXTRA
    elif kind == "letter" and zone == "home":
        price = BASE * KINDS["letter"] * RATES["home"]
    elif kind == "letter" and zone == "near" and (fast or weight > LIGHT):
        price = BASE * KINDS["letter"] * RATES["near"] + EXTRA
    elif kind == "letter" and zone == "near":
        price = BASE * KINDS["letter"] * RATES["near"]
    elif kind == "letter" and zone == "far" and (fast or weight > LIGHT):
        price = BASE * KINDS["letter"] * RATES["far"] + EXTRA
    elif kind == "letter" and zone == "far":
        price = BASE * KINDS["letter"] * RATES["far"]
    elif kind == "letter" and zone == "sea" and (fast or weight > LIGHT):
        price = BASE * KINDS["letter"] * RATES["sea"] + EXTRA
    elif kind == "letter" and zone == "sea":
        price = BASE * KINDS["letter"] * RATES["sea"]
    elif kind == "card" and zone == "home" and (fast or weight > LIGHT):
        price = BASE * KINDS["card"] * RATES["home"] + EXTRA
    elif kind == "card" and zone == "home":
        price = BASE * KINDS["card"] * RATES["home"]
    elif kind == "card" and zone == "near" and (fast or weight > LIGHT):
        price = BASE * KINDS["card"] * RATES["near"] + EXTRA
    elif kind == "card" and zone == "near":
        price = BASE * KINDS["card"] * RATES["near"]
    elif kind == "card" and zone == "far" and (fast or weight > LIGHT):
        price = BASE * KINDS["card"] * RATES["far"] + EXTRA
    elif kind == "card" and zone == "far":
        price = BASE * KINDS["card"] * RATES["far"]
    elif kind == "card" and zone == "sea" and (fast or weight > LIGHT):
        price = BASE * KINDS["card"] * RATES["sea"] + EXTRA
    elif kind == "card" and zone == "sea":
        price = BASE * KINDS["card"] * RATES["sea"]
    elif kind == "parcel" and zone == "home" and (fast or weight > LIGHT):
        price = BASE * KINDS["parcel"] * RATES["home"] + EXTRA
    elif kind == "parcel" and zone == "home":
        price = BASE * KINDS["parcel"] * RATES["home"]
    elif kind == "parcel" and zone == "near" and (fast or weight > LIGHT):
        price = BASE * KINDS["parcel"] * RATES["near"] + EXTRA
    elif kind == "parcel" and zone == "near":
        price = BASE * KINDS["parcel"] * RATES["near"]
    elif kind == "parcel" and zone == "far" and (fast or weight > LIGHT):
        price = BASE * KINDS["parcel"] * RATES["far"] + EXTRA
    elif kind == "parcel" and zone == "far":
        price = BASE * KINDS["parcel"] * RATES["far"]
    elif kind == "parcel" and zone == "sea" and (fast or weight > LIGHT):
        price = BASE * KINDS["parcel"] * RATES["sea"] + EXTRA
    elif kind == "parcel" and zone == "sea":
        price = BASE * KINDS["parcel"] * RATES["sea"]
    elif kind == "book" and zone == "home" and (fast or weight > LIGHT):
        price = BASE * KINDS["book"] * RATES["home"] + EXTRA
    elif kind == "book" and zone == "home":
        price = BASE * KINDS["book"] * RATES["home"]
    elif kind == "book" and zone == "near" and (fast or weight > LIGHT):
        price = BASE * KINDS["book"] * RATES["near"] + EXTRA
    elif kind == "book" and zone == "near":
        price = BASE * KINDS["book"] * RATES["near"]
    elif kind == "book" and zone == "far" and (fast or weight > LIGHT):
        price = BASE * KINDS["book"] * RATES["far"] + EXTRA
    elif kind == "book" and zone == "far":
        price = BASE * KINDS["book"] * RATES["far"]
    elif kind == "book" and zone == "sea" and (fast or weight > LIGHT):
        price = BASE * KINDS["book"] * RATES["sea"] + EXTRA
    elif kind == "book" and zone == "sea":
        price = BASE * KINDS["book"] * RATES["sea"]
    elif kind == "pallet" and zone == "home" and (fast or weight > LIGHT):
        price = BASE * KINDS["pallet"] * RATES["home"] + EXTRA
    elif kind == "pallet" and zone == "home":
        price = BASE * KINDS["pallet"] * RATES["home"]
    elif kind == "pallet" and zone == "near" and (fast or weight > LIGHT):
        price = BASE * KINDS["pallet"] * RATES["near"] + EXTRA
    elif kind == "pallet" and zone == "near":
        price = BASE * KINDS["pallet"] * RATES["near"]
    elif kind == "pallet" and zone == "far" and (fast or weight > LIGHT):
        price = BASE * KINDS["pallet"] * RATES["far"] + EXTRA
    elif kind == "pallet" and zone == "far":
        price = BASE * KINDS["pallet"] * RATES["far"]
    elif kind == "pallet" and zone == "sea" and (fast or weight > LIGHT):
        price = BASE * KINDS["pallet"] * RATES["sea"] + EXTRA
    elif kind == "pallet" and zone == "sea":
        price = BASE * KINDS["pallet"] * RATES["sea"]
    return price
