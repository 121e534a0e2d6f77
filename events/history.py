"""All that a topic ever held, as one sequence: the archive, then the stream where that goes on.

Nothing is taken on trust: every entry must follow the one that was given before it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from events.catalogue import ARCHIVED
from events.chain import MISSING, Fault, first_fault, link_of
from events.entries import Entry, open_entries
from events.envelope import Delivery
from events.ids import END, START, Address, Position, position_before
from events.log import Log
from events.segments import Manifest
from events.trimming import archived_key
from runtime.errors import HeliographError

PAGE = 1_000  # of a stream: about half a millisecond of the log server


class Segments(Protocol):
    """The archive, as far as a history needs it; `stores/archive.py` is one."""

    def manifests(
        self, topic: str, partition: int, after: Position = START
    ) -> AsyncIterator[Manifest]:
        """Of every segment that holds something after the position, in order."""

    async def entries(self, manifest: Manifest) -> list[Entry]:
        """What the segment holds, verified."""


class HistoryBroken(HeliographError):
    """An entry does not follow the one before it; `reason` is a kind of fault of `chain.py`."""

    def __init__(self, topic: str, partition: int, fault: Fault) -> None:
        detail = (
            f"The history of {topic}.{partition} is broken at {fault.position} "
            f"({fault.kind}): {fault.detail}."
        )
        super().__init__("history-broken", detail)
        self.topic, self.partition = topic, partition
        self.position, self.reason = fault.position, fault.kind


class History:
    """Reads topics from their first entry on, or from any position, whatever was trimmed."""

    def __init__(self, log: Log, archive: Segments) -> None:
        self._log, self._archive = log, archive
        self._looking = asyncio.Lock()
        self._segment: dict[Address, Entry] = {}
        """The one that was looked at last: whoever waits for an answer asks again."""

    async def pages(
        self,
        topic: str,
        partition: int,
        *,
        after: Position = START,
        until: Position | None = None,
    ) -> AsyncIterator[list[Entry]]:
        """Every entry after one position, up to another or to the end as it is then: in runs.

        `HistoryBroken` at the first entry that does not follow, `SegmentBroken` where a segment is
        not what it was; what was given before is right.
        """
        reading = _Reading(topic, partition, after, until or END)
        # From the beginning the archive spares the log server; whoever goes on somewhere is most
        # likely near the end, and the chain shows whether the stream still reaches back to there.
        if after == START:
            async for run in self._archived(reading):
                yield run
        asked_at = None
        while reading.last < reading.until:
            page, fault = await self._live(reading)
            if fault and reading.last == asked_at:
                raise HistoryBroken(topic, partition, fault)
            if fault:  # trimmed, perhaps since we looked; or what it is
                asked_at = reading.last
                async for run in self._archived(reading):
                    yield run
            elif wanted := reading.take(page):
                yield wanted
            else:
                return

    async def event_at(self, address: Address) -> Delivery[Any] | None:
        """One event out of the archive. One at a time, for each costs a whole segment."""
        topic, partition, position = address
        async with self._looking:
            if address not in self._segment:
                before = position_before(position)
                async for manifest in self._archive.manifests(topic, partition, before):
                    entries = await self._archive.entries(manifest)
                    self._segment = {
                        Address(topic, partition, Position.parse(entry[0])): entry
                        for entry in entries
                    }
                    break
            entry = self._segment.get(address)
        opened = await open_entries(self._log, topic, partition, [entry]) if entry else []
        return next((each for each in opened if isinstance(each, Delivery)), None)

    async def _archived(self, reading: "_Reading") -> AsyncIterator[list[Entry]]:
        """What the archive holds of what is still to be read, a segment at a time."""
        topic, partition = reading.topic, reading.partition
        async for manifest in self._archive.manifests(topic, partition, reading.last):
            entries = await self._archive.entries(manifest)
            run = [entry for entry in entries if Position.parse(entry[0]) > reading.last]
            if fault := reading.fault_in(run):
                raise HistoryBroken(topic, partition, fault)
            if wanted := reading.take(run):
                yield wanted
            if reading.last >= reading.until:
                return

    async def _live(self, reading: "_Reading") -> tuple[list[Entry], Fault | None]:
        """What comes next in the stream, and its first fault, if only that more should be there."""
        topic, partition, last = reading.topic, reading.partition, reading.last
        page = await self._log.page(topic, partition, last, END, PAGE)
        if not page and (head := await head_of(self._log, topic, partition)) > last:
            page = await self._log.page(topic, partition, last, END, PAGE)  # appended since?
            if not page:
                return [], Fault(head, MISSING, "it is the last that was appended")
        return page, reading.fault_in(page)


class _Reading:
    """How far one reading of a topic has come; all before is given."""

    def __init__(self, topic: str, partition: int, after: Position, until: Position) -> None:
        self.topic, self.partition, self.until = topic, partition, until
        self.last = after
        self._exact = after == START

    def fault_in(self, run: Sequence[Entry]) -> Fault | None:
        """The first fault, up to the entry behind the last that is wanted."""
        return first_fault(run[: len(self._wanted(run)) + 1], self.last, exact=self._exact)

    def take(self, run: Sequence[Entry]) -> list[Entry]:
        """The part of a faultless run that is wanted; it is given with this."""
        wanted = self._wanted(run)
        if len(wanted) < len(run):
            self.last = self.until
        elif run:
            self.last, self._exact = Position.parse(run[-1][0]), True
        return wanted

    def _wanted(self, run: Sequence[Entry]) -> list[Entry]:
        return [entry for entry in run if Position.parse(entry[0]) <= self.until]


async def head_of(log: Log, topic: str, partition: int) -> Position:
    """The position of the last entry that was appended to a topic, wherever that is by now."""
    head = f"head:{{{partition}}}"
    position = await log.ask(lambda: log.client.hget(head, topic))
    return Position.parse(position) if position else START


async def trimmed_until(log: Log, topic: str, partition: int) -> Position:
    """The last position whose entry has left the stream; START when none has.

    Looks through the whole stream: entries that are kept alone stand before what is trimmed.
    """
    head = await head_of(log, topic, partition)  # first: what is appended meanwhile is not gone
    last = gone = START
    while page := await log.page(topic, partition, last, END, PAGE):
        for entry_id, fields in page:
            link = link_of(fields)
            if link is not None and link > last:
                gone = link
            last = Position.parse(entry_id)
    return head if head > last else gone


async def is_trimmed(log: Log, address: Address) -> bool:
    """Whether nothing stands there though something may have: all up to there is archived."""
    topic, partition, position = address
    recorded = await log.ask(lambda: log.client.hget(archived_key(partition), topic))
    if not recorded or position > Position.parse(recorded):
        return False
    return not await log.page(topic, partition, position_before(position), position, 1)


async def ever_at(log: Log, address: Address) -> Delivery[Any] | None:
    """The event that stands there, or stood there: then it is looked up in the archive."""
    found = await log.event_at(address)
    history = log.precedents.history
    if found is None and history and address.topic in ARCHIVED and await is_trimmed(log, address):
        return await history.event_at(address)
    return found
