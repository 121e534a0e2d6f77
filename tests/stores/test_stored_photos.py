from datetime import UTC, datetime, timedelta

import pytest

from stores.objects import Object
from stores.passes import FIRST
from stores.stored_photos import stored_photos

NOW = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C, D = (each * 64 for each in "abcd")


class Listed:
    """What a bucket lists, in the order in which it does."""

    def __init__(self, *keys):
        self.objects = [Object(key, 10, NOW + timedelta(days=n)) for n, key in enumerate(keys)]

    async def list(self, prefix, *, after):
        for each in self.objects:
            if each.key.startswith(prefix) and each.key > after:
                yield each


async def test_two_listings_become_photos():
    """An original and what was made of it are one photo, each may be missing; sizes add up."""
    bucket = Listed(
        f"originals/{A}",
        f"originals/{C}",
        f"originals/{D}",
        "originals/readme",
        f"photos/{B}/r1/320.webp",
        f"photos/{C}/r1/320.webp",
        f"photos/{C}/r1/manifest",
        f"photos/{C}/r2/manifest",
        "staging/1",
    )

    photos = {each.sha256: each async for each in stored_photos(bucket, FIRST)}

    assert list(photos) == [A, B, C, D]
    assert {each: photo.size_bytes for each, photo in photos.items()} == {
        A: 10,
        B: 10,
        C: 40,
        D: 10,
    }
    assert photos[C].originals == [f"originals/{C}"]
    assert photos[C].manifests == [f"photos/{C}/r1/manifest", f"photos/{C}/r2/manifest"]
    assert photos[C].newest == NOW + timedelta(days=7)
    assert [each.sha256 async for each in stored_photos(bucket, B)] == [C, D]
    assert [each async for each in stored_photos(bucket, C)] == [photos[D]]


async def test_a_listing_in_another_order_is_refused():
    """Else parts of one photo would be judged apart."""
    bucket = Listed(f"photos/{B}/r1/320.webp", f"photos/{A}/r1/320.webp", f"photos/{B}/r1/manifest")

    with pytest.raises(ValueError, match="not in the order of keys"):
        assert [each async for each in stored_photos(bucket, FIRST)]
