"""Single events and what came after them, wherever they stand by now: stream or archive."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from events.catalogue import TOPICS
from events.entries import Entry
from events.history import Segments
from events.ids import END, START, Address, Position
from events.log import Log, stream_key
from events.segments import Manifest
from events.work import FanoutChunk

PAGE = 1_000
ARCHIVED = TOPICS - {FanoutChunk.TOPIC}
SEQUENCES_BELOW = 2**63 - 1


class Found(NamedTuple):
    """An entry, and whether only the archive still has it."""

    address: Address
    entry: Entry
    archived: bool


class Past:
    """Over a log and its archive. Follows no chain: `history.py` is for whoever must be sure."""

    def __init__(self, log: Log, archive: Segments) -> None:
        self.log = log
        self._archive = archive

    async def at(self, address: Address) -> Found | None:
        """The entry that was recorded there."""
        topic, partition, position = address
        if topic not in TOPICS or not 0 <= partition < self.log.partitions:
            return None
        before = position_before(position)
        if page := await self.log.page(topic, partition, before, position, 1):
            return Found(address, page[0], archived=False)
        if manifest := await self.segment_of(address):
            for entry in await self._archive.entries(manifest):
                if Position.parse(entry[0]) == position:
                    return Found(address, entry, archived=True)
        return None

    async def segment_of(self, address: Address) -> Manifest | None:
        """The segment of the archive that reaches over this place."""
        topic, partition, position = address
        if topic not in ARCHIVED:
            return None
        async for manifest in self._archive.manifests(topic, partition, position_before(position)):
            return manifest if Position.parse(manifest.first) <= position else None
        return None

    async def since(
        self, topic: str, partition: int, after: Position
    ) -> AsyncIterator[list[Entry]]:
        """What stands after a position, in runs; of what was trimmed, the archive's."""
        last = after
        first = await self.first(topic, partition)
        if topic in ARCHIVED and (first is None or position_before(first) > after):
            async for manifest in self._archive.manifests(topic, partition, after):
                if first and Position.parse(manifest.first) >= first:
                    break
                entries = await self._archive.entries(manifest)
                if run := [each for each in entries if Position.parse(each[0]) > last]:
                    last = Position.parse(run[-1][0])
                    yield run
        while page := await self.log.page(topic, partition, last, END, PAGE):
            last = Position.parse(page[-1][0])
            yield page

    async def first(self, topic: str, partition: int) -> Position | None:
        """Where the stream begins by now; None while it is empty."""
        page = await self.log.page(topic, partition, START, END, 1)
        return Position.parse(page[0][0]) if page else None

    async def last(self, topic: str, partition: int) -> Position | None:
        stream = stream_key(topic, partition)
        entries = await self.log.ask(lambda: self.log.client.xrevrange(stream, "+", "-", 1))
        return Position.parse(entries[0][0]) if entries else None


def position_before(position: Position) -> Position:
    """The highest position below one."""
    ms, sequence = position
    if sequence:
        return Position(ms, sequence - 1)
    return Position(ms - 1, SEQUENCES_BELOW) if ms else START
