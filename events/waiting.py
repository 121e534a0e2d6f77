"""How long work waits before anybody has begun it: the age of what a group is given next."""

import time

from redis.exceptions import ResponseError

from events.ids import Position
from events.log import Log, stream_key


async def seconds_waiting(log: Log, group: str, topic: str) -> float:
    """Over all partitions the longest; 0 where nothing waits, or nobody ever read. Two trips."""
    streams = [stream_key(topic, partition) for partition in range(log.partitions)]
    async with log.client.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xinfo_groups(stream)
        told = await pipeline.execute(raise_on_error=False)
    async with log.client.pipeline(transaction=False) as pipeline:
        for stream, groups in zip(streams, told, strict=True):
            if isinstance(groups, ResponseError):  # no stream yet
                continue
            if isinstance(groups, Exception):
                raise groups
            for each in groups:
                if each["name"] == group.encode():
                    pipeline.xrange(stream, b"(" + each["last-delivered-id"], "+", 1)
        firsts = [Position.parse(found[0][0]) for found in await pipeline.execute() if found]
    return max(0.0, *(time.time() - first.ms / 1000 for first in firsts)) if firsts else 0.0
