"""One partition's topics go into the archive: segment by segment, each behind the last.

Everything may be done by two at once, and by one that was frozen meanwhile: segments are put only
if absent, and who finds one goes on behind it.
"""

import os
import time
from dataclasses import dataclass

from events.catalogue import ARCHIVED
from events.chain import MISSING, Fault, first_fault
from events.entries import Entry
from events.history import head_of
from events.ids import END, START, Position
from events.segments import SegmentBroken
from events.trimming import archived, archived_key, record_archived
from runtime import metrics
from runtime.loglines import log as log_line
from workers.site import Library

SEAL_SECONDS = 30.0
"""How old an entry may become before it is archived, and so what a lost log costs. With half of it
there were twice as many objects, for ever, and tiny ones while a site is quiet."""
SEGMENT_BYTES = 4 * 1024 * 1024  # before compression; what a reader has in memory at once
PAGE = 500


@dataclass(slots=True)
class Shelf:
    """A topic's archive, as far as we know it."""

    last: Position | None = None
    """The last archived position; None before we have looked."""
    waits_since: float = 0.0
    """When the oldest entry was appended that is not archived, in Unix seconds; 0 without one."""
    stopped: str = ""
    """Why it does not go on; nothing of it is trimmed then."""


class Keeper:
    """Archives one partition while its lease is ours. `step` until it says that all is archived."""

    def __init__(
        self,
        library: Library,
        partition: int,
        *,
        lease_seconds: float,
        seal_seconds: float | None = None,
    ) -> None:
        self.library, self.partition = library, partition
        self.shelves: dict[str, Shelf] = {}
        self._forget()
        self._lease_seconds = lease_seconds
        self._seal_seconds = SEAL_SECONDS if seal_seconds is None else seal_seconds
        self._token = os.urandom(8).hex()
        self._renew_at = 0.0

    async def owns(self) -> bool:
        """Whether the partition is ours, for a lease from now on."""
        now, client, key = time.monotonic(), self.library.log.client, owner_key(self.partition)
        if now < self._renew_at:
            return True
        self._renew_at = 0.0
        lease_ms = int(self._lease_seconds * 1000)
        if await client.set(key, self._token, nx=True, px=lease_ms):
            self._forget()  # another may have had it meanwhile
        elif await client.get(key) != self._token.encode() or not await client.pexpire(
            key, lease_ms
        ):
            self._forget()
            return False
        self._renew_at = now + self._lease_seconds / 3
        return True

    async def leave(self) -> None:
        """Let another begin at once."""
        client, key = self.library.log.client, owner_key(self.partition)
        if await client.get(key) == self._token.encode():
            await client.delete(key)
        self._renew_at = 0.0

    async def step(self) -> bool:
        """Archive at most one segment of each topic; whether there is more to do at once."""
        more = False
        for topic in self.shelves:
            if not await self.owns():
                return False
            try:
                more |= await self._advance(topic, self.shelves[topic])
            except SegmentBroken as error:
                self._stop(topic, self.shelves[topic], error.detail)
        return more

    async def _advance(self, topic: str, shelf: Shelf) -> bool:
        log = self.library.log
        if shelf.last is None:
            shelf.last = await self._end_of(topic)
        oldest = await log.page(topic, self.partition, shelf.last, END, 1)
        shelf.waits_since = Position.parse(oldest[0][0]).ms / 1000 if oldest else 0.0
        if not oldest and (head := await head_of(log, topic, self.partition)) > shelf.last:
            oldest = await log.page(topic, self.partition, shelf.last, END, 1)  # appended since?
            if not oldest:
                gone = Fault(head, MISSING, "it was the last that was appended")
                self._stop(topic, shelf, told(gone))
                return False
        if not oldest:
            shelf.stopped = ""
            return False
        if time.time() - shelf.waits_since < self._seal_seconds:
            return False
        entries, more = await self._run(topic, shelf.last)
        if fault := first_fault(entries, shelf.last, exact=True):
            self._stop(topic, shelf, told(fault))
            entries = [each for each in entries if Position.parse(each[0]) < fault.position]
        else:
            shelf.stopped = ""
        if entries:
            await self._archive(topic, shelf, entries)
        return more and not shelf.stopped

    async def _end_of(self, topic: str) -> Position:
        """Where the archive ends: by its manifests, whatever the log says of it."""
        log, partition = self.library.log, self.partition
        newest = await self.library.archive.last(topic, partition)
        end = Position.parse(newest.last) if newest else START
        recorded = await archived(log, topic, partition)
        if recorded and recorded > end:
            log_line().error(
                "archive.lost",
                topic=topic,
                partition=partition,
                recorded=str(recorded),
                found=str(end),
            )
            await log.client.hdel(archived_key(partition), topic)
        if newest:
            await record_archived(log, topic, partition, end)
        return end

    async def _run(self, topic: str, last: Position) -> tuple[list[Entry], bool]:
        """What comes next, as much as a segment holds; whether more does."""
        entries: list[Entry] = []
        size_bytes = 0
        while True:
            page = await self.library.log.page(topic, self.partition, last, END, PAGE)
            for entry_id, fields in page:
                entries.append((entry_id, fields))
                size_bytes += sum(map(len, fields)) + sum(map(len, fields.values()))
                if size_bytes >= SEGMENT_BYTES:
                    return entries, True
            if len(page) < PAGE:
                return entries, False
            last = Position.parse(page[-1][0])

    async def _archive(self, topic: str, shelf: Shelf, entries: list[Entry]) -> None:
        manifest = await self.library.archive.add(topic, self.partition, entries)
        shelf.last = Position.parse(manifest.last)
        await record_archived(self.library.log, topic, self.partition, shelf.last)
        metrics.archive_segments.labels(topic).inc()
        metrics.archive_entries.labels(topic).inc(manifest.count)
        metrics.archive_bytes.labels(topic).inc(manifest.size_bytes)
        log_line().info(
            "segment.archived",
            topic=topic,
            partition=self.partition,
            first=manifest.first,
            last=manifest.last,
            count=manifest.count,
            size_bytes=manifest.size_bytes,
        )

    def _forget(self) -> None:
        self.shelves = {topic: Shelf() for topic in sorted(ARCHIVED)}

    def _stop(self, topic: str, shelf: Shelf, reason: str) -> None:
        """Never go on behind a gap: what is archived would look whole."""
        if shelf.stopped != reason:
            log_line().error(
                "archive.stopped", topic=topic, partition=self.partition, reason=reason
            )
        shelf.stopped = reason


def told(fault: Fault) -> str:
    return f"{fault.position} is {fault.kind}: {fault.detail}"


def owner_key(partition: int) -> str:
    """Whoever's token stands here archives the partition."""
    return f"archiving:{{{partition}}}"
