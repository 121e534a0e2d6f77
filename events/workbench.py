"""Deciding about dead letters: which ones, then tried again or given up, one at a time.

Each decision is one step on the log server. It may be repeated, interrupted or made twice at once.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from events.dead_letters import (
    DEAD,
    Drop,
    Letter,
    Shelf,
    Standing,
    Undelivered,
    drop,
    kinds,
    letters,
    letters_of,
    retry,
    type_of,
)
from events.ids import Address, Position, position_of, shard_of
from events.log import Log

AT_ONCE = 30  # within the connections of one process


class Wanted(NamedTuple):
    """Which letters are meant; what is left empty does not matter."""

    shelf: Shelf = DEAD
    role: str = ""
    topic: str = ""
    type: str = ""
    reason: str = ""
    """What the reason begins with."""
    since_ms: int | None = None
    """Buried then or later."""
    until_ms: int | None = None
    """Buried before."""

    def admits(self, what: Undelivered, letter: Letter) -> bool:
        return (
            self.topic in {"", what.topic}
            and self.type in {"", type_of(letter)}
            and letter.reason.startswith(self.reason)
            and (self.since_ms is None or letter.buried_ms >= self.since_ms)
            and (self.until_ms is None or letter.buried_ms < self.until_ms)
        )


class Named(NamedTuple):
    """One event as an operator names it, and the role whose delivery of it is meant, or every."""

    text: str
    role: str
    topic: str
    shard_or_partition: int
    position: Position

    @classmethod
    def parse(cls, text: str) -> "Named":
        """Read an event's id, its address, or `role:address`; ValueError for anything else."""
        role, _, rest = text.rpartition(":")
        if rest.isascii() and rest.isdigit() and not role:
            return cls(text, "", "", shard_of(int(rest)), position_of(int(rest)))
        topic, partition, position = Address.parse(rest)
        return cls(text, role, topic, partition, position)


class Decided(NamedTuple):
    """What became of one letter: a word of `dead_letters.retry` or `drop`."""

    what: Undelivered
    letter: Letter
    word: str


async def select(log: Log, wanted: Wanted) -> AsyncIterator[Standing]:
    """Every letter that is wanted, by partition, role, topic and position."""
    for partition in range(log.partitions):
        found = letters(
            log.client, partition, shelf=wanted.shelf, role=wanted.role, topic=wanted.topic
        )
        async for what, letter in found:
            if wanted.admits(what, letter):
                yield what, letter


async def find(log: Log, named: Named) -> list[tuple[Shelf, Standing]]:
    """The letters of one event, buried or dropped: one for each role that could not do it."""
    partition = named.shard_or_partition
    if not named.topic:  # an id tells the shard
        partition %= log.partitions
    return await letters_of(
        log.client,
        [
            Undelivered(role, topic, partition, named.position)
            for role, topic in await kinds(log.client, partition)
            if named.role in {"", role} and named.topic in {"", topic}
        ],
    )


async def retry_each(log: Log, chosen: AsyncIterable[Standing]) -> AsyncIterator[Decided]:
    """Give each back to its role."""

    async def decide(what: Undelivered, letter: Letter) -> Decided:
        return Decided(what, letter, await retry(log.client, what))

    async for decided in _each(chosen, decide):
        yield decided


async def drop_each(
    log: Log, chosen: AsyncIterable[Standing], note: Drop
) -> AsyncIterator[Decided]:
    """Give each up, with who decided so and why."""

    async def decide(what: Undelivered, letter: Letter) -> Decided:
        return Decided(what, letter, await drop(log.client, what, note))

    async for decided in _each(chosen, decide):
        yield decided


async def _each(
    chosen: AsyncIterable[Standing], decide: Callable[[Undelivered, Letter], Awaitable[Decided]]
) -> AsyncIterator[Decided]:
    """Some at once, for the server confirms what arrives together with one write to its disk."""
    waiting: list[Standing] = []
    async for standing in chosen:
        waiting.append(standing)
        if len(waiting) == AT_ONCE:
            for decided in await asyncio.gather(*(decide(*each) for each in waiting)):
                yield decided
            waiting.clear()
    for decided in await asyncio.gather(*(decide(*each) for each in waiting)):
        yield decided
