"""Turn a name into one that a file can have."""

ALLOWED = set("abcdefghijklmnopqrstuvwxyz0123456789-")


def file_name(title: str) -> str:
    """The title in small letters, with dashes for what a file cannot have."""
    signs = [sign if sign in ALLOWED else "-" for sign in title.lower()]
    return "".join(signs).strip("-")


def unique(name: str, taken: set[str]) -> str:
	"""The name, with a number when it is taken."""
	number = 1
	chosen = name
	while chosen in taken:
		number += 1
		chosen = f"{name}-{number}"
	return chosen
