"""What reads stand on beside Postgres: windows, cards, and what was made of them."""

from collections.abc import AsyncIterator

from aiohttp import web

from gateway.addresses import Addresses
from gateway.keys import (
    CACHE,
    CACHE_REACH,
    CARDS,
    FEEDS,
    LOG,
    NOTICES,
    PAGES,
    READER,
    READER_REACH,
    SETTINGS,
    WRITTEN,
)
from gateway.outboxes import OUTBOXES, Remembered
from gateway.pulling import PULLING, Pulling
from gateway.visibility import HELD, Held
from gateway.written import Written
from runtime.connections import open_cache
from runtime.reach import Reach
from stores.cards import Cards
from stores.feeds import CALL_SECONDS, Feeds
from stores.link import Link
from stores.pages import Pages


async def open_caching(app: web.Application) -> AsyncIterator[None]:
    """After the gate, before `hear_notices`: no notice is heard before the cards listen."""
    cache = app[CACHE] = open_cache(app[SETTINGS], for_readers=True)
    cache_reach = app[CACHE_REACH] = Reach("cache-unavailable", CALL_SECONDS)
    app[READER_REACH] = Reach("metadata-unavailable")
    link = Link(cache, CALL_SECONDS)
    app[CARDS] = Cards(
        cache, app[READER], cache_reach=cache_reach, database_reach=app[READER_REACH], link=link
    )
    app[NOTICES].subscribe(app[CARDS].hear)
    app[FEEDS] = Feeds(cache, app[LOG].client, link=link, reach=cache_reach)
    app[PAGES] = Pages(app[FEEDS], link)
    app[OUTBOXES] = Remembered(app[FEEDS])
    app[HELD] = Held()
    app[PULLING] = Pulling()
    app[WRITTEN] = Written(Addresses.of(app[SETTINGS]), app[CARDS], app[NOTICES])
    app[NOTICES].subscribe(app[WRITTEN].hear)
    yield
    await app[PULLING].close()
    await app[CARDS].close()
    link.close()
    await cache.aclose()
