"""Asking Postgres for a feed: what the cache has lost, or never had, within a bound.

A viewer's window is built once however many ask; the page is answered from what was read for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from aiohttp import web

from gateway.keys import FEEDS, READER, READER_REACH
from runtime.errors import Unavailable
from stores.database import reading
from stores.feeds import Place
from stores.pulls import feed_pull

# A pull costs Postgres a look into the index for each followee: more at once would starve the rest.
PULLS_AT_ONCE = 8
WAITING_SECONDS = 1.0


class Pulling:
    """What bounds the pulls of one gateway, and the windows it builds just now."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(PULLS_AT_ONCE)
        self.builds: dict[int, asyncio.Task[Pulled]] = {}

    async def close(self) -> None:
        """End the builds; a window half built is a miss, and its token dies by itself."""
        for build in list(self.builds.values()):
            build.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await build


class Pulled(NamedTuple):
    """The newest entries of a feed, and whether there are more below them."""

    entries: list[Place]
    truncated: bool


PULLING: web.AppKey[Pulling] = web.AppKey("pulling", Pulling)


async def pull(
    app: web.Application, viewer_id: int, before: Place | None, count: int
) -> list[Place]:
    """Up to `count` entries below `before`; `Unavailable` when Postgres is away or too busy."""
    async with turn(app), reading(app[READER], app[READER_REACH]) as connection:
        rows = await feed_pull(connection, viewer_id, before, count)
    return [(published_ms, post_id) for published_ms, post_id, _ in rows]


@asynccontextmanager
async def turn(app: web.Application) -> AsyncIterator[None]:
    free = app[PULLING].free
    try:
        async with asyncio.timeout(WAITING_SECONDS):
            await free.acquire()
    except TimeoutError:
        raise Unavailable("overloaded", "too many feeds are being put together") from None
    try:
        yield
    finally:
        free.release()


async def build(app: web.Application, viewer_id: int) -> Pulled:
    """Build the viewer's window, or wait for whoever does it here already; what was read for it."""
    builds = app[PULLING].builds
    building = builds.get(viewer_id)
    if building is None:
        building = asyncio.create_task(read_and_keep(app, viewer_id), name=f"build.{viewer_id}")
        builds[viewer_id] = building
        building.add_done_callback(lambda done: ended(builds, viewer_id, done))
    # A client that leaves does not take the build from the others.
    return await asyncio.shield(building)


def ended(
    builds: dict[int, asyncio.Task[Pulled]], viewer_id: int, done: asyncio.Task[Pulled]
) -> None:
    del builds[viewer_id]
    if not done.cancelled():
        done.exception()  # seen, also when whoever waited for it has left


async def read_and_keep(app: web.Application, viewer_id: int) -> Pulled:
    """The token first, then Postgres: what is published between the two is pushed."""
    feeds = app[FEEDS]
    token = None
    with suppress(Unavailable):
        token = await feeds.begin_build(viewer_id)
    entries = await pull(app, viewer_id, None, feeds.cap + 1)
    pulled = Pulled(entries[: feeds.cap], len(entries) > feeds.cap)
    if token is not None:
        with suppress(Unavailable):
            await feeds.finish_build(viewer_id, token, pulled.entries, truncated=pulled.truncated)
    return pulled
