"""`rebuild feeds`: the windows of everybody who has one, built anew from Postgres, all at once.

They are written under a generation that nobody knows, which is then made the present one. What was
published meanwhile was pushed into the old windows alone: `fanout` is set back to where it was at
the beginning, and pushes it again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
from redis.asyncio import Redis

from events import set_back
from events.log import Log
from events.telling import Line, Progress, Told
from events.wanted import Stream
from runtime.connections import open_cache, open_database
from runtime.errors import Conflict
from runtime.outages import is_outage
from runtime.settings import Settings
from stores.epochs import SECONDS_BELIEVED, Epochs, Generations
from stores.feed_keys import Names, names_of
from stores.feeds import CAP
from stores.pulls import feed_pulls
from stores.refills import Refill, Viewer, fill, remove, viewers_of
from workers.holding import holding
from workers.shadowing import TABLES_AND_FEEDS, alone
from workers.subscriptions import topics_of

INTENT = "feeds"
ROLE = "fanout"
AT_ONCE = 3
"""Pages of viewers: while Postgres reads one, another is written."""


async def rebuild_feeds(settings: Settings, log: Log, *, cap: int = CAP) -> AsyncIterator[Told]:
    """Tells as it goes. Until the end, readers and fan-out know the old windows alone."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(alone(settings, TABLES_AND_FEEDS))
        await stack.enter_async_context(holding(log, "rebuild of feeds"))
        cache = await stack.enter_async_context(open_cache(settings))
        database = await stack.enter_async_context(await open_database(settings))
        generations, epoch = Generations(log.client), await Epochs(cache).read()
        old = names_of(epoch, await generations.read())
        generation = await generations.reserve()
        # Before anything is read: what is done by now is in the rows.
        undone = await set_back.undone_from(log, streams_of_fanout(log))
        intent = set_back.intent_of(generation, undone)
        await set_back.write_down(log, INTENT, intent)

        windows = entries = 0
        names = names_of(epoch, generation)
        async for viewers, count in _filled(cache, database, old, names, cap):
            windows, entries = windows + viewers, entries + count
            yield Progress(what="building windows", done=windows, unit="windows")
        if await Epochs(cache).read() != epoch:
            raise Conflict(
                "cache-restarted", "The cache was restarted: no window is left to build."
            )
        await generations.raise_to(generation)
        moved = await finish_feeds(log)
        yield Line(
            f"{windows:,} windows with {entries:,} entries are new; {moved} streams are given to "
            "fanout again from where it was before."
        )
        await forget(cache, old)


async def finish_feeds(log: Log) -> int:
    """Set `fanout` back once the new windows are those that are read; how many groups were."""
    intent = await set_back.written_down(log, INTENT)
    if intent is None:
        return 0
    present = await Generations(log.client).read()
    moved = await set_back.set_back(log, intent) if present == intent.target else 0
    if present >= intent.target:
        await set_back.strike_out(log, INTENT)
    return moved


async def forget(cache: Redis, old: Names) -> None:
    """Take old windows away, once no process believes in their names any more."""
    await asyncio.sleep(SECONDS_BELIEVED + 1)
    await remove(cache, old)


async def forget_generation(settings: Settings, generation: int) -> None:
    """The same, for whoever raised the generation without building anything."""
    async with open_cache(settings) as cache:
        try:
            await forget(cache, names_of(await Epochs(cache).read(), generation))
        except Exception as error:
            if not is_outage(error):  # then they are gone, or die of age
                raise


def streams_of_fanout(log: Log) -> list[Stream]:
    return [
        Stream(ROLE, topic, partition)
        for topic in topics_of(ROLE)
        for partition in range(log.partitions)
    ]


async def _filled(
    cache: Redis, database: "asyncpg.Pool[Any]", old: Names, names: Names, cap: int
) -> AsyncIterator[tuple[int, int]]:
    """How many windows, and entries in them, were written, some at a time."""

    async def refilled(viewers: list[Viewer]) -> tuple[int, int]:
        pulled = await feed_pulls(database, [each.id for each in viewers], cap + 1)
        refills = [
            Refill(each, pulled[each.id][:cap], truncated=len(pulled[each.id]) > cap)
            for each in viewers
        ]
        return len(viewers), await fill(cache, names, refills)

    running: set[asyncio.Task[tuple[int, int]]] = set()
    try:
        async for viewers in viewers_of(cache, old):
            running.add(asyncio.create_task(refilled(viewers), name="refill"))
            if len(running) == AT_ONCE:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        while running:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
