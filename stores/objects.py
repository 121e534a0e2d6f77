"""Bytes: staged uploads, private originals and renditions, in any S3.

Keys are random (staging) or named for their content, so every operation may be repeated.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterable, AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, NamedTuple, Self

from botocore.exceptions import BotoCoreError, ClientError

from events.posts import StagedPhoto
from runtime.bucket import open_objects, read_objects_url
from runtime.errors import NotFound, Unavailable
from stores.answers import AlreadyThere, pieces_of, unavailable
from stores.signing import SignedBucket
from stores.staging import Spool, pieces_in, size_of

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

STAGING = "staging/"
MAX_PHOTO_BYTES = 25 * 1024 * 1024
MAX_SMALL_BYTES = 1024 * 1024
UPLOAD_MARGIN = timedelta(hours=1)  # staged is a photo before its post is recorded

_SILENT_KEPT_SECONDS = 1.0
_DELETES = 16


class Object(NamedTuple):
    """One entry of a listing."""

    key: str
    size_bytes: int
    last_modified: datetime


class Fetched(NamedTuple):
    """What was written to a file."""

    sha256: str
    size_bytes: int


class Reading(NamedTuple):
    """An object being read. `content_range` is empty when all of it is."""

    size_bytes: int
    content_range: str
    etag: str
    content_type: str
    pieces: AsyncIterator[bytes]


def staging_key() -> str:
    return f"{STAGING}{token_hex(16)}"


def original_key(sha256: str) -> str:
    """The uploaded bytes, metadata and all: never served."""
    return f"originals/{sha256}"


def rendition_key(sha256: str, recipe: str, width: int, extension: str) -> str:
    return f"photos/{sha256}/{recipe}/{width}.{extension}"


def manifest_key(sha256: str, recipe: str) -> str:
    """Says that the original and all renditions are stored: written last, to be deleted first."""
    return f"photos/{sha256}/{recipe}/manifest"


class Objects:
    """The bucket behind `http://key:secret@host:port/bucket`; one of these a process.

    Every operation raises `Unavailable("objects-unavailable")` when storage is down: at once when
    it refuses, within 2 s when it is silent. An upload that it is only slow to take has 20 s, and
    half a second a MiB. Uploads take turns; those that wait for one when storage falls silent are
    told together with those they wait for.
    """

    def __init__(self, url: str, *, spool: Path | None = None, connections: int = 128) -> None:
        self._url = url
        self._name = read_objects_url(url).name
        self._spool = spool
        self._bucket = SignedBucket(read_objects_url(url), connections)
        self._exits = AsyncExitStack()
        self._full: S3Client | None = None
        self._opening = asyncio.Lock()
        self._silent_at = float("-inf")

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(self._bucket)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def alive(self) -> bool:
        """Whether storage answers; never takes over 1.5 s, and no time soon after it did not."""
        if time.monotonic() - self._silent_at < _SILENT_KEPT_SECONDS:
            return False
        alive = await self._bucket.answers()
        if not alive:
            self._silent_at = time.monotonic()
        return alive

    async def stage(self, chunks: AsyncIterable[bytes]) -> StagedPhoto:
        """Keep an upload until it is rendered, in constant memory; `TooLarge` above 25 MiB."""
        with Spool(self._spool) as spool:
            await spool.fill(chunks, max_bytes=MAX_PHOTO_BYTES)
            key = staging_key()
            await self._bucket.put(key, {}, spool.pieces, spool.size_bytes)
            return StagedPhoto(key=key, sha256=spool.sha256, size_bytes=spool.size_bytes)

    async def put_if_absent(self, key: str, source: Path | bytes, content_type: str) -> bool:
        """Store it unless something stands there already; whether it was stored now."""
        headers = {"If-None-Match": "*", "Content-Type": content_type}
        try:
            await self._bucket.put(key, headers, partial(pieces_in, source), size_of(source))
        except AlreadyThere:
            return False
        return True

    async def fetch_to(self, key: str, path: Path) -> Fetched:
        """Write the object to a file, hashed on the way; `NotFound` when there is none."""
        size_bytes, digest = 0, hashlib.sha256()
        with path.open("wb", buffering=0) as file:
            async with self.open(key) as reading:
                async for piece in reading.pieces:
                    digest.update(piece)
                    size_bytes += file.write(piece)
        return Fetched(digest.hexdigest(), size_bytes)

    async def read(self, key: str) -> bytes:
        """All of a small object; `NotFound` when there is none."""
        async with self.open(key) as reading:
            if reading.size_bytes > MAX_SMALL_BYTES:
                raise ValueError(f"{key} is {reading.size_bytes} bytes: no small object")
            return b"".join([piece async for piece in reading.pieces])

    async def exists(self, key: str) -> bool:
        try:
            async with self._bucket.sent("HEAD", key):
                return True
        except NotFound:
            return False

    @asynccontextmanager
    async def open(self, key: str, byte_range: str = "") -> AsyncIterator[Reading]:
        """Read an object, or the part that an HTTP Range value names; `NotFound`, or `Invalid`."""
        headers = {"Range": byte_range} if byte_range else {}
        async with self._bucket.sent("GET", key, headers) as response:
            yield Reading(
                size_bytes=int(response.headers["Content-Length"]),
                content_range=response.headers.get("Content-Range", ""),
                etag=response.headers.get("ETag", ""),
                content_type=response.headers.get("Content-Type", "application/octet-stream"),
                pieces=pieces_of(response),
            )

    async def delete(self, keys: Collection[str], *, by: float | None = None) -> None:
        """Remove them; one that is not there is as good as removed.

        Whatever may happen, none is removed more than a few minutes after `by` (Unix seconds).
        """
        turns = asyncio.Semaphore(_DELETES)

        async def delete_one(key: str) -> None:
            with suppress(NotFound):
                async with turns, self._bucket.sent("DELETE", key, by=by):
                    pass

        await asyncio.gather(*map(delete_one, keys))

    async def discard(self, keys: Collection[str]) -> None:
        """Remove staged bytes if storage lets us: what stays is swept later."""
        with suppress(Unavailable):
            await self.delete(keys)

    async def list(self, prefix: str, *, after: str = "") -> AsyncIterator[Object]:
        """Everything whose key starts so and comes after that one, in the order of keys."""
        client = await self._full_client()
        paginator = client.get_paginator("list_objects_v2")
        try:
            pages = paginator.paginate(Bucket=self._name, Prefix=prefix, StartAfter=after)
            async for page in pages:
                for entry in page.get("Contents", []):
                    yield Object(entry["Key"], entry["Size"], entry["LastModified"])
        except (BotoCoreError, ClientError) as error:
            raise unavailable(str(error)) from error

    async def copy(self, source: str, target: str) -> None:
        """Copy within the bucket, the bytes never come here; `NotFound` without a source."""
        client = await self._full_client()
        try:
            await client.copy_object(
                Bucket=self._name, Key=target, CopySource={"Bucket": self._name, "Key": source}
            )
        except client.exceptions.NoSuchKey:
            raise NotFound("object-not-found", source) from None
        except (BotoCoreError, ClientError) as error:
            raise unavailable(str(error)) from error

    async def sweep_staging(
        self,
        older_than_seconds: float,
        *,
        unfinished_since: datetime | None = None,
        needed: Collection[str] = (),
    ) -> int:
        """Remove what clients that went away left in staging; how many objects that were.

        `unfinished_since`: when the oldest post was recorded that is not rendered yet. What was
        staged an hour before or later is kept whatever its age, for a worker still needs it; so
        are the `needed` keys.
        """
        before = datetime.now(UTC) - timedelta(seconds=older_than_seconds)
        if unfinished_since is not None:
            before = min(before, unfinished_since - UPLOAD_MARGIN)
        swept = [
            each.key
            async for each in self.list(STAGING)
            if each.last_modified < before and each.key not in needed
        ]
        await self.delete(swept)
        return len(swept)

    async def _full_client(self) -> "S3Client":
        """The full client, for what needs its parsing; gateways never load it."""
        async with self._opening:
            if self._full is not None:
                return self._full
            opening = open_objects(self._url, reply_seconds=10)
            client, _ = await self._exits.enter_async_context(opening)
            self._full = client
            return client
