"""Everything that a site keeps, laid open to be searched: rows, keys, objects, events."""

import subprocess
from contextlib import AsyncExitStack

from events.catalogue import TOPICS
from events.entries import open_entries
from events.log import stream_key
from runtime.connections import open_cache, open_log
from runtime.engines import postgres
from stores.objects import Objects
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
    """Place by place, the bytes that stand there; `read` is the log to whoever has its keys."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(open_log(settings))
        cache = await stack.enter_async_context(open_cache(settings))
        objects = await stack.enter_async_context(Objects(settings.objects_url))
        stored = [
            each.key.encode() + b"\n" + await objects.read(each.key)
            async for each in objects.list("")
        ]
        return {
            "backup": backup_of(settings),
            "log": await keys_of(client),
            "cache": await keys_of(cache),
            "objects": b"\n".join(stored),
            "read": await read_of(log_of(settings, client)),
        }


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


async def read_of(log):
    """Every event of every topic, its sealed half included where there is a key to it."""
    found = []
    for topic in sorted({*TOPICS, "notices"}):
        for partition in range(log.partitions):
            entries = await log.client.xrange(stream_key(topic, partition))
            found += map(repr, await open_entries(log, topic, partition, entries))
    return "\n".join(found).encode()


def found_in(kept, traces):
    """Which of the traces stand in which places."""
    return {
        place: names
        for place, content in kept.items()
        if (names := sorted(name for name, trace in traces.items() if trace in content))
    }
