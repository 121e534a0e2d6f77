"""Role `fanout`: puts published posts into followers' windows, and keeps windows true to follows.

Three orders keep windows without a hole: followers are read only after the post's row is committed,
an author's posts only after the follow is, and the keys' names (see `Feeds.refresh`) after both.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence

from events.accounts import AccountErased
from events.envelope import Delivery
from events.graph import FollowAccepted, Unfollowed
from events.ids import MAX_ID, shard_of
from events.posts import PostPublished
from events.work import FanoutChunk
from stores import cache_erasure, erasures, follows, posts, pulls
from stores.database import Database, transaction
from stores.feeds import Merge, Place, Push
from stores.follows import EdgeRow
from stores.posts import PostRow, PostState
from workers.site import Site

# Small enough to be done well within a lease, large enough that a chunk costs more than its event.
FOLLOWERS_PER_CHUNK = 2_000
ERASED_AT_ONCE = 500

Edge = tuple[int, int]
"""(follower, followee)"""


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
    known = row.published_version >= delivery.id and row.published_ms is not None
    return known and (row.published_ms or 0) <= delivery.position.ms


async def plan_author(
    site: Site, author_id: int, published: Sequence[tuple[Delivery[PostPublished], PostRow]]
) -> None:
    async with transaction(site.database) as db:
        if await follows.follower_count(db, author_id) <= FOLLOWERS_PER_CHUNK:
            follower_ids = await follows.holding_followers(db, author_id, 0, MAX_ID)
            bounds = []
        else:
            follower_ids = []
            bounds = await follows.follower_range_bounds(db, author_id, FOLLOWERS_PER_CHUNK)

    await push(
        site, author_id, [(row.published_ms or 0, row.id) for _, row in published], follower_ids
    )
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


async def push_chunk(
    site: Site, batch: Sequence[Delivery[FanoutChunk]]
) -> Collection[Delivery[FanoutChunk]]:
    """Push one post to those of a range who follow its author now; who came later is backfilled."""
    for each in batch:
        chunk = each.event
        async with site.large:
            async with transaction(site.database) as db:
                follower_ids = await follows.holding_followers(
                    db, each.actor, chunk.first_follower_id, chunk.last_follower_id
                )
            await push(site, each.actor, [(chunk.published_ms, chunk.post_id)], follower_ids)
    return ()


async def push(
    site: Site, author_id: int, places: Sequence[Place], follower_ids: Sequence[int]
) -> None:
    """Push an author's posts to these followers, given in order; hide them from who has left.

    Without that look, a push that was slow could bring an unfollowed author back, into a window
    that was evicted meanwhile and built anew: it hides nobody.
    """
    if not follower_ids:
        return
    await site.feeds.refresh()
    await site.feeds.push(Push(ms, post_id, follower_ids) for ms, post_id in places)
    async with transaction(site.database) as db:
        now = await follows.holding_followers(db, author_id, follower_ids[0], follower_ids[-1])
    if left := set(follower_ids).difference(now):
        await reflect(site, await edge_rows(site, ((each, author_id) for each in left)))


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


async def edge_rows(site: Site, edges: Iterable[Edge]) -> dict[Edge, EdgeRow]:
    async with transaction(site.database) as db:
        return await follows.edges_of(db, sorted(set(edges)))


async def reflect(site: Site, rows: dict[Edge, EdgeRow]) -> None:
    """Make windows agree with what holds, until a look after the fact shows the same rows.

    Without that look, a slow worker that hides could undo another's later backfill.
    """
    while rows:
        await site.feeds.refresh()
        await site.feeds.hide(edge for edge, row in rows.items() if not row.holds)
        await show(site, [edge for edge, row in rows.items() if row.holds])
        now = await edge_rows(site, rows)
        rows = {edge: row for edge, row in now.items() if row != rows[edge]}


async def show(site: Site, edges: Sequence[Edge]) -> None:
    """Unhide followees, and add their posts above the floor of each follower's window."""
    await site.feeds.unhide(edges)
    floors = await site.feeds.floors([follower_id for follower_id, _ in edges])
    windows: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for (follower_id, followee_id), floor in zip(edges, floors, strict=True):
        if floor is not None:
            windows[followee_id].append((follower_id, floor))

    for followee_id, followers in windows.items():
        lowest_floor = min(floor for _, floor in followers)
        async with transaction(site.database) as db:
            entries = await pulls.recent_of_author(db, followee_id, lowest_floor, site.feeds.cap)
        # A full read has more below it: there the window has to end, or it would have a hole.
        floor = entries[-1][0] if len(entries) == site.feeds.cap else 0
        await site.feeds.merge(Merge(follower_id, entries, floor) for follower_id, _ in followers)
