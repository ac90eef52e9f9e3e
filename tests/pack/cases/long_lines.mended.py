"""Describe a parcel in one sentence."""


def describe(weight: int, width: int, height: int, depth: int) -> str:
    """What stands on the label."""
    sides = " by ".join(str(side) for side in (width, height, depth))
    heavy = "a heavy" if weight > max(width, height) else "a light"
    return f"{heavy} parcel of {weight} grams, {sides} millimetres"


def describe_all(parcels: list[tuple[int, int, int, int]]) -> list[str]:
    """What stands on the labels."""
    return [describe(*parcel) for parcel in parcels if all(parcel)]
