"""Ten thousand followers with windows, made by hand: signing them up would take an hour.

Rows come by COPY, as the graph worker would have left them. One window is built by stores/feeds.py,
and the cache server copies it to everybody's key.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg
from redis.asyncio import Redis

from events.ids import EPOCH_MS, SHARDS, Position, make_id, shard_of
from runtime.connections import open_cache, open_database, open_log
from runtime.settings import Settings
from stores.epochs import GENERATION, Epochs
from stores.feed_keys import names_of, window_key
from stores.feeds import Feeds, Place

COPIES_A_TRIP = 1_000
COPY_SECONDS = 600
# Followers signed up in the site's first minutes, a millisecond apart.
SIGNED_UP_MS = EPOCH_MS + 1_000
POSTED_MS = EPOCH_MS + 3_600_000


class Crowd(NamedTuple):
    """The followers and the keys of their windows in the cache."""

    ids: list[int]
    windows: list[bytes]


async def gather_crowd(
    settings: Settings, author_id: int, followers: int, fill: int, *, earlier: int = 0
) -> Crowd:
    """Followers of the author, with `fill` entries in the window of each.

    `earlier` is how many other crowds' members have signed up before, on the same site.
    """
    dice = random.Random(1)
    ids = [
        make_id(Position(SIGNED_UP_MS + number, 0), dice.randrange(SHARDS))
        for number in range(earlier, earlier + followers)
    ]
    pool = await open_database(settings)
    async with pool, pool.acquire() as db, db.transaction():
        await add_rows(db, author_id, ids)
    async with open_cache(settings) as cache, open_log(settings) as log:
        return await build_windows(cache, log, ids, fill)


async def add_rows(
    db: asyncpg.pool.PoolConnectionProxy, author_id: int, ids: Sequence[int]
) -> None:
    """Accounts, and a follow of each that holds, seen from either side."""
    wish = [True, 1, True, 1, 1]
    names = ["wish", "wish_version", "accepted", "accepted_wish", "verdict_version"]
    others = ["password_hash", "password_version", "following"]
    tables = {
        "accounts": (
            ["shard", "id", "username", "display_name", "display_name_version", *others],
            [(shard_of(i), i, f"crowd_{i}", "Somebody", i, "-", i, 1) for i in ids],
        ),
        "following": (
            ["shard", "follower_id", "followee_id", *names],
            [(shard_of(i), i, author_id, *wish) for i in ids],
        ),
        "followers": (
            ["shard", "followee_id", "follower_id", *names],
            [(shard_of(author_id), author_id, i, *wish) for i in ids],
        ),
    }
    for table, (columns, rows) in tables.items():
        await db.copy_records_to_table(
            table, columns=columns, records=rows, schema_name="heliograph", timeout=COPY_SECONDS
        )
    counted = await db.execute(
        "UPDATE accounts SET followers = followers + $3 WHERE shard = $1 AND id = $2",
        shard_of(author_id),
        author_id,
        len(ids),
    )
    if counted != "UPDATE 1":
        message = "the author's row is not there yet"
        raise LookupError(message)


async def build_windows(cache: Redis, log: Redis, ids: Sequence[int], fill: int) -> Crowd:
    feeds = Feeds(cache, log)
    entries: list[Place] = [
        (POSTED_MS + 1_000 * n, make_id(Position(POSTED_MS + 1_000 * n, 0), n)) for n in range(fill)
    ]
    token = await feeds.begin_build(ids[0])
    if token is None or not await feeds.finish_build(ids[0], token, entries, truncated=False):
        message = "the first window could not be built"
        raise LookupError(message)
    names = names_of(await Epochs(cache).read(), int(await log.get(GENERATION) or 0))
    windows = [window_key(names, each) for each in ids]
    for first in range(1, len(windows), COPIES_A_TRIP):
        async with cache.pipeline(transaction=False) as pipeline:
            for copy in windows[first : first + COPIES_A_TRIP]:
                pipeline.copy(windows[0], copy)
            await pipeline.execute()
    return Crowd(list(ids), windows)
