"""Store passwords so that a stolen table is of little use."""

import hashlib
import os

SALT_BYTES = 16
COST = 2**14


def digest(password: str) -> str:
    """A salted digest, slow on purpose."""
    salt = os.urandom(SALT_BYTES)
    key = hashlib.scrypt(password.encode(), salt=salt, n=COST, r=8, p=1)
    return f"{salt.hex()}${key.hex()}"
