"""Which part of history a replay is to give, and to which roles' streams."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from events import codec
from events.catalogue import tag_of
from events.delivering import Handler
from events.entries import TYPE, Entry, actor_of
from events.envelope import Event
from events.history import head_of
from events.ids import SEQUENCES, START, Position
from events.log import Log

Roles = Mapping[str, Mapping[type[Event], Handler]]
"""In the order of their barriers; what each does with its events, in the order within a batch."""


class Stream(NamedTuple):
    """One topic's partition, as one role reads it."""

    role: str
    topic: str
    partition: int


class Wanted(NamedTuple):
    """Filters, all of which must hold; the empty one wants everything."""

    from_ms: int = 0
    until_ms: int | None = None
    """Excluded itself."""
    tags: frozenset[str] = frozenset()
    """All when there is none."""
    account: int | None = None
    """The actor of what is wanted."""

    @property
    def after(self) -> Position:
        """The last position that comes too early."""
        return Position(self.from_ms - 1, SEQUENCES) if self.from_ms else START

    def end(self, head: Position) -> Position:
        """The last position that is wanted, of a topic with this head."""
        return min(head, Position(self.until_ms - 1, SEQUENCES)) if self.until_ms else head

    def admits(self, entry: Entry) -> bool:
        """By type and actor. What cannot be read is admitted, so that it is told."""
        if self.tags and entry[1].get(TYPE, b"").decode(errors="replace") not in self.tags:
            return False
        if self.account is None:
            return True
        try:
            return actor_of(*entry) == self.account
        except (codec.Undecodable, ValueError):
            return True

    def __str__(self) -> str:
        """What tells one replay from another that may not go on from its checkpoint."""
        tags = ",".join(sorted(self.tags))
        return f"from={self.from_ms} types={tags} account={self.account or ''}"


EVERYTHING = Wanted()


def streams_of(roles: Roles, partitions: int) -> list[Stream]:
    return [
        Stream(role, topic, partition)
        for role, handlers in roles.items()
        for topic in sorted({kind.TOPIC for kind in handlers})
        for partition in range(partitions)
    ]


def tags_of(handlers: Mapping[type[Event], Any]) -> frozenset[bytes]:
    return frozenset(tag_of(kind).encode() for kind in handlers)


async def heads_of(log: Log, streams: Iterable[Stream]) -> dict[Stream, Position]:
    """How far each stream goes now.

    The last role is asked first: whatever its events depend on was appended before them, and so
    lies within what earlier roles are given.
    """
    found = {}
    for stream in reversed(list(streams)):
        found[stream] = await head_of(log, stream.topic, stream.partition)
    return found
