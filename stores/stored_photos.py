"""What lies in the bucket, photo by photo: its original and everything made of it."""

import re
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from functools import reduce
from typing import NamedTuple

from stores.objects import Object, Objects

_KEY = re.compile(r"(?:originals|photos)/([0-9a-f]{64})(?:/.+)?")


class StoredPhoto(NamedTuple):
    """All objects of one photo, by the digest of its original."""

    sha256: str
    keys: tuple[str, ...]
    size_bytes: int
    newest: datetime

    @property
    def manifests(self) -> list[str]:
        """What lets a later upload of the same bytes believe that the rest is there."""
        return [each for each in self.keys if each.endswith("/manifest")]

    @property
    def originals(self) -> list[str]:
        return [each for each in self.keys if each.startswith("originals/")]


async def stored_photos(objects: Objects, after: str) -> AsyncIterator[StoredPhoto]:
    """Every photo after that digest, in their order, a page of the listing in memory at a time.

    Both listings come in the order of keys, so they are merged as they come. Objects whose key
    names no photo are none of ours.
    """
    listings = [
        _by_photo(objects.list("originals/", after=f"originals/{after}")),
        _by_photo(objects.list("photos/", after=f"photos/{after}/~")),  # behind all of that photo
    ]
    heads = [await anext(each, None) for each in listings]
    while found := [each for each in heads if each]:
        first = min(each.sha256 for each in found)
        yield reduce(_joined, [each for each in found if each.sha256 == first])
        heads = [
            await anext(listing, None) if head and head.sha256 == first else head
            for listing, head in zip(listings, heads, strict=True)
        ]


async def photos_named(objects: Objects, digests: Iterable[str]) -> list[StoredPhoto]:
    """Those of these photos of which anything is stored."""
    found = []
    for each in digests:
        parts = [
            photo
            for prefix in (f"originals/{each}", f"photos/{each}/")
            async for photo in _by_photo(objects.list(prefix))
        ]
        found += [reduce(_joined, parts)] if parts else []
    return found


async def _by_photo(listing: AsyncIterator[Object]) -> AsyncIterator[StoredPhoto]:
    photo: StoredPhoto | None = None
    async for each in listing:
        named = _KEY.fullmatch(each.key)
        if named is None:
            continue
        found = StoredPhoto(named[1], (each.key,), each.size_bytes, each.last_modified)
        if photo is None or photo.sha256 == found.sha256:
            photo = _joined(photo, found) if photo else found
            continue
        if photo.sha256 > found.sha256:
            raise ValueError(f"the listing is not in the order of keys at {each.key}")
        yield photo
        photo = found
    if photo:
        yield photo


def _joined(one: StoredPhoto, other: StoredPhoto) -> StoredPhoto:
    return StoredPhoto(
        one.sha256,
        one.keys + other.keys,
        one.size_bytes + other.size_bytes,
        max(one.newest, other.newest),
    )
