"""Single events and what came after them, wherever they stand by now: stream or archive."""

from collections.abc import AsyncIterator
from typing import NamedTuple

from events.catalogue import ARCHIVED, TOPICS
from events.chain import link_of
from events.entries import Entry
from events.history import Segments, head_of
from events.ids import END, START, Address, Position, position_before
from events.log import Log, stream_key
from events.segments import Manifest

PAGE = 1_000


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
        """What stands after a position, in runs; of what was trimmed, what the archive has.

        A trim may leave single entries standing, so the stream has gaps before it begins.
        """
        last, sought = after, topic not in ARCHIVED
        while True:
            page = await self.log.page(topic, partition, last, END, PAGE)
            if run := page if topic not in ARCHIVED else unbroken(page, END if sought else last):
                yield run
                last, sought = Position.parse(run[-1][0]), topic not in ARCHIVED
            elif not sought and (page or await head_of(self.log, topic, partition) > last):
                sought = True
                until = Position.parse(page[0][0]) if page else END
                async for run in self._archived(topic, partition, last, until):
                    yield run
                    last = Position.parse(run[-1][0])
            else:
                return

    async def _archived(
        self, topic: str, partition: int, after: Position, until: Position
    ) -> AsyncIterator[list[Entry]]:
        """What the archive has between two positions."""
        async for manifest in self._archive.manifests(topic, partition, after):
            if Position.parse(manifest.first) >= until:
                return
            entries = await self._archive.entries(manifest)
            if run := [each for each in entries if after < Position.parse(each[0]) < until]:
                yield run

    async def first(self, topic: str, partition: int) -> Position | None:
        """Where the stream begins by now; None while it is empty."""
        page = await self.log.page(topic, partition, START, END, 1)
        return Position.parse(page[0][0]) if page else None

    async def last(self, topic: str, partition: int) -> Position | None:
        stream = stream_key(topic, partition)
        entries = await self.log.ask(lambda: self.log.client.xrevrange(stream, "+", "-", 1))
        return Position.parse(entries[0][0]) if entries else None


def unbroken(page: list[Entry], last: Position) -> list[Entry]:
    """The beginning of a page that follows `last`, or something before it, without a gap."""
    for number, (entry_id, fields) in enumerate(page):
        link = link_of(fields)
        if link and link > last:
            return page[:number]
        last = Position.parse(entry_id)
    return page
