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
        self._young: dict[K, tuple[V, int]] = {}
        self._old: dict[K, tuple[V, int]] = {}
        self._young_bytes = 0

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: K) -> V | None:
        held = self._young.get(key)
        if held is not None:
            return held[0]
        held = self._old.get(key)
        if held is None:
            return None
        self._admit(key, held)
        return held[0]

    def all(self, keys: Sequence[K]) -> list[V] | None:
        """What is remembered of every key, in their order; None when one is not."""
        young = self._young
        try:
            return [young[key][0] for key in keys]
        except KeyError:
            found, missing = self.many(keys)
            return None if missing else [found[key] for key in keys]

    def many(self, keys: Iterable[K]) -> tuple[dict[K, V], list[K]]:
        """Those that are remembered, and the keys of those that are not."""
        found, missing, young = {}, [], self._young
        for key in keys:
            held = young.get(key)
            if held is not None:
                found[key] = held[0]
            elif (old := self.get(key)) is not None:
                found[key], young = old, self._young
            else:
                missing.append(key)
        return found, missing

    def put(self, key: K, value: V, size_bytes: int) -> None:
        self.drop(key)
        self._admit(key, (value, size_bytes + OVERHEAD_BYTES))

    def drop(self, key: K) -> None:
        self._old.pop(key, None)
        held = self._young.pop(key, None)
        if held is not None:
            self._young_bytes -= held[1]

    def values(self) -> list[V]:
        """Everything that is remembered, in no order; some milliseconds of it."""
        return [value for value, _ in (self._old | self._young).values()]

    def _admit(self, key: K, held: tuple[V, int]) -> None:
        if self._young_bytes + held[1] > self._half_bytes:
            self._old, self._young, self._young_bytes = self._young, {}, 0
        self._young[key] = held
        self._young_bytes += held[1]
