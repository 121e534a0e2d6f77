"""All that a topic ever held, as one sequence: the archive, then the stream where that goes on.

Nothing is taken on trust: every entry must follow the one that was given before it.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from events.chain import MISSING, Fault, first_fault
from events.entries import Entry
from events.ids import END, START, Position
from events.log import Log
from events.segments import Manifest
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
