"""Role `fanout`: puts published posts into followers' windows, and keeps windows true to follows.

Three orders keep windows without a hole: followers are read only after the post's row is committed,
an author's posts only after the follow is, and the keys' names (see `Feeds.refresh`) after both.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence

from events.envelope import Delivery
from events.graph import FollowAccepted, Unfollowed
from events.ids import MAX_ID, shard_of
from events.posts import PostPublished
from events.work import FanoutChunk
from stores import follows, posts
from stores.database import transaction
from stores.follows import EdgeRow
from stores.posts import PostRow, PostState
from stores.progress import Note, Plan
from workers.deciding import decide, is_pulling, put_out
from workers.pushing import push_range
from workers.reflecting import edge_rows, reflect
from workers.site import Site

# Small enough to be done well within a lease, large enough that a chunk costs more than its event.
FOLLOWERS_PER_CHUNK = 4_000
ANNOUNCED_AT_ONCE = 25  # they share an fsync


async def plan_fanout(
    site: Site, batch: Sequence[Delivery[PostPublished]]
) -> Collection[Delivery[PostPublished]]:
    """Push each post to its author's followers, in chunks when they are many; or have it pulled."""
    async with transaction(site.database) as db:
        rows = await posts.post_rows(db, [each.event.post_id for each in batch])
        author_ids = {row.author_id for row in rows.values()}
        followers = await follows.follower_counts(db, author_ids)
    later, by_author = [], defaultdict(list)
    for each in batch:
        row = rows.get(each.event.post_id)
        if row is None or not is_folded(row, each):
            if shard_of(each.event.post_id) == shard_of(each.actor):
                later.append(each)
        elif row.state is PostState.PUBLISHED:
            by_author[row.author_id].append((each, row))
    for author_id, published in by_author.items():
        await plan_author(site, author_id, followers[author_id], published)
    return later


def is_folded(row: PostRow, delivery: Delivery[PostPublished]) -> bool:
    """Whether the row has this publication: of several the lowest moment counts.

    A post that was deleted before has none: nobody was ever shown it.
    """
    if row.published_version < delivery.id:
        return False
    if row.published_ms is None:
        return row.state > PostState.PUBLISHED
    return row.published_ms <= delivery.position.ms


async def plan_author(
    site: Site,
    author_id: int,
    followers: int,
    published: Sequence[tuple[Delivery[PostPublished], PostRow]],
) -> None:
    pulling = await is_pulling(site, author_id, followers, [row for _, row in published])
    many = followers > FOLLOWERS_PER_CHUNK
    bounds = []
    async with transaction(site.database) as db:
        pulled_ids = await decide(db, [row for _, row in published], pulling=pulling)
        pushed = [each for each in published if each[1].id not in pulled_ids]
        # Followers are read after the rows are committed, which they were before.
        if pushed and many:
            bounds = await follows.follower_range_bounds(db, author_id, FOLLOWERS_PER_CHUNK)

    if pulled := [row for _, row in published if row.id in pulled_ids]:
        await put_out(site, author_id, followers, pulled)
    plan = Plan(pulled=False, followers=followers, parts=len(bounds) if many else 1)
    if many:
        await site.fanouts.note(Note(row.id, plan) for _, row in pushed)
        for delivery, row in pushed:
            await announce_chunks(site, delivery, row, bounds)
    elif pushed:
        places = [(row.published_ms or 0, row.id) for _, row in pushed]
        met = await push_range(site, author_id, places, 0, MAX_ID)
        await site.fanouts.note(
            Note(post_id, plan, "all", each) for (_, post_id), each in zip(places, met, strict=True)
        )


async def announce_chunks(
    site: Site, delivery: Delivery[PostPublished], row: PostRow, bounds: Sequence[int]
) -> None:
    """Have one post pushed range by range, each ending at one of the bounds."""
    ranges = list(zip([0, *(bound + 1 for bound in bounds)], bounds, strict=False))
    for start in range(0, len(ranges), ANNOUNCED_AT_ONCE):
        some = ranges[start : start + ANNOUNCED_AT_ONCE]
        announcing = (announce_chunk(site, delivery, row, first, last) for first, last in some)
        for outcome in await asyncio.gather(*announcing, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome


async def announce_chunk(
    site: Site, delivery: Delivery[PostPublished], row: PostRow, first: int, last: int
) -> None:
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
    await site.log.announce(chunk, actor=row.author_id, cause=delivery, part=part)


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
