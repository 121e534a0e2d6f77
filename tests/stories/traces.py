"""Everything that a site keeps, laid open to be searched: rows, keys, objects, events."""

import subprocess
from contextlib import AsyncExitStack

from events.catalogue import ARCHIVED, TOPICS
from events.entries import open_entries
from events.log import stream_key
from runtime.connections import open_cache, open_log
from runtime.engines import postgres
from stores.archive import Archive
from stores.objects import Objects
from workers.archive import open_library
from workers.archiving import Keeper
from workers.process import log_of

READS = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    b"stream": lambda client, key: client.xrange(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
}


async def kept_by(settings):
    """Place by place, the bytes that stand there, and what events say to whoever has the keys."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_log(settings))
        cache = await stack.enter_async_context(open_cache(settings))
        objects = await stack.enter_async_context(Objects(settings.objects_url))
        log = log_of(settings, client)
        segments = await segments_of(log, Archive(objects))
        stored = [
            each.key.encode() + b"\n" + await objects.read(each.key)
            async for each in objects.list("")
        ]
        return {
            "backup": backup_of(settings),
            "log": await keys_of(client),
            "cache": await keys_of(cache),
            "objects": b"\n".join(stored),
            "segments": b"\n".join(each for _, entries in segments for each in bytes_in(entries)),
            "events": await read_of(log, await streams_of(log)),
            "events in segments": await read_of(log, segments),
        }


async def archive_everything(settings):
    """As the role `archive` does, without waiting for a segment to fill."""
    async with open_library(settings) as library:
        for partition in range(settings.partitions):
            keeper = Keeper(library, partition, lease_seconds=60, seal_seconds=0)
            while await keeper.step():
                pass
            await keeper.leave()


def backup_of(settings):
    """As an operator's nightly dump has it."""
    command = [postgres.binary("pg_dump"), "--inserts", settings.database_url]
    return subprocess.run(command, check=True, capture_output=True).stdout


async def keys_of(client):
    found = []
    async for key in client.scan_iter(count=1000):
        kind = await client.type(key)
        found += [key, b"\n".join(bytes_in(await READS[kind](client, key)))]
    return b"\n".join(found)


def bytes_in(value):
    match value:
        case bytes():
            yield value
        case dict():
            for pair in value.items():
                yield from bytes_in(pair)
        case list() | tuple() | set():
            for each in value:
                yield from bytes_in(each)
        case None:
            return
        case _:
            yield str(value).encode()


async def streams_of(log):
    """The entries of every stream, by topic and partition."""
    return [
        ((topic, partition), await log.client.xrange(stream_key(topic, partition)))
        for topic in sorted({*TOPICS, "notices"})
        for partition in range(log.partitions)
    ]


async def segments_of(log, archive):
    """And of every segment."""
    return [
        ((topic, partition), await archive.entries(each))
        for topic in sorted(ARCHIVED)
        for partition in range(log.partitions)
        async for each in archive.manifests(topic, partition)
    ]


async def read_of(log, runs):
    """Every event, its sealed half included where there is a key to it."""
    found = []
    for (topic, partition), entries in runs:
        found += map(repr, await open_entries(log, topic, partition, entries))
    return "\n".join(found).encode()


def found_in(kept, traces):
    """Which of the traces stand in which places."""
    return {
        place: names
        for place, content in kept.items()
        if (names := sorted(name for name, trace in traces.items() if trace in content))
    }
