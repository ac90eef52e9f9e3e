"""A cache that forgets what was not used for longest."""

from collections import OrderedDict


class Cache:
    """At most `capacity` values, by key."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[str, object] = OrderedDict()

    def get(self, key: str) -> object | None:
        """The value, which counts as a use; None when it is not there."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: str, value: object) -> None:
        """Keep a value, and forget the oldest when there are too many."""
        self._values[key] = value
        self._values.move_to_end(key)
        # The oldest stands first, because every use moves its value to the end.
        while len(self._values) > self._capacity:
            self._values.popitem(last=False)
