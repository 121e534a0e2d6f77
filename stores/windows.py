"""Windows and outboxes as they stand, read without prolonging their lives; feeds.py writes them."""

from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from redis.asyncio import Redis

from stores.digests import Digest
from stores.epochs import Epochs, Generations
from stores.feed_keys import Names, both_keys, names_of
from stores.feeds import Place

AT_ONCE = 200

KeysOf = Callable[[Names, int], list[bytes]]
"""Of whom which keys: `both_keys` of a viewer's window, `outbox_keys` of an author's outbox."""


class Window(NamedTuple):
    """One viewer's window: every post above the floor that was pushed to it.

    Or an outbox: every post of its author's above the floor that is pulled.
    """

    viewer_id: int
    floor: int
    entries: frozenset[Place]
    hidden: frozenset[int]


async def current_names(cache: Redis, log: Redis) -> Names:
    """Those of the cache's present run and the log's present generation."""
    return names_of(await Epochs(cache).read(), await Generations(log).read())


async def windows(
    cache: Redis, names: Names, keys_of: KeysOf = both_keys
) -> AsyncIterator[list[Window]]:
    """All of them, some at a time; one that is just being built is none."""
    pattern = keys_of(names, 0)[0].partition(b"{")[0] + b"*"
    viewer_ids: set[int] = set()  # a scan may meet a key twice
    async for key in cache.scan_iter(match=pattern, count=1_000):
        viewer_ids.add(int(key.rpartition(b":")[2]))
    ordered = sorted(viewer_ids)
    for start in range(0, len(ordered), AT_ONCE):
        yield await windows_of(cache, names, ordered[start : start + AT_ONCE], keys_of)


async def windows_of(
    cache: Redis, names: Names, viewer_ids: Sequence[int], keys_of: KeysOf = both_keys
) -> list[Window]:
    """Those of these viewers who have one."""
    if not viewer_ids:
        return []
    async with cache.pipeline(transaction=False) as pipeline:
        for viewer_id in viewer_ids:
            window, hidden = keys_of(names, viewer_id)
            pipeline.zrange(window, 0, -1, withscores=True, score_cast_func=float)
            pipeline.smembers(hidden)
        replies = await pipeline.execute()
    found = zip(viewer_ids, replies[::2], replies[1::2], strict=True)
    read = [_window(viewer_id, members, hidden) for viewer_id, members, hidden in found]
    return [each for each in read if each is not None]


async def digest_of(cache: Redis, names: Names) -> Digest:
    """Of every entry of every window, in whatever order they are read."""
    rows, hashes = 0, 0
    async for page in windows(cache, names):
        for viewer_id, _, entries, _ in page:
            for ms, post_id in entries:
                rows += 1
                entry = b"%d %d %d" % (viewer_id, ms, post_id)
                hashes += int.from_bytes(blake2b(entry, digest_size=8).digest())
    return Digest(rows, hashes)


def _window(
    viewer_id: int, members: Sequence[tuple[bytes, float]], hidden: set[bytes]
) -> Window | None:
    """None of what readers would take for a miss."""
    scores = dict(members)
    floor = scores.pop(b"floor", None)
    hides = scores.pop(b"hides", None) is not None
    if floor is None or (hides and not hidden):
        return None
    return Window(
        viewer_id,
        int(floor),
        frozenset((int(ms), int(post_id)) for post_id, ms in scores.items()),
        frozenset(map(int, hidden)) if hides else frozenset(),
    )
