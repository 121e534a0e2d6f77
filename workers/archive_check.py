"""Goes through a topic as an auditor would: every segment, every link, on into the stream's head.

Nothing stops it: whatever is wrong is told, and it goes on behind that.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from events.chain import MISSING, faults_in, link_of
from events.entries import Entry
from events.history import head_of
from events.ids import END, START, Position, position_before
from events.segments import SegmentBroken
from events.trimming import archived
from stores.archive import MANIFEST, SEGMENT, padded, position_in
from workers.site import Library

PAGE = 1_000
BROKEN, LOST, UNLIKE = "broken", "lost", "unlike"


class Fault(NamedTuple):
    """Something that is not as it was.

    Of the chain: missing, forked, swapped. broken: a segment or its manifest. lost: the log or the
    archive ends before the other says. unlike: the stream holds something else than the archive.
    """

    topic: str
    partition: int
    position: str
    kind: str
    detail: str


@dataclass(slots=True)
class Audit:
    """How far one topic's partition is looked through, and what was found; `run` it."""

    library: Library
    topic: str
    partition: int
    segments: int = 0
    of_segments: int = 0
    entries: int = 0
    size_bytes: int = 0
    live: int = 0
    faults: int = 0
    last: Position = START
    exact: bool = True
    """Whether what comes next must follow the last: not behind what nothing is known of."""

    async def run(self) -> AsyncIterator[Fault | None]:
        """Every fault, as it is found; None now and then, between them."""
        # Both before the rest: what they name was there, and must be found.
        head = await head_of(self.library.log, self.topic, self.partition)
        recorded = await archived(self.library.log, self.topic, self.partition)
        async for fault in self._archive():
            yield fault
        end = self.last
        if recorded and recorded > end:
            yield self._fault(
                recorded, LOST, f"the log says it is archived, the archive ends at {end}"
            )
        async for fault in self._stream():
            yield fault
        if head > self.last:
            yield self._fault(head, MISSING, "it was the last that was appended")
        if end > head:
            yield self._fault(end, LOST, f"it is archived, and the log's head stands at {head}")

    async def _archive(self) -> AsyncIterator[Fault | None]:
        stored = await self.library.archive.stored(self.topic, self.partition)
        manifests = [n for n, parts in stored.items() if MANIFEST in parts and is_name(n)]
        self.of_segments = len(manifests)
        for name, parts in stored.items():
            for part in parts if not is_name(name) else parts - {SEGMENT, MANIFEST}:
                yield self._fault(name + part, BROKEN, "nothing of the archive has such a name")
            if not is_name(name):
                continue
            if MANIFEST in parts:
                async for fault in self._segment(position_in(name)):
                    yield fault
            elif name < max(manifests, default=""):
                yield self._fault(position_in(name), BROKEN, "its manifest is missing")

    async def _segment(self, segment: Position) -> AsyncIterator[Fault | None]:
        self.segments += 1
        archive, manifest = self.library.archive, None
        try:
            manifest = await archive.manifest(self.topic, self.partition, segment)
            entries = await archive.entries(manifest)
        except SegmentBroken as error:
            # As far as its manifest says it goes, so that a gap behind it is found as well.
            end = Position.parse(manifest.last) if manifest else segment
            self.last, self.exact = max(self.last, end), manifest is not None
            yield self._fault(segment, BROKEN, error.reason)
            return
        self.entries += manifest.count
        self.size_bytes += manifest.size_bytes
        for fault in self._links(entries):
            yield fault
        async for fault in self._compare(entries):
            yield fault
        yield None

    async def _compare(self, entries: list[Entry]) -> AsyncIterator[Fault]:
        """What the stream still holds of a segment is the same."""
        known = dict(entries)
        positions = sorted(map(Position.parse, known))
        after, last = position_before(positions[0]), positions[-1]
        while page := await self.library.log.page(self.topic, self.partition, after, last, PAGE):
            for entry_id, fields in page:
                if known.get(entry_id) != fields:
                    detail = "the stream holds something else there than the archive"
                    yield self._fault(entry_id.decode(), UNLIKE, detail)
            after = Position.parse(page[-1][0])

    async def _stream(self) -> AsyncIterator[Fault | None]:
        while page := await self.library.log.page(self.topic, self.partition, self.last, END, PAGE):
            self.live += len(page)
            for fault in self._links(page):
                yield fault
            yield None

    def _links(self, entries: list[Entry]) -> Iterator[Fault]:
        before = self.last if self.exact else link_of(entries[0][1]) or self.last
        for fault in faults_in(entries, before):
            yield self._fault(fault.position, fault.kind, fault.detail)
        self.last = max(self.last, *(Position.parse(entry_id) for entry_id, _ in entries))
        self.exact = True

    def _fault(self, position: object, kind: str, detail: str) -> Fault:
        self.faults += 1
        return Fault(self.topic, self.partition, str(position), kind, detail)


def is_name(name: str) -> bool:
    """Whether something of the archive may be stored under this name."""
    try:
        return padded(position_in(name)) == name
    except ValueError:
        return False
