"""Puts made members into a site: rows by COPY, windows written whole as a rebuild writes them."""

import asyncio
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import hiredis
import msgspec
from redis.asyncio import Redis

from bench.members import Members
from bench.plain_adds import carry_out, connect
from events.ids import shard_of
from events.posts import RenderedPhoto, Rendition
from runtime.connections import open_cache, open_database, open_log
from runtime.settings import Settings
from stores.accounts import accounts_by_ids
from stores.epochs import Epochs, Generations
from stores.feed_keys import Names, both_keys, names_of, window_key
from stores.feeds import CAP
from workers.imaging.recipe import EXTENSION, RECIPE, WIDTHS

WINDOWS_A_TRIP = 100
COPIES_A_TRIP = 1_000
COPY_SECONDS = 900
LIFE_SECONDS = 30 * 86_400
PUBLISHED = 21


COLUMNS = {
    "accounts": "shard id username display_name display_name_version password_hash "
    "password_version posts followers following",
    "posts": "shard id author_id state caption caption_version alts alts_version published_ms "
    "published_version photos",
    "following": "shard follower_id followee_id wish wish_version accepted accepted_wish",
    "followers": "shard followee_id follower_id wish wish_version accepted accepted_wish",
}


async def move_in(settings: Settings, members: Members, *, follows: bool = True) -> None:
    """Everybody's row and posts as the workers would have left them, and who follows whom.

    Those who moved in before, for another question, stay as they are.
    """
    rows: dict[str, Iterable[tuple[Any, ...]]] = {
        "accounts": accounts_of(members),
        "posts": (post for rank in range(len(members.ids)) for post in posts_of(members, rank)),
    }
    if follows:
        edges = edges_of(members)
        rows |= {
            "following": ((shard_of(one), one, other, True, 1, True, 1) for one, other in edges),
            "followers": ((shard_of(other), other, one, True, 1, True, 1) for one, other in edges),
        }
    pool = await open_database(settings)
    async with pool, pool.acquire() as db:
        if members.ids[0] in await accounts_by_ids(db, members.ids[:1]):
            return
        for table, records in rows.items():
            await db.copy_records_to_table(
                table,
                columns=COLUMNS[table].split(),
                records=records,
                schema_name="heliograph",
                timeout=COPY_SECONDS,
            )
        await db.execute("ANALYZE accounts, posts, following, followers")


def accounts_of(members: Members) -> Iterator[tuple[Any, ...]]:
    followers = [0] * len(members.ids)
    for each in members.followed:
        for rank in each:
            followers[rank] += 1
    for rank, i in enumerate(members.ids):
        said = (f"member_{i}", f"Member number {rank}", i, "-", i)
        counted = (len(members.posts[rank]), followers[rank], len(members.followed[rank]))
        yield (shard_of(i), i, *said, *counted)


def edges_of(members: Members) -> list[tuple[int, int]]:
    """Of everybody who follows somebody, both ids."""
    ids = members.ids
    return [(ids[rank], ids[other]) for rank, each in enumerate(members.followed) for other in each]


def posts_of(members: Members, rank: int) -> Iterator[tuple[Any, ...]]:
    dice = random.Random(rank)
    author_id = members.ids[rank]
    for ms, post_id in members.posts[rank]:
        caption = "evening light over the canal, " * dice.randrange(1, 4)
        yield (
            *(shard_of(post_id), post_id, author_id, PUBLISHED, caption, post_id),
            *(["boats at a quay, seen from a bridge"], post_id, ms, post_id, photo(dice)),
        )


def photo(dice: random.Random) -> str:
    """One photo in all renditions, as `post.published` tells of it."""
    rendered = RenderedPhoto(
        sha256=dice.randbytes(32).hex(),
        size_bytes=2_400_000,
        width=3_024,
        height=4_032,
        placeholder="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        recipe=RECIPE,
        renditions=tuple(
            Rendition(width=each, height=each * 4 // 3, extension=EXTENSION, size_bytes=each * 90)
            for each in WIDTHS
        ),
    )
    return msgspec.json.encode([rendered]).decode()


async def open_windows(
    settings: Settings, members: Members, ranks: Sequence[int], *, cap: int = CAP
) -> None:
    """Give these members the windows that a build would give them: as stores/refills.py fills them.

    Packed by hand, since of a window of many entries redis-py takes longer than all else here.
    """
    async with open_cache(settings) as cache, open_log(settings) as log:
        names = await present_names(cache, log)
    with connect(settings.cache_url) as connection:
        for first in range(0, len(ranks), WINDOWS_A_TRIP):
            some = ranks[first : first + WINDOWS_A_TRIP]
            commands = [each for rank in some for each in window_of(names, members, rank, cap)]
            await asyncio.to_thread(carry_out, connection, commands)


def window_of(names: Names, members: Members, rank: int, cap: int) -> Iterator[bytes]:
    """The commands that make a member's window, whatever stood there."""
    entries = members.feed(rank, cap + 1)
    floor = entries[cap - 1][0] if len(entries) > cap else 0
    placed = [number for ms, post_id in entries[:cap] if ms > floor for number in (ms, post_id)]
    window, hidden = both_keys(names, members.ids[rank])
    yield hiredis.pack_command(("DEL", window, hidden))
    yield hiredis.pack_command(("ZADD", window, *placed, floor, "floor"))
    yield hiredis.pack_command(("EXPIRE", window, LIFE_SECONDS))


async def present_names(cache: Redis, log: Redis) -> Names:
    """How the keys begin that gateways read now."""
    return names_of(await Epochs(cache).read(), await Generations(log).read())


async def copy_windows(settings: Settings, models: Sequence[int], owners: Sequence[int]) -> None:
    """Give each owner the window of a model, by turns: DUMP once, RESTORE as often as needed."""
    async with open_cache(settings) as cache, open_log(settings) as log:
        names = await present_names(cache, log)
        dumped: list[bytes] = []
        for first in range(0, len(models), COPIES_A_TRIP):
            async with cache.pipeline(transaction=False) as pipeline:
                for each in models[first : first + COPIES_A_TRIP]:
                    pipeline.dump(window_key(names, each))
                dumped += await pipeline.execute()
        for first in range(0, len(owners), COPIES_A_TRIP):
            async with cache.pipeline(transaction=False) as pipeline:
                for number, each in enumerate(owners[first : first + COPIES_A_TRIP], first):
                    value = dumped[number % len(dumped)]
                    pipeline.restore(window_key(names, each), LIFE_SECONDS * 1_000, value)
                await pipeline.execute()
