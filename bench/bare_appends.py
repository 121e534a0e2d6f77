"""The reference for commands: plain XADD of the same bytes, from one process, each on disk.

`python -m bench.bare_appends`, told by JSON on stdin. As many callers as the gateway has clients,
over redis-py as anybody would use it; or over one connection that sends together what is asked in
one turn of the loop, which is what the gateway could reach at most.
"""

import asyncio
import itertools
import sys
import time

import msgspec
import uvloop

from runtime.connections import REPLY_SECONDS, open_redis
from stores.link import Link


class Appends(msgspec.Struct, frozen=True):
    """What to do: append these fields to the streams in turn."""

    url: str
    streams: list[str]
    fields: list[bytes]
    callers: int
    seconds: float
    together: bool


class Appended(msgspec.Struct, frozen=True):
    """How many were, and in how long."""

    count: int
    seconds: float
    cpu_seconds: float


async def append(order: Appends) -> Appended:
    client = open_redis(order.url, order.callers, REPLY_SECONDS)
    link = Link(client, REPLY_SECONDS)
    streams = itertools.cycle(order.streams)
    call = link.call if order.together else client.execute_command
    began, cpu, count = time.perf_counter(), time.process_time(), 0

    async def appending() -> None:
        nonlocal count
        while time.perf_counter() - began < order.seconds:
            await call("XADD", next(streams), "*", *order.fields)
            count += 1

    await asyncio.gather(*(appending() for _ in range(order.callers)))
    seconds = time.perf_counter() - began
    link.close()
    await client.aclose()
    return Appended(count, seconds, time.process_time() - cpu)


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Appends)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(append(told))))
