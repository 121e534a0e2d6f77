"""One worker process: the engines its role needs, and a reader for each stream it follows."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from events.claims import ensure_group
from events.consumer import Limits, Reader
from events.history import History
from events.log import Log, stream_key
from events.work import FanoutChunk
from runtime.connections import open_blocking_log, open_cache, open_database, open_log
from runtime.functions import Client
from runtime.settings import Settings
from stores.archive import Archive
from stores.feeds import TRIPS_SECONDS, Feeds
from stores.link import Link
from stores.objects import Objects
from workers import beginning
from workers.house import keep_house
from workers.imaging.decoders import Decoders
from workers.site import Darkroom, Site, Storeroom
from workers.subscriptions import DEPENDS_ON, EFFECTS, SUBSCRIPTIONS, topics_of

# Of one stream, nearly all of them only waiting: for what they depend on, or to be tried again.
# With so many of them something is wrong that new ones would only add to.
MOST_HELD = 5_000
# Each may take a good part of a second: a process that is told to stop, or dies, leaves few undone.
CHUNKS_AT_ONCE = 8


def log_of(settings: Settings, client: Client) -> Log:
    """The site's log, over this client."""
    return Log(
        client,
        partitions=settings.partitions,
        secret=settings.secret.reveal().encode(),
        replicas=settings.log_replicas,
    )


@asynccontextmanager
async def open_site(settings: Settings, role: str) -> AsyncIterator[Site | Darkroom | Storeroom]:
    """The engines a role works with; none of them needs to be up yet."""
    async with AsyncExitStack() as stack:
        log = log_of(settings, await stack.enter_async_context(open_log(settings)))
        if role == "erasures":
            yield Storeroom(
                log=log,
                database=await stack.enter_async_context(await open_database(settings)),
                objects=await stack.enter_async_context(Objects(settings.objects_url)),
            )
        elif role in EFFECTS:
            objects = await stack.enter_async_context(Objects(settings.objects_url))
            log.precedents.history = History(log, Archive(objects))
            yield Darkroom(
                log=log,
                objects=objects,
                decoders=await stack.enter_async_context(
                    Decoders(
                        settings.decoders,
                        seconds=settings.decode_seconds,
                        mebibytes=settings.decode_mebibytes,
                    )
                ),
            )
        else:
            cache = await stack.enter_async_context(open_cache(settings))
            link = Link(cache, TRIPS_SECONDS)
            stack.callback(link.close)
            yield Site(
                log=log,
                database=await stack.enter_async_context(await open_database(settings)),
                feeds=Feeds(cache, log.client, link=link),
                pull_above=settings.pull_above,
            )


def readers_of(
    role: str,
    settings: Settings,
    site: Site | Darkroom | Storeroom,
    blocking: Client,
    *,
    number: int = 0,
    clock: Callable[[], float] = time.monotonic,
    state: Callable[[], str] = lambda: "ready",
) -> list[Reader]:
    """A reader for every partition of every topic the role reads, each with its own batch."""
    batch = settings.decoders if role == "renditions" else settings.batch_size
    limits = Limits(
        batch=batch,
        in_flight=MOST_HELD,
        lease_seconds=settings.lease_seconds,
        attempts=settings.attempts,
    )
    few = limits._replace(batch=min(batch, CHUNKS_AT_ONCE))
    return [
        Reader(
            site.log,
            blocking,
            group=role,
            # The same name in its next life, so that it finds what it left pending at once.
            consumer=f"{socket.gethostname()}.{number}",
            topic=topic,
            partition=partition,
            handlers={k: h for k, h in SUBSCRIPTIONS[role].items() if topic == k.TOPIC},
            site=site,
            limits=few if topic == FanoutChunk.TOPIC else limits,
            clock=clock,
            state=state,
            depends_on={each: topics_of(each) for each in DEPENDS_ON[role]},
        )
        for topic in topics_of(role)
        for partition in range(settings.partitions)
    ]


async def work(
    settings: Settings,
    role: str,
    number: int,
    stopping: asyncio.Event,
    state: Callable[[], str],
) -> None:
    """Run every reader of the role until told to stop, reading only while its state allows it."""
    await begin_with_the_archive(settings, role, stopping, state)
    streams = len(topics_of(role)) * settings.partitions
    async with (
        open_site(settings, role) as site,
        open_blocking_log(settings, connections=streams) as blocking,
        asyncio.TaskGroup() as tasks,
    ):
        house = keep_house(site, role, stopping, lease_seconds=settings.lease_seconds)
        tasks.create_task(house, name=f"{role} house")
        for reader in readers_of(role, settings, site, blocking, number=number, state=state):
            tasks.create_task(reader.run(stopping), name=f"{role} {reader.claims.stream}")


async def begin_with_the_archive(
    settings: Settings, role: str, stopping: asyncio.Event, state: Callable[[], str]
) -> None:
    """Before its first read, a projection is given what has left the streams."""
    if role in EFFECTS:
        return
    limits = beginning.Limits(settings.batch_size, settings.attempts)
    async with open_site(settings, role) as site:
        if isinstance(site, Site):
            archive = partial(open_archive, settings)
            await beginning.begin(site, role, archive, limits, stopping, state=state)


@asynccontextmanager
async def open_archive(settings: Settings) -> AsyncIterator[Archive]:
    """What was ever recorded, for who reads it from the beginning."""
    async with Objects(settings.objects_url) as objects:
        yield Archive(objects)


async def create_groups(settings: Settings) -> int:
    """Every group of the map, at the beginning of each of its streams; how many there are.

    But where a stream is trimmed a projection makes its group itself, when it has read the archive.
    """
    async with open_log(settings) as client:
        log = log_of(settings, client)
        made = 0
        for role in SUBSCRIPTIONS:
            later = {(each.topic, each.partition) for each in await beginning.unbegun(log, role)}
            for topic in topics_of(role):
                for partition in range(settings.partitions):
                    if (topic, partition) not in later:
                        await ensure_group(client, stream_key(topic, partition), role)
                        made += 1
    return made
