"""Asking Postgres for a feed: what the cache has lost, or never had, within a bound.

A viewer's window is built once however many ask; the page is answered from what was read for it,
before it is written. Windows have a lane of their own: when a crowd returns, or the cache was lost,
whoever only reads below a window still finds a turn, and other reads a connection.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import NamedTuple

from aiohttp import web

from gateway.keys import FEEDS, READER, READER_REACH
from gateway.turns import Turns
from runtime.errors import Unavailable
from runtime.metrics import feed_builds
from stores.database import reading
from stores.feeds import Place
from stores.pulls import feed_pull

# A pull costs Postgres a look into the index for each followee: more at once would starve the rest.
PULLS_AT_ONCE = 8
# A window reads eight times as many entries as a page; more at once were no faster, but felt by
# fan-out (docs/decisions/0016-active-members.md).
BUILDS_AT_ONCE = 4

KEPT, UNKEPT, REFUSED = (feed_builds.labels(each) for each in ("kept", "unkept", "refused"))


class Pulled(NamedTuple):
    """The newest entries of a feed, and whether there are more below them."""

    entries: list[Place]
    truncated: bool


class Build(NamedTuple):
    """A window that is being built: what was read for it, as soon as it was, and the rest."""

    read: "asyncio.Future[Pulled]"
    task: "asyncio.Task[None]"


class Pulling:
    """What bounds the pulls of one gateway, and the windows it builds just now."""

    def __init__(self) -> None:
        self.pages = Turns("pages", PULLS_AT_ONCE)
        self.windows = Turns("windows", BUILDS_AT_ONCE)
        self.builds: dict[int, Build] = {}
        self.ahead: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """End the builds; a window half built is a miss, and its token dies by itself."""
        for task in [*(each.task for each in self.builds.values()), *self.ahead]:
            task.cancel()
            with suppress(asyncio.CancelledError, Unavailable):
                await task


PULLING: web.AppKey[Pulling] = web.AppKey("pulling", Pulling)


async def pull(
    app: web.Application, viewer_id: int, before: Place | None, count: int
) -> list[Place]:
    """Up to `count` entries below `before`; `Unavailable` when Postgres is away or too busy."""
    async with app[PULLING].pages.turn(viewer_id):
        return await entries_of(app, viewer_id, before, count)


def turn(app: web.Application) -> AbstractAsyncContextManager[None]:
    """A turn among pages, for whoever else asks Postgres for what the cache has lost."""
    return app[PULLING].pages.turn()


async def build(app: web.Application, viewer_id: int) -> Pulled:
    """Build the viewer's window, or join whoever does it here already; what was read for it."""
    building = app[PULLING].builds.get(viewer_id) or begin(app, viewer_id)
    # A client that leaves does not take the build from the others.
    return await asyncio.shield(building.read)


def build_ahead(app: web.Application, viewer_id: int) -> None:
    """Somebody came back, and will ask in a moment: unless others wait, or have a window, build it.

    Theirs then is found; nobody waits for it, and nobody is told when it fails.
    """
    pulling = app[PULLING]
    if pulling.windows.taken or viewer_id in pulling.builds:
        return
    task = asyncio.create_task(keep_if_absent(app, viewer_id), name=f"build ahead.{viewer_id}")
    pulling.ahead.add(task)
    task.add_done_callback(pulling.ahead.discard)


async def keep_if_absent(app: web.Application, viewer_id: int) -> None:
    with suppress(Unavailable):
        async with app[PULLING].windows.turn(viewer_id):
            token = await app[FEEDS].begin_build(viewer_id)
            if token is not None:
                await keep(app, viewer_id, token, await newest(app, viewer_id, token))


def begin(app: web.Application, viewer_id: int) -> Build:
    read: asyncio.Future[Pulled] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(build_in_turn(app, viewer_id, read), name=f"build.{viewer_id}")
    building = app[PULLING].builds[viewer_id] = Build(read, task)
    task.add_done_callback(lambda done: ended(app[PULLING].builds, viewer_id, read, done))
    return building


async def build_in_turn(
    app: web.Application, viewer_id: int, read: "asyncio.Future[Pulled]"
) -> None:
    """A turn rests for as long as it worked: on a busy machine, where that was long, even longer.

    So a crowd leaves to others what it takes, engines and processors alike.
    """
    async with app[PULLING].windows.turn(viewer_id):
        began = time.monotonic()
        await read_and_keep(app, viewer_id, read.set_result)
        await asyncio.sleep(time.monotonic() - began)


def ended(
    builds: dict[int, Build],
    viewer_id: int,
    read: "asyncio.Future[Pulled]",
    done: "asyncio.Task[None]",
) -> None:
    del builds[viewer_id]
    error = None if done.cancelled() else done.exception()
    if read.done():
        return
    REFUSED.inc()
    if error is None:
        read.cancel()
    else:
        read.set_exception(error)
        read.exception()  # seen, also when whoever waited for it has left


async def read_and_keep(
    app: web.Application, viewer_id: int, tell: Callable[[Pulled], None] = lambda _: None
) -> Pulled:
    """The token first, then Postgres: what is published between the two is pushed."""
    token = None
    with suppress(Unavailable):
        token = await app[FEEDS].begin_build(viewer_id)
    pulled = await newest(app, viewer_id, token)
    tell(pulled)
    await keep(app, viewer_id, token, pulled)
    return pulled


async def keep(app: web.Application, viewer_id: int, token: str | None, pulled: Pulled) -> None:
    """Make a window of what was read, unless it is somebody else's to make."""
    kept = False
    if token is not None:
        with suppress(Unavailable):
            kept = await app[FEEDS].finish_build(
                viewer_id, token, pulled.entries, truncated=pulled.truncated
            )
    (KEPT if kept else UNKEPT).inc()


async def newest(app: web.Application, viewer_id: int, token: str | None) -> Pulled:
    """As much as a window holds; failing that, whoever asks next may build it."""
    feeds = app[FEEDS]
    try:
        entries = await entries_of(app, viewer_id, None, feeds.cap + 1)
    except Exception:
        if token is not None:
            with suppress(Unavailable):
                await feeds.give_up_build(viewer_id, token)
        raise
    return Pulled(entries[: feeds.cap], len(entries) > feeds.cap)


async def entries_of(
    app: web.Application, viewer_id: int, before: Place | None, count: int
) -> list[Place]:
    async with reading(app[READER], app[READER_REACH]) as connection:
        rows = await feed_pull(connection, viewer_id, before, count)
    return [(published_ms, post_id) for published_ms, post_id, _ in rows]
