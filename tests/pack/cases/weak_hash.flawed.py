"""Store passwords so that a stolen table is of little use."""

import hashlib


def digest(password: str) -> str:
    """The digest that is stored."""
    return hashlib.md5(password.encode()).hexdigest()
