"""Reads history into a model, and later what came after: every topic, partition by partition."""

from collections.abc import AsyncIterator
from typing import Any

from redis.exceptions import ResponseError

from events.catalogue import ARCHIVED
from events.entries import Unreadable, open_entries
from events.envelope import Delivery
from events.history import History
from events.ids import START, Address, Position
from events.log import Log, stream_key
from events.model import Model

READ = tuple(sorted(ARCHIVED))


class Reading:
    """A model, and how far it has read."""

    def __init__(self, log: Log, history: History, model: Model) -> None:
        self.log, self.history, self.model = log, history, model
        self.heads = {
            (topic, partition): START for topic in READ for partition in range(log.partitions)
        }
        self.unreadable: list[tuple[Address, Unreadable]] = []
        """No role can apply these either: they are dead letters, or wait for a newer worker."""

    async def go_on(self) -> AsyncIterator[int]:
        """Read all that there is by now; tells after each page how many events it was in all."""
        for (topic, partition), after in list(self.heads.items()):
            async for entries in self.history.pages(topic, partition, after=after):
                opened = await open_entries(self.log, topic, partition, entries)
                self.model.fold(each for each in opened if isinstance(each, Delivery))
                for each in opened:
                    if isinstance(each, Unreadable):
                        at = Address(topic, partition, each.position)
                        self.unreadable.append((at, each))
                self.heads[topic, partition] = Position.parse(entries[-1][0])
                yield self.model.folded

    async def total(self) -> int:
        """About how many there are: all that were ever added to the streams."""
        counted = 0
        for topic, partition in self.heads:
            counted += int((await stream_of(self.log, topic, partition)).get("entries-added", 0))
        return counted


async def stream_of(log: Log, topic: str, partition: int) -> dict[str, Any]:
    """What the server says of a stream; nothing when there is none."""
    try:
        return dict(await log.client.xinfo_stream(stream_key(topic, partition)))
    except ResponseError as error:
        if "no such key" not in str(error):
            raise
        return {}
