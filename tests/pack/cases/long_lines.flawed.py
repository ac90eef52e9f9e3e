"""Describe a parcel in one sentence."""


def describe(weight: int, width: int, height: int, depth: int) -> str:
    """What stands on the label."""
    return ("a heavy" if weight > max(width, height) else "a light") + " parcel of " + str(weight) + " grams, " + str(width) + " by " + str(height) + " by " + str(depth) + " millimetres"


def describe_all(parcels: list[tuple[int, int, int, int]]) -> list[str]:
    """What stands on the labels."""
    return [describe(weight, width, height, depth) for weight, width, height, depth in parcels if weight and width and height and depth and weight < width * height * depth]
