"""Role `fanout`: puts published posts into followers' windows, and keeps windows true to follows.

Three orders keep windows without a hole: followers are read only after the post's row is committed,
an author's posts only after the follow is, and the keys' names (see `Feeds.refresh`) after both.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

from events.accounts import AccountErased
from events.envelope import Delivery
from events.graph import FollowAccepted, Unfollowed
from events.ids import MAX_ID, shard_of
from events.posts import PostPublished
from events.work import FanoutChunk
from stores import cache_erasure, erasures, follows, posts
from stores.database import Database, transaction
from stores.follows import EdgeRow
from stores.posts import PostRow, PostState
from workers.pushing import push_range
from workers.reflecting import edge_rows, reflect
from workers.site import Site

# Small enough to be done well within a lease, large enough that a chunk costs more than its event.
FOLLOWERS_PER_CHUNK = 4_000
ERASED_AT_ONCE = 500


async def plan_fanout(
    site: Site, batch: Sequence[Delivery[PostPublished]]
) -> Collection[Delivery[PostPublished]]:
    """Push each post to its author's followers, or divide them into chunks when they are many."""
    async with transaction(site.database) as db:
        rows = await posts.post_rows(db, [each.event.post_id for each in batch])
    later, by_author = [], defaultdict(list)
    for each in batch:
        row = rows.get(each.event.post_id)
        if row is None or not is_folded(row, each):
            if shard_of(each.event.post_id) == shard_of(each.actor):
                later.append(each)
        elif row.state is PostState.PUBLISHED:
            by_author[row.author_id].append((each, row))
    for author_id, published in by_author.items():
        await plan_author(site, author_id, published)
    return later


def is_folded(row: PostRow, delivery: Delivery[PostPublished]) -> bool:
    """Whether the row has this publication: of several the lowest moment counts."""
    known = row.published_version >= delivery.id
    return known and (row.published_ms or 0) <= delivery.position.ms


async def plan_author(
    site: Site, author_id: int, published: Sequence[tuple[Delivery[PostPublished], PostRow]]
) -> None:
    async with transaction(site.database) as db:
        few = await follows.follower_count(db, author_id) <= FOLLOWERS_PER_CHUNK
        bounds = (
            [] if few else await follows.follower_range_bounds(db, author_id, FOLLOWERS_PER_CHUNK)
        )
    if few:
        places = [(row.published_ms or 0, row.id) for _, row in published]
        await push_range(site, author_id, places, 0, MAX_ID)
    for delivery, row in published:
        first = 0
        for last in bounds:
            chunk = FanoutChunk(
                post_id=row.id,
                published_ms=row.published_ms or 0,
                first_follower_id=first,
                last_follower_id=last,
            )
            # A plan so old that no record of it is left is made again: pushing repeats.
            # Both ends name the part: planned again after some have left, ranges end elsewhere,
            # and one that kept its old end would leave a gap before the next.
            part = f"{first}-{last}"
            await site.log.announce(chunk, actor=author_id, cause=delivery, part=part)
            first = last + 1


async def backfill(
    site: Site, batch: Sequence[Delivery[FollowAccepted]]
) -> Collection[Delivery[FollowAccepted]]:
    """Add what a new followee posted before to the follower's window, if there is one."""
    edges = [(each.event.follower_id, each.actor) for each in batch]
    async with site.large:
        rows = await edge_rows(site, edges)
        await reflect(site, rows)
    return [
        each
        for edge, each in zip(edges, batch, strict=True)
        if edge not in rows or not is_judged(rows[edge], each)
    ]


def is_judged(row: EdgeRow, delivery: Delivery[FollowAccepted]) -> bool:
    """Whether the row has this verdict, or a later one, and the wish that it answers."""
    wish_version = delivery.event.wish_version
    return row.wish_version >= wish_version and (row.accepted_wish, row.verdict_version) >= (
        wish_version,
        delivery.id,
    )


async def hide_author(
    site: Site, batch: Sequence[Delivery[Unfollowed]]
) -> Collection[Delivery[Unfollowed]]:
    """Show nothing more of an unfollowed author, though the window still holds the posts."""
    edges = [(each.actor, each.event.followee_id) for each in batch]
    rows = await edge_rows(site, edges)
    await reflect(site, rows)
    return [
        each
        for edge, each in zip(edges, batch, strict=True)
        if (edge not in rows or rows[edge].withdrawn_version < each.id) and edge[0] != edge[1]
    ]


async def forget_author(
    site: Site, batch: Sequence[Delivery[AccountErased]]
) -> Collection[Delivery[AccountErased]]:
    """Take an erased account's posts out of others' windows, and its own window and all cards away.

    After its rows are without words: what is read of them from then on may stand there.
    """
    later = []
    for each in batch:
        async with transaction(site.database) as db:
            erased = await erasures.erased_among(db, [each.actor])
            unfinished = await erasures.posts_to_erase(db, each.actor, 0, 1)
            newest = await erasures.newest_erased(db, each.actor, 2 * site.feeds.cap)
        if not erased or unfinished:
            later.append(each)
            continue
        async with site.large:
            await site.feeds.refresh()
            await cache_erasure.drop_window(site.feeds, each.actor)
            if newest:
                async for page in pages(site, follows.followers_of, each.actor):
                    await cache_erasure.remove_posts(site.feeds, page, newest)
            # Last: without cards a window's posts could not be passed over while rows are away.
            async for page in pages(site, erasures.erased_posts, each.actor):
                await cache_erasure.drop_cards(site.feeds, "post", page)
            await cache_erasure.drop_cards(site.feeds, "author", [each.actor])
    return later


async def pages(
    site: Site, page_of: Callable[[Database, int, int, int], Awaitable[list[int]]], account_id: int
) -> AsyncIterator[list[int]]:
    """All ids of such a list of an account, some hundreds at a time."""
    last = 0
    while True:
        async with transaction(site.database) as db:
            page = await page_of(db, account_id, last, ERASED_AT_ONCE)
        if not page:
            return
        yield page
        last = page[-1]
