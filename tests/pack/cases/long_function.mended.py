"""Check an order as it comes from the form."""

from collections.abc import Callable, Iterator

LONGEST = 80
SHORTEST = 2
FIELDS = (
    "customer",
    "street",
    "town",
    "country",
    "phone",
    "mail",
    "article",
    "colour",
    "size",
    "voucher",
)
FAULTS: dict[str, Callable[[str], bool]] = {
    "starts with a dash": lambda text: text.startswith("-"),
    "ends with a dash": lambda text: text.endswith("-"),
    "has two blanks in a row": lambda text: "  " in text,
    "shouts": str.isupper,
    "is a number": str.isdigit,
    "holds a tab": lambda text: "\t" in text,
    "holds a line end": lambda text: "\n" in text,
    "is too short": lambda text: len(text) < SHORTEST,
    "is too long": lambda text: len(text) > LONGEST,
}


def check(order: dict[str, object]) -> tuple[dict[str, str], list[str]]:
    """The cleaned fields, and what is wrong with the others."""
    cleaned = {name: value.strip() for name in FIELDS if isinstance(value := order.get(name), str)}
    missing = [f"{name} is missing or no text" for name in FIELDS if name not in cleaned]
    return cleaned, [*missing, *_faults(cleaned)]


def _faults(cleaned: dict[str, str]) -> Iterator[str]:
    """What is wrong with the fields that are text."""
    for name, text in cleaned.items():
        yield from (f"{name} {fault}" for fault, holds in FAULTS.items() if holds(text))
