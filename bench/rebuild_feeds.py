"""How fast the windows of 10,000 members are built anew from PostgreSQL, 256 entries each.

Against the same entries added to keys of nobody by ZADD, a window a command, a hundred a trip.
"""

import random
import time
from typing import Any

from redis.asyncio import Redis

from bench.bare_engines import bare_engines
from bench.table import Row, milliseconds, ratio
from events.ids import EPOCH_MS, SHARDS, Position, make_id, shard_of
from events.log import Log
from events.telling import Line
from runtime.connections import open_cache, open_database, open_log
from runtime.settings import Settings
from stores.epochs import Epochs, Generations
from stores.feed_keys import names_of, window_key
from stores.feeds import CAP
from stores.refills import Refill, Viewer, fill
from workers.process import log_of
from workers.refilling import rebuild_feeds

MEMBERS, QUICK_MEMBERS = 10_000, 2_000
AUTHORS = 200
POSTS_EACH = 60
FOLLOWED = 20
WINDOWS_A_TRIP = 100
LIFE_SECONDS = 86_400


async def measure(*, quick: bool) -> list[Row]:
    members = QUICK_MEMBERS if quick else MEMBERS
    async with (
        bare_engines() as settings,
        open_log(settings) as client,
        open_cache(settings) as cache,
    ):
        log = log_of(settings, client)
        viewers = await gather(settings, members)
        names = names_of(await Epochs(cache).read(), await Generations(client).read())
        opened = [Refill(Viewer(each, LIFE_SECONDS), (), truncated=False) for each in viewers]
        await fill(cache, names, opened)
        seconds = await rebuild(settings, log)
        windows = await read_windows(cache, await present(cache, client), viewers)
        entries = sum(len(each) for each in windows)
        # The floor is one, and stands where the last would; what has its very moment is not kept.
        if not members * (CAP - 1) <= entries <= members * CAP:
            message = f"{entries} entries are in {members} windows"
            raise AssertionError(message)
        plain_seconds = await add_plainly(cache, windows)
    return [
        Row(
            f"rebuild_feeds: {members:,} windows of {CAP} entries",
            f"{entries / seconds:,.0f} entries/s ({milliseconds(seconds)})",
            f"pipelined ZADD: {entries / plain_seconds:,.0f} entries/s",
            ratio(plain_seconds, seconds),
        )
    ]


async def gather(settings: Settings, members: int) -> list[int]:
    """Members, each of whom follows some of the authors; their ids."""
    dice = random.Random(1)
    ids = [
        make_id(Position(EPOCH_MS + 1_000 + number, 0), dice.randrange(SHARDS))
        for number in range(members + AUTHORS)
    ]
    viewers, authors = ids[:members], ids[members:]
    owner, wish = ["shard", "id"], ["wish", "wish_version"]
    password = ["password_hash", "password_version"]
    tables: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {
        "accounts": (
            [*owner, "username", "display_name", "display_name_version", *password],
            [(shard_of(i), i, f"member_{i}", "Somebody", i, "-", i) for i in ids],
        ),
        "posts": (
            [*owner, "author_id", "state", "published_ms", "published_version"],
            [post(author, number) for author in authors for number in range(POSTS_EACH)],
        ),
        "following": (
            ["shard", "follower_id", "followee_id", *wish, "accepted", "accepted_wish"],
            [
                (shard_of(i), i, author, True, 1, True, 1)
                for i in viewers
                for author in dice.sample(authors, FOLLOWED)
            ],
        ),
    }
    async with await open_database(settings) as pool, pool.acquire() as db:
        for table, (columns, rows) in tables.items():
            await db.copy_records_to_table(
                table, columns=columns, records=rows, schema_name="heliograph"
            )
        await db.execute("ANALYZE")
    return viewers


def post(author: int, number: int) -> tuple[int, ...]:
    moment = EPOCH_MS + 3_600_000 + number * 60_000 + author % 59_999
    post_id = make_id(Position(moment - 900, number), shard_of(author))
    return shard_of(author), post_id, author, 21, moment, post_id


async def rebuild(settings: Settings, log: Log) -> float:
    """Until the new windows are the ones that are read; taking the old away is not counted."""
    started = time.perf_counter()
    seconds = 0.0
    async for told in rebuild_feeds(settings, log):
        if isinstance(told, Line):
            seconds = time.perf_counter() - started
    return seconds


async def present(cache: Redis, log: Redis) -> Any:
    return names_of(await Epochs(cache).read(), await Generations(log).read())


async def read_windows(cache: Redis, names: Any, viewers: list[int]) -> list[dict[bytes, float]]:
    async with cache.pipeline(transaction=False) as pipeline:
        for each in viewers:
            pipeline.zrange(window_key(names, each), 0, -1, withscores=True)
        return [dict(each) for each in await pipeline.execute()]


async def add_plainly(cache: Redis, windows: list[dict[bytes, float]]) -> float:
    started = time.perf_counter()
    for first in range(0, len(windows), WINDOWS_A_TRIP):
        async with cache.pipeline(transaction=False) as pipeline:
            for number, window in enumerate(windows[first : first + WINDOWS_A_TRIP], first):
                pipeline.zadd(f"plain:{number}", window)
            await pipeline.execute()
    return time.perf_counter() - started
