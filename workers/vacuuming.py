"""What the cache holds, as metrics, and the vacuum that walks over it every few minutes.

A task of the collector's process, of which a site has one; two of them do no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from runtime import metrics
from runtime.connections import open_cache, open_log
from runtime.errors import Conflict
from runtime.functions import Client
from runtime.loglines import log as log_line
from runtime.outages import is_outage
from runtime.settings import Settings
from stores.census import Census, Kind, memory_of, present_of
from stores.epochs import SECONDS_BELIEVED
from stores.vacuum import Vacuum

LOOK_SECONDS = 10.0
WALK_SECONDS = 300.0
# Ten pages of 500 keys a second: some hundredths of a core here, and less of the server's.
PAGE_SECONDS = 0.1
# Until then some process may go on by names that were the present ones before.
SETTLED_SECONDS = SECONDS_BELIEVED + 1


async def keep_cache(settings: Settings, stopping: asyncio.Event) -> None:
    """Until told to stop."""
    async with (
        open_cache(settings, connections=2) as cache,
        open_log(settings, connections=1) as log,
        asyncio.TaskGroup() as tasks,
    ):
        looking, walking = partial(look, cache), partial(walk, cache, log, stopping)
        tasks.create_task(again(looking, LOOK_SECONDS, stopping), name="cache look")
        tasks.create_task(again(walking, WALK_SECONDS, stopping), name="cache walk")


async def again(
    step: Callable[[], Awaitable[object]], seconds: float, stopping: asyncio.Event
) -> None:
    """An engine that is away, or names that change meanwhile, only put it off."""
    while not stopping.is_set():
        try:
            await step()
        except Exception as error:
            if not (is_outage(error) or isinstance(error, Conflict)):
                raise
        await pause(stopping, seconds)


async def look(cache: Client) -> None:
    """Publish how much of its byte budget the cache takes, and whether keys had to leave."""
    memory = await memory_of(cache)
    metrics.cache_used_bytes.set(memory.used_bytes)
    metrics.cache_most_bytes.set(memory.most_bytes)
    metrics.cache_evicted_keys.set(memory.evicted)


async def walk(cache: Client, log: Client, stopping: asyncio.Event) -> None:
    """Once over all keys; what they are is published if the walk was not broken off."""
    vacuum = Vacuum(cache, log, await present_of(cache, log))
    await pause(stopping, SETTLED_SECONDS)
    try:
        while not stopping.is_set():
            if not await vacuum.step():
                publish(vacuum.census)
                return
            await pause(stopping, PAGE_SECONDS)
    finally:
        for kind, count in vacuum.removed.items():
            metrics.cache_freed_keys.labels(kind).inc(count)
        if vacuum.removed.total():
            log_line().info("cache.vacuumed", **{str(k): n for k, n in vacuum.removed.items()})


def publish(census: Census) -> None:
    for kind in Kind:
        metrics.cache_keys.labels(kind).set(census.keys[kind])
        metrics.cache_key_bytes.labels(kind).set(census.mean_bytes(kind))
    metrics.feed_window_entries.set(census.mean_entries)
    metrics.feed_entry_bytes.set(census.entry_bytes)
    metrics.feed_windows_unpacked_ratio.set(census.unpacked_ratio)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
