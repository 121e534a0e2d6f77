"""Segments and their manifests in object storage: put once, never changed, never removed.

Keys are `archive/<topic>/<partition>/<first position>.segment` and `.manifest`; positions are
padded, so that a listing is in the order of the log. The manifest is put last: without one a
segment does not count yet.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import msgspec

from events.entries import Entry
from events.ids import END, START, Position
from events.segments import (
    MAX_BYTES,
    Manifest,
    SegmentBroken,
    describe,
    pack,
    read_manifest,
    unpack,
)
from runtime.errors import NotFound
from stores.objects import Objects

ROOT = "archive/"
SEGMENT, MANIFEST = ".segment", ".manifest"

_AHEAD = 16  # manifests that are fetched at once, a few milliseconds each
_LOOK_BACK_MS = 60_000
_WIDER = 16  # 1 min, 16 min, 4 h, 3 days, 6 weeks, 2 years


class Archive:
    """What the log was, for ever; over object storage that its owner opens and closes.

    Whatever is not as it was put is `SegmentBroken`; storage that is away is `Unavailable`.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def manifests(
        self, topic: str, partition: int, after: Position = START
    ) -> AsyncIterator[Manifest]:
        """Of every segment that holds something after the position, in order."""
        begin = await self._segment_at(topic, partition, after) if after > START else None
        ahead = [begin] if begin else []
        async for each in self._segments(topic, partition, begin):
            ahead.append(each)
            if len(ahead) == _AHEAD:
                for manifest in await self._read(topic, partition, ahead):
                    if Position.parse(manifest.last) > after:
                        yield manifest
                ahead = []
        for manifest in await self._read(topic, partition, ahead):
            if Position.parse(manifest.last) > after:
                yield manifest

    async def last(self, topic: str, partition: int) -> Manifest | None:
        """The manifest of the newest segment, without a look at all that came before it."""
        now = Position(time.time_ns() // 1_000_000, 0)
        newest = await self._segment_at(topic, partition, now)
        async for each in self._segments(topic, partition, newest):
            newest = each
        return await self.manifest(topic, partition, newest) if newest else None

    async def entries(self, manifest: Manifest) -> list[Entry]:
        """What the segment holds, which is all that its manifest says."""
        topic, partition = manifest.topic, manifest.partition
        data = await self._bytes(topic, partition, Position.parse(manifest.first))
        return await asyncio.to_thread(unpack, data, manifest)

    async def manifest(self, topic: str, partition: int, segment: Position) -> Manifest:
        """That of the segment which begins there."""
        try:
            data = await self._objects.read(manifest_key(topic, partition, segment))
        except NotFound:
            reason = "its manifest is not there any more"
            raise SegmentBroken(topic, partition, str(segment), reason) from None
        return read_manifest(data, topic, partition, str(segment))

    async def stored(self, topic: str, partition: int) -> dict[str, set[str]]:
        """What is stored, whether it fits together or not: each name, and what is there of it."""
        found: dict[str, set[str]] = {}
        async for each in self._objects.list(folder_of(topic, partition)):
            name, dot, ending = each.key.rpartition("/")[2].rpartition(".")
            found.setdefault(name or ending, set()).add(dot + ending)
        return found

    async def add(self, topic: str, partition: int, entries: Sequence[Entry]) -> Manifest:
        """Store these entries as the next segment, unless one that begins so stands there.

        Another owner was faster then, or died before it had put the manifest: that segment stays,
        it gets its manifest, and this is answered. It may reach less far than these entries.
        """
        data, manifest = await asyncio.to_thread(pack, topic, partition, entries)
        first = Position.parse(manifest.first)
        key = segment_key(topic, partition, first)
        if not await self._objects.put_if_absent(key, data, "application/octet-stream"):
            manifest = await self.adopt(topic, partition, first, after=manifest.after)
        await self._put(manifest)
        return manifest

    async def adopt(
        self, topic: str, partition: int, first: Position, *, after: str | None = None
    ) -> Manifest:
        """The manifest of a segment that stands without one, from its own bytes; not put yet."""
        data = await self._bytes(topic, partition, first)
        found = await asyncio.to_thread(describe, data, topic, partition, str(first))
        for name, is_due in (("first", str(first)), ("after", after or found.after)):
            if (is_so := getattr(found, name)) != is_due:
                reason = f"its {name} is {is_so}, not {is_due}"
                raise SegmentBroken(topic, partition, str(first), reason)
        return found

    async def _put(self, manifest: Manifest) -> None:
        key = manifest_key(manifest.topic, manifest.partition, Position.parse(manifest.first))
        await self._objects.put_if_absent(key, msgspec.json.encode(manifest), "application/json")

    async def _segments(
        self, topic: str, partition: int, after: Position | None
    ) -> AsyncIterator[Position]:
        """The first position of every segment that has a manifest and comes after another."""
        folder = folder_of(topic, partition)
        start = manifest_key(topic, partition, after) if after else ""
        async for each in self._objects.list(folder, after=start):
            if each.key.endswith(MANIFEST):
                yield position_in(each.key)

    async def _segment_at(self, topic: str, partition: int, at: Position) -> Position | None:
        """The last segment that begins at or before a position; None without one.

        Storage lists forwards only: the look back goes further each time that it finds none.
        """
        back_ms = _LOOK_BACK_MS
        while True:
            low = Position(max(at.ms - back_ms, 0), 0)
            start = f"{folder_of(topic, partition)}{padded(low)}"
            found = None
            async for each in self._objects.list(folder_of(topic, partition), after=start):
                if (position := position_in(each.key)) > at:
                    break
                found = position if each.key.endswith(MANIFEST) else found
            if found or low == START:
                return found
            back_ms *= _WIDER

    async def _read(
        self, topic: str, partition: int, segments: Sequence[Position]
    ) -> list[Manifest]:
        return await asyncio.gather(*(self.manifest(topic, partition, each) for each in segments))

    async def _bytes(self, topic: str, partition: int, segment: Position) -> bytes:
        try:
            async with self._objects.open(segment_key(topic, partition, segment)) as reading:
                if reading.size_bytes > MAX_BYTES:
                    reason = f"{reading.size_bytes} bytes are stored, more than any segment has"
                    raise SegmentBroken(topic, partition, str(segment), reason)
                return b"".join([piece async for piece in reading.pieces])
        except NotFound:
            raise SegmentBroken(topic, partition, str(segment), "it is missing") from None


def segment_key(topic: str, partition: int, first: Position) -> str:
    return f"{folder_of(topic, partition)}{padded(first)}{SEGMENT}"


def manifest_key(topic: str, partition: int, first: Position) -> str:
    return f"{folder_of(topic, partition)}{padded(first)}{MANIFEST}"


def folder_of(topic: str, partition: int) -> str:
    return f"{ROOT}{topic}/{partition}/"


def padded(position: Position) -> str:
    """A position whose order as text is that of the log, as wide as the widest there may be."""
    wide = len(str(END.ms))
    return f"{position.ms:0{wide}}-{position.sequence:0{wide}}"


def position_in(key: str) -> Position:
    """The position that a key of the archive names."""
    return Position.parse(key.rpartition("/")[2].partition(".")[0])
