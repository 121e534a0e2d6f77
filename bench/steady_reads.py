"""Reads at a steady rate, whatever is under way; told by JSON: `python -m bench.steady_reads`.

A process of its own, so that no other load delays its clock. A latency counts from the moment at
which the request was due: one that had to wait for a connection, or for us, has waited.
"""

import asyncio
import re
import sys
import time
from collections import Counter

import msgspec
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
READ_SECONDS = 30.0


class Reads(msgspec.Struct, frozen=True):
    """Send these in turn to a port of 127.0.0.1, so many a second."""

    port: int
    requests: list[bytes]
    rate: float
    seconds: float


class Seen(msgspec.Struct):
    """Seconds of those answered 200, and how many there were of each status; 0: none at all."""

    latencies: list[float]
    statuses: dict[int, int]


class Clients:
    """Connections that are kept, as many as are needed at once."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: bytes) -> int:
        """The answer's status, once all of it is here."""
        if self.idle:
            reader, writer = self.idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        self.idle.append((reader, writer))
        return int(head.split(None, 2)[1])


async def read(order: Reads) -> Seen:
    clients = Clients(order.port)
    latencies: list[float] = []
    statuses: Counter[int] = Counter()
    began = time.perf_counter()

    async def one(number: int) -> None:
        due = began + number / order.rate
        await asyncio.sleep(due - time.perf_counter())
        status = 0
        try:
            async with asyncio.timeout(READ_SECONDS):
                status = await clients.ask(order.requests[number % len(order.requests)])
        except (OSError, EOFError):
            pass
        statuses[status] += 1
        if status == 200:
            latencies.append(time.perf_counter() - due)

    await asyncio.gather(*(one(number) for number in range(int(order.rate * order.seconds))))
    return Seen(latencies, dict(statuses))


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Reads)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(read(told))))
