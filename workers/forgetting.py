"""Role `fanout`: what the cache has of an erased account goes, once its rows have no words."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

from events.accounts import AccountErased
from events.envelope import Delivery
from stores import cache_erasure, erasures, follows
from stores.database import Database, transaction
from workers.site import Site

ERASED_AT_ONCE = 500


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
            await site.outboxes.drop(each.actor)
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
