"""What a process remembers, bounded in bytes: what was not asked for in a while goes first."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# Of a key, a value's object, and their place in the table; measured, rounded up.
OVERHEAD_BYTES = 400


class Lru(Generic[K, V]):
    """A dictionary that forgets. Sizes are the caller's estimates, an overhead is added.

    Two generations instead of an order: a hit among the young costs one look-up and moves nothing.
    When the young fill half of the bound they become the old, and the old that nobody asked for go.
    """

    def __init__(self, most_bytes: int) -> None:
        self._half_bytes = most_bytes // 2
        # Values and sizes apart: who looks something up has one thing less to fetch from memory.
        self._young: dict[K, V] = {}
        self._young_sizes: dict[K, int] = {}
        self._old: dict[K, V] = {}
        self._old_sizes: dict[K, int] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is not None:
            return value
        value = self._old.get(key)
        if value is not None:
            self._admit(key, value, self._old_sizes[key])
        return value

    def all(self, keys: Sequence[K]) -> list[V] | None:
        """What is remembered of every key, in their order; None when one is not."""
        young = self._young
        try:
            return [young[key] for key in keys]
        except KeyError:
            found, missing = self.many(keys)
            return None if missing else [found[key] for key in keys]

    def many(self, keys: Iterable[K]) -> tuple[dict[K, V], list[K]]:
        """Those that are remembered, and the keys of those that are not."""
        found, missing, young = {}, [], self._young
        for key in keys:
            value = young.get(key)
            if value is not None:
                found[key] = value
            elif (old := self.get(key)) is not None:
                found[key], young = old, self._young
            else:
                missing.append(key)
        return found, missing

    def put(self, key: K, value: V, size_bytes: int) -> None:
        self.drop(key)
        self._admit(key, value, size_bytes + OVERHEAD_BYTES)

    def drop(self, key: K) -> None:
        self._old.pop(key, None)
        if self._young.pop(key, None) is not None:
            self._young_bytes -= self._young_sizes.pop(key)

    def items(self) -> list[tuple[K, V]]:
        """Everything that is remembered, in no order; some milliseconds of it."""
        return list((self._old | self._young).items())

    def values(self) -> list[V]:
        return [value for _, value in self.items()]

    def _admit(self, key: K, value: V, size_bytes: int) -> None:
        if self._young_bytes + size_bytes > self._half_bytes:
            self._old, self._old_sizes = self._young, self._young_sizes
            self._young, self._young_sizes, self._young_bytes = {}, {}, 0
        self._young[key], self._young_sizes[key] = value, size_bytes
        self._young_bytes += size_bytes
