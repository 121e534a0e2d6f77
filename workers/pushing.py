"""Pushes posts into windows: of a few followers at once, of many chunk by chunk.

Part of the role `fanout`, whose planner (workers/fanout.py) says which post goes to whom.
"""

import asyncio
from array import array
from collections.abc import Collection, Sequence

from events.envelope import Delivery
from events.work import FanoutChunk
from stores import follows
from stores.database import transaction
from stores.feeds import Place
from stores.progress import Note
from stores.pushes import NOBODY, Push, Pushed
from workers.reflecting import edge_rows, reflect
from workers.site import Site

# A range may hold more than was planned: an author can gain a crowd between the plan and the push.
FOLLOWERS_AT_ONCE = 8_000


async def push_chunk(
    site: Site, batch: Sequence[Delivery[FanoutChunk]]
) -> Collection[Delivery[FanoutChunk]]:
    """Push one post to those of a range who follow its author now; who came later is backfilled.

    While one chunk is pushed, the next reads its followers: the cache has always something to do.
    """
    chunks = [asyncio.create_task(push_one(site, each), name="chunk") for each in batch]
    try:
        for each in chunks:
            await each
    finally:
        for each in chunks:
            each.cancel()
        await asyncio.gather(*chunks, return_exceptions=True)
    return ()


async def push_one(site: Site, delivery: Delivery[FanoutChunk]) -> None:
    chunk = delivery.event
    places = [(chunk.published_ms, chunk.post_id)]
    async with site.large:
        [met] = await push_range(
            site, delivery.actor, places, chunk.first_follower_id, chunk.last_follower_id
        )
        await site.fanouts.note([Note(chunk.post_id, None, str(chunk.first_follower_id), met)])
        await site.courtesy.give_way(met.targets)


async def push_range(
    site: Site, author_id: int, places: Sequence[Place], first_id: int, last_id: int
) -> list[Pushed]:
    """Push an author's posts to all of a range who follow now; what became of each post."""
    pushed = [NOBODY for _ in places]
    while first_id <= last_id:
        async with transaction(site.database) as db:
            follower_ids = await follows.holding_followers(
                db, author_id, first_id, last_id, FOLLOWERS_AT_ONCE
            )
        more = await push(site, author_id, places, follower_ids)
        pushed = [one.plus(other) for one, other in zip(pushed, more, strict=True)]
        if len(follower_ids) < FOLLOWERS_AT_ONCE:
            break
        first_id = follower_ids[-1] + 1
    return pushed


async def push(
    site: Site, author_id: int, places: Sequence[Place], follower_ids: "array[int]"
) -> list[Pushed]:
    """Push an author's posts to these followers, given in order; hide them from who has left.

    Without that look, a push that was slow could bring an unfollowed author back, into a window
    that was evicted meanwhile and built anew: it hides nobody.
    """
    if not follower_ids:
        return [NOBODY for _ in places]
    await site.feeds.refresh()
    pushed = await site.feeds.push(Push(ms, post_id, follower_ids) for ms, post_id in places)
    async with transaction(site.database) as db:
        now = await follows.holding_followers(db, author_id, follower_ids[0], follower_ids[-1])
    if now != follower_ids and (left := set(follower_ids).difference(now)):
        await reflect(site, await edge_rows(site, ((each, author_id) for each in left)))
    return pushed
