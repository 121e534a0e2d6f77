"""What a process remembers, least recently used first to go, bounded in bytes."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Of a key, a value's object, and their place in the table; measured, rounded up.
OVERHEAD_BYTES = 400


class Lru(Generic[K, V]):
    """A dictionary that forgets. Sizes are the caller's estimates, an overhead is added."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: K) -> V | None:
        held = self._held.get(key)
        if held is None:
            return None
        self._held.move_to_end(key)
        return held[0]

    def put(self, key: K, value: V, size_bytes: int) -> None:
        self.drop(key)
        self._held[key] = (value, size_bytes + OVERHEAD_BYTES)
        self.bytes += size_bytes + OVERHEAD_BYTES
        while self.bytes > self._most_bytes:
            _, (_, dropped_bytes) = self._held.popitem(last=False)
            self.bytes -= dropped_bytes

    def drop(self, key: K) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            self.bytes -= held[1]
