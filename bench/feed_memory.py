"""How much of the cache a feed takes, its window at the cap: an entry, and a member.

Read off the server's used memory, so keys, their table and what the allocator rounds up are in it.
Against the same windows on a server with the default limit of listpacks, which unpacks them.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

from redis.asyncio import Redis

from bench.bare_engines import bare_engines
from bench.table import Row, ratio
from events.ids import EPOCH_MS, SHARDS, Position, make_id
from runtime.connections import open_cache, open_log
from runtime.settings import Settings
from stores.census import Kind, memory_of, present_of, sampled
from stores.feeds import CAP, Feeds, Place

MEMBERS, QUICK_MEMBERS = 5_000, 1_000
HIDDEN_EACH = 3
DEFAULT_LIMIT = 128
NUMBERS_BYTES = 16  # a moment and an id, as nothing but numbers
DAY_MS = 86_400_000


class Weighed(NamedTuple):
    """Used memory an entry, a window, and a window with its set of hidden authors."""

    entry: float
    window: float
    member: float
    unpacked: float
    """The part of windows that are no listpacks."""


async def measure(*, quick: bool) -> list[Row]:
    members = QUICK_MEMBERS if quick else MEMBERS
    async with bare_engines() as settings:
        packed = await weigh(settings, members)
        async with open_cache(settings) as cache:
            await cache.config_set("zset-max-listpack-entries", DEFAULT_LIMIT)
        unpacked = await weigh(settings, members)
    if packed.unpacked or unpacked.unpacked < 1:
        message = "windows are packed where they should not be, or the other way round"
        raise AssertionError(message)
    return [
        Row(
            f"feed_memory: bytes an entry, {members:,} windows of {CAP}",
            f"{packed.entry:.1f} B",
            f"unpacked, as by the server's default: {unpacked.entry:.1f} B",
            ratio(packed.entry, unpacked.entry),
            "≤ 24 B",
        ),
        Row(
            "feed_memory: bytes a member",
            f"window {packed.window:,.0f} B, with {HIDDEN_EACH} authors hidden "
            f"{packed.member:,.0f} B",
            f"moments and ids alone: {NUMBERS_BYTES * CAP:,} B",
            ratio(packed.window, NUMBERS_BYTES * CAP),
        ),
    ]


async def weigh(settings: Settings, members: int) -> Weighed:
    """Build windows as gateways do, and see what the server then uses more than before."""
    viewers = [make_id(Position(EPOCH_MS + n, 0), n % SHARDS) for n in range(members)]
    async with open_cache(settings) as cache, open_log(settings) as log:
        await cache.flushall()
        feeds, dice = Feeds(cache, log), random.Random(1)
        await feeds.refresh()
        empty = await used(cache)
        for viewer in viewers:
            token = await feeds.begin_build(viewer)
            if token is None:
                message = "a window is there already"
                raise LookupError(message)
            newest_first = sorted(entries(dice), reverse=True)
            await feeds.finish_build(viewer, token, newest_first, truncated=False)
        full = await used(cache)
        census = await sampled(cache, await present_of(cache, log), members)
        await feeds.hide((viewer, author) for viewer in viewers for author in viewers[:HIDDEN_EACH])
        hiding = await used(cache)
    if census.keys[Kind.WINDOWS] != members:
        message = f"{census.keys} are there, not {members} windows"
        raise LookupError(message)
    window = (full - empty) / members
    return Weighed(window / CAP, window, (hiding - empty) / members, census.unpacked_ratio)


def entries(dice: random.Random) -> Iterator[Place]:
    """A month of posts, no two feeds alike."""
    for _ in range(CAP):
        ms = EPOCH_MS + 300 * DAY_MS + dice.randrange(30 * DAY_MS)
        yield ms, make_id(Position(ms - 900, dice.randrange(100)), dice.randrange(SHARDS))


async def used(cache: Redis) -> int:
    return (await memory_of(cache)).used_bytes
