"""A segment: a run of one stream's entries, compressed, and the manifest that vouches for it.

Pure format, no I/O. Every id and value is kept byte for byte, so that what comes out is what the
stream held. Neither part checks the chain of `after` links: `chain.py` does, over all segments.
"""

import hashlib
from collections.abc import Sequence
from typing import NoReturn

import msgspec
import zstandard

from events.entries import AFTER, Entry
from events.ids import Position
from runtime.errors import HeliographError

FORMAT = 1
MAGIC = b"heliograph segment"
MAX_BYTES = 64 * 1024 * 1024
"""Of a segment once it is decompressed, and so of one before: no bytes may make a reader swell."""

# A third off level 1; above 9 nothing more is won, for what is left is random: request ids, sealed
# halves, hashes. 25 ms for 10,000 entries.
_LEVEL = 9
_HEAD = len(MAGIC) + 2


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a segment, as JSON, and is written after it."""

    format: int
    topic: str
    partition: int
    first: str
    """The position of the first entry, `<ms>-<sequence>`; `last` is that of the last."""
    last: str
    after: str
    """The position before the first: the first entry's own `after`."""
    count: int
    size_bytes: int
    """Of the segment as it is stored; so is the hash."""
    sha256: str


class SegmentBroken(HeliographError):
    """A segment or its manifest is not what it should be; it names which, and why."""

    def __init__(self, topic: str, partition: int, segment: str, reason: str) -> None:
        detail = f"Segment {segment} of {topic}.{partition} in the archive is broken: {reason}."
        super().__init__("segment-broken", detail)
        self.topic, self.partition, self.segment, self.reason = topic, partition, segment, reason


class _Body(msgspec.Struct, frozen=True, array_like=True):
    """Column by column: a quarter smaller than row by row once it is compressed.

    Sparing what can be derived (`after`, and ids as differences) wins 5 % more: not worth a rule.
    """

    topic: str
    partition: int
    ids: tuple[bytes, ...]
    shapes: tuple[tuple[bytes, ...], ...]
    """Each order of field names that occurs."""
    shape_of: tuple[int, ...]
    columns: tuple[tuple[tuple[bytes, ...], ...], ...]
    """Of each shape, of each of its fields: the values, in the order of entries."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Body).decode


def pack(topic: str, partition: int, entries: Sequence[Entry]) -> tuple[bytes, Manifest]:
    """The segment of these entries, as they are and in their order; ValueError without any."""
    if not entries:
        raise ValueError("a segment holds one entry at least")
    shapes: dict[tuple[bytes, ...], int] = {}
    shape_of = []
    columns: list[list[list[bytes]]] = []
    for _, fields in entries:
        number = shapes.setdefault(tuple(fields), len(shapes))
        if number == len(columns):
            columns.append([[] for _ in fields])
        shape_of.append(number)
        for column, value in zip(columns[number], fields.values(), strict=True):
            column.append(value)
    body = _Body(
        topic=topic,
        partition=partition,
        ids=tuple(entry_id for entry_id, _ in entries),
        shapes=tuple(shapes),
        shape_of=tuple(shape_of),
        columns=tuple(tuple(map(tuple, each)) for each in columns),
    )
    plain = _encode(body)
    if len(plain) > MAX_BYTES:
        raise ValueError(f"{len(plain)} bytes are more than a segment may hold")
    # With a checksum of its own: a segment without a manifest has only that.
    compressed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(plain)
    data = MAGIC + FORMAT.to_bytes(2) + compressed
    return data, _manifest(topic, partition, entries, data)


def unpack(data: bytes, manifest: Manifest) -> list[Entry]:
    """The entries of a segment, which must be what its manifest says; `SegmentBroken`."""

    def refuse(reason: str) -> NoReturn:
        raise SegmentBroken(manifest.topic, manifest.partition, manifest.first, reason)

    if manifest.format != FORMAT:
        refuse(_unknown_format("its manifest", manifest.format))
    if len(data) != manifest.size_bytes:
        refuse(f"{len(data)} bytes are stored, its manifest says {manifest.size_bytes}")
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        refuse("its bytes have another hash than its manifest says")
    entries = _entries(data, manifest.topic, manifest.partition, manifest.first)
    found = _manifest(manifest.topic, manifest.partition, entries, data)
    for name in ("count", "first", "last", "after"):
        is_said, is_so = getattr(manifest, name), getattr(found, name)
        if is_said != is_so:
            refuse(f"its manifest says {name} {is_said}, the segment holds {is_so}")
    return entries


def describe(data: bytes, topic: str, partition: int, segment: str) -> Manifest:
    """The manifest of a segment that has none, from its own bytes; `SegmentBroken`."""
    return _manifest(topic, partition, _entries(data, topic, partition, segment), data)


def read_manifest(data: bytes, topic: str, partition: int, segment: str) -> Manifest:
    """The manifest that is stored under this segment's name; `SegmentBroken` if it is another's."""

    def refuse(reason: str) -> NoReturn:
        raise SegmentBroken(topic, partition, segment, reason)

    try:
        version = msgspec.json.decode(data, type=_Version).format
        if version != FORMAT:
            refuse(_unknown_format("its manifest", version))
        manifest = msgspec.json.decode(data, type=Manifest)
        Position.parse(manifest.first), Position.parse(manifest.last)
    except ValueError as error:
        refuse(f"its manifest cannot be read ({error})")
    named = (manifest.topic, manifest.partition, manifest.first)
    if named != (topic, partition, segment):
        refuse(f"its manifest is that of {named[2]} of {named[0]}.{named[1]}")
    return manifest


class _Version(msgspec.Struct, frozen=True):
    format: int


def _entries(data: bytes, topic: str, partition: int, segment: str) -> list[Entry]:
    """What the bytes hold, whatever a manifest may say of them."""

    def refuse(reason: str) -> NoReturn:
        raise SegmentBroken(topic, partition, segment, reason)

    if not data.startswith(MAGIC) or len(data) < _HEAD:
        refuse("it does not begin as segments do")
    version = int.from_bytes(data[len(MAGIC) : _HEAD])
    if version != FORMAT:
        refuse(_unknown_format("it", version))
    try:
        body = _decode(_decompressed(data[_HEAD:]))
        entries = _rows(body)
        for entry_id in body.ids:
            Position.parse(entry_id)
    except (zstandard.ZstdError, ValueError, IndexError) as error:
        refuse(f"its bytes cannot be read ({error})")
    if (body.topic, body.partition) != (topic, partition):
        refuse(f"it is one of {body.topic}.{body.partition}")
    if not entries:
        refuse("it is empty")
    return entries


def _decompressed(data: bytes) -> bytes:
    if not 0 <= zstandard.frame_content_size(data) <= MAX_BYTES:
        raise ValueError("it says to be larger than a segment is")
    return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)


def _rows(body: _Body) -> list[Entry]:
    values = [list(zip(*columns, strict=True)) for columns in body.columns]
    if sum(map(len, values)) != len(body.ids):
        raise ValueError("its columns are not of one length")
    following = list(map(iter, values))
    entries = []
    for entry_id, number in zip(body.ids, body.shape_of, strict=True):
        row = next(following[number], None)
        if row is None:
            raise ValueError("its columns are not of one length")
        entries.append((entry_id, dict(zip(body.shapes[number], row, strict=True))))
    return entries


def _manifest(topic: str, partition: int, entries: Sequence[Entry], data: bytes) -> Manifest:
    return Manifest(
        format=FORMAT,
        topic=topic,
        partition=partition,
        first=entries[0][0].decode(),
        last=entries[-1][0].decode(),
        after=entries[0][1].get(AFTER, b"0-0").decode(errors="replace"),
        count=len(entries),
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _unknown_format(what: str, version: int) -> str:
    return f"{what} is of format {version}, this program reads {FORMAT}"
