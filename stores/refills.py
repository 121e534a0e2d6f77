"""Feed windows written whole, under a generation that nobody reads or pushes to yet."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from stores.feed_keys import Names, both_keys, window_key
from stores.feeds import BUILD_SECONDS, Place

SCANNED = 1_000
KEYS_AT_ONCE = 200


class Viewer(NamedTuple):
    """Somebody who has a window, and how long it has still to live."""

    id: int
    seconds: int


class Refill(NamedTuple):
    """What Postgres holds for one window: its newest entries, newest first."""

    viewer: Viewer
    entries: Sequence[Place]
    truncated: bool
    """Postgres has more."""


async def viewers_of(cache: Redis, names: Names) -> AsyncIterator[list[Viewer]]:
    """Everybody who has a window, some at a time; of two builds at once the reader's counts."""
    async for keys in _pages(cache, names.windows[0]):
        async with cache.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.ttl(key)
            left = await pipeline.execute()
        yield [
            Viewer(int(key.rpartition(b":")[2]), seconds)
            for key, seconds in zip(keys, left, strict=True)
            if seconds > BUILD_SECONDS
        ]


async def fill(cache: Redis, names: Names, refills: Sequence[Refill]) -> int:
    """Write these windows, whatever stood there; how many entries they have.

    As `merge` in feeds.lua would: above the floor is every entry, at or below it none.
    """
    count = 0
    async with cache.pipeline(transaction=False) as pipeline:
        for viewer, entries, truncated in refills:
            floor = entries[-1][0] if truncated else 0
            members = {str(post_id): ms for ms, post_id in entries if ms > floor}
            count += len(members)
            window = window_key(names, viewer.id)
            pipeline.delete(*both_keys(names, viewer.id))
            pipeline.zadd(window, members | {"floor": floor})
            pipeline.expire(window, viewer.seconds)
        await pipeline.execute()
    return count


async def remove(cache: Redis, names: Names) -> int:
    """Take away what stands under a generation that nobody reads any more; how many keys."""
    removed = int(await cache.unlink(names.roll))
    for prefix in (
        each[0] for each in (names.windows, names.hidden, names.outboxes, names.followed)
    ):
        async for keys in _pages(cache, prefix):
            removed += int(await cache.unlink(*keys))
    return removed


async def _pages(cache: Redis, prefix: bytes) -> AsyncIterator[list[bytes]]:
    """The keys of all buckets, each once or, now and then, twice."""
    pattern = prefix.partition(b"{")[0] + b"*"
    keys: list[bytes] = []
    async for key in cache.scan_iter(match=pattern, count=SCANNED):
        keys.append(key)
        if len(keys) == KEYS_AT_ONCE:
            yield keys
            keys = []
    if keys:
        yield keys
