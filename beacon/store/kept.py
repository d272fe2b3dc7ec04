"""What was read last, kept in memory up to a number of bytes: parts of segments, which never change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Kept:
    """The most recently used values, up to ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._size = 0
        self._values: OrderedDict[object, tuple[Any, int]] = OrderedDict()

    @property
    def room(self) -> float:
        """Which part of the bytes is still free."""
        return 1 - self._size / self.limit

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def get(self, key: object) -> Any:
        """Return a value, None where it is not kept."""
        held = self._values.get(key)
        if held is None:
            return None
        self._values.move_to_end(key)
        return held[0]

    def clear(self) -> None:
        """Keep nothing of what is kept."""
        self._values.clear()
        self._size = 0

    def drop(self, unwanted: Callable[[Any], bool]) -> None:
        """Keep nothing whose key is unwanted."""
        for key in [key for key in self._values if unwanted(key)]:
            self._size -= self._values.pop(key)[1]

    def put(self, key: object, value: T, size: int) -> T:
        """Keep a value of so many bytes; those that were not used for the longest time give way."""
        if key not in self._values:
            self._values[key] = (value, size)
            self._size += size
            while self._size > self.limit and len(self._values) > 1:
                _, (_, dropped) = self._values.popitem(last=False)
                self._size -= dropped
        return value
