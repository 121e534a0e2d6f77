"""Every key of the log in one file, and back: consumer groups and what they hold included.

A partition is copied in one step, so that its names, keys, topics and letters agree. Records of
idempotency come first: one without its event would answer for something that never was.
"""

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from runtime.errors import Conflict
from runtime.functions import Client

RECORDS = b"idem:"
PASSING = (b"holds:", b"archiving:", b"rebuild:", b"site")
"""What processes say of themselves for a while, of no use to others, later; and the site's record,
which whoever restores it writes and marks."""
PAGE = 1_000
LENGTH_BYTES = 4

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[bytes, int, bytes]).decode
Copied = tuple[bytes, int, bytes]
"""Key, when it expires in Unix ms or 0, and its value as the server writes it."""


async def copy_keys(client: Client, partitions: int, path: Path) -> AsyncIterator[int]:
    """Write the copy; how many keys there are so far, now and then."""
    count = 0
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file) as writer:
        async for copies in _copies(client, partitions):
            for each in copies:
                frame = _encode(each)
                writer.write(len(frame).to_bytes(LENGTH_BYTES) + frame)
            count += len(copies)
            yield count


async def put_keys_back(client: Client, path: Path) -> AsyncIterator[int]:
    """Restore each key that has not expired; `Conflict` when one of them is there already."""
    count = 0
    for page in _pages(_read(path)):
        now_ms = time.time_ns() // 1_000_000
        async with client.pipeline(transaction=False) as pipeline:
            for key, expires_ms, value in page:
                if not expires_ms:
                    pipeline.restore(key, 0, value)
                elif expires_ms > now_ms:
                    pipeline.restore(key, expires_ms, value, absttl=True)
            replies = await pipeline.execute(raise_on_error=False)
        for reply in replies:
            if isinstance(reply, Exception):
                if "BUSYKEY" in str(reply):
                    raise Conflict("not-empty", "The log is not empty: it is somebody's.")
                raise reply
        count += len(replies)
        yield count


async def _copies(client: Client, partitions: int) -> AsyncIterator[list[Copied]]:
    later: dict[bytes, list[bytes]] = {}
    page: list[bytes] = []
    async for key in client.scan_iter(count=PAGE):
        if key.startswith(RECORDS):
            page.append(key)
            if len(page) == PAGE:
                yield await _copied(client, page)
                page = []
        elif not key.startswith(PASSING):
            later.setdefault(_tag(key), []).append(key)
    yield await _copied(client, page)
    for partition in range(partitions):
        yield await _copied(client, later.pop(b"%d" % partition, []))
    for keys in later.values():
        yield await _copied(client, keys)


async def _copied(client: Client, keys: list[bytes]) -> list[Copied]:
    """Of these keys in one step; those that are gone by then are left out."""
    if not keys:
        return []
    async with client.pipeline(transaction=True) as pipeline:
        for key in keys:
            pipeline.pexpiretime(key)
            pipeline.dump(key)
        replies: list[Any] = await pipeline.execute()
    found = zip(keys, replies[::2], replies[1::2], strict=True)
    return [(key, max(expires, 0), value) for key, expires, value in found if value is not None]


def _tag(key: bytes) -> bytes:
    """The hash tag, by which keys of a partition stay together; empty without one."""
    return key.partition(b"{")[2].partition(b"}")[0]


def _read(path: Path) -> Iterator[Copied]:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        while len(length := reader.read(LENGTH_BYTES)) == LENGTH_BYTES:
            yield _decode(reader.read(int.from_bytes(length)))


def _pages(copies: Iterable[Copied]) -> Iterator[list[Copied]]:
    page: list[Copied] = []
    for each in copies:
        page.append(each)
        if len(page) == PAGE:
            yield page
            page = []
    yield page
