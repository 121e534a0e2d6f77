"""Reads at a steady rate, whatever is under way; told by JSON: `python -m bench.steady_reads`.

A process of its own, so that no other load delays its clock. A latency counts from the moment at
which the request was due: one that had to wait for a connection, or for us, has waited.
"""

import asyncio
import re
import sys
import time
from collections import Counter
from typing import cast

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

    @property
    def served(self) -> float:
        """The part that was answered 200."""
        return self.statuses.get(200, 0) / max(1, sum(self.statuses.values()))


class Crowd:
    """Connections that are kept, as many as are needed at once, and what became of their reads."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[Connection] = []
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.under_way = 0
        self.rested = asyncio.Event()
        self.opening: set[asyncio.Task[None]] = set()

    def ask(self, request: bytes, due: float) -> None:
        self.under_way += 1
        if self.idle:
            self.idle.pop().ask(request, due)
        else:
            opening = asyncio.create_task(self.open_and_ask(request, due))
            self.opening.add(opening)
            opening.add_done_callback(self.opening.discard)

    async def open_and_ask(self, request: bytes, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, opened = await loop.create_connection(
                lambda: Connection(self), "127.0.0.1", self.port
            )
        except OSError:
            self.note(0, due)
        else:
            opened.ask(request, due)

    def note(self, status: int, due: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.latencies.append(time.perf_counter() - due)
        self.under_way -= 1
        if not self.under_way:
            self.rested.set()

    async def rest(self) -> None:
        """Until all are answered, or it was too long."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                while self.under_way:
                    self.rested.clear()
                    await self.rested.wait()
        except TimeoutError:
            self.statuses[0] += self.under_way


class Connection(asyncio.Protocol):
    """One request after the other, each answered wholly before the next."""

    def __init__(self, crowd: Crowd) -> None:
        self.crowd = crowd
        self.received = bytearray()
        self.due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def ask(self, request: bytes, due: float) -> None:
        self.due = due
        self.received.clear()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0 or self.due is None:
            return
        length = LENGTH.search(self.received, 0, end + 2)
        if len(self.received) < end + 4 + (int(length[1]) if length else 0):
            return
        due, self.due = self.due, None
        self.crowd.note(int(self.received[9:12]), due)
        self.crowd.idle.append(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self in self.crowd.idle:
            self.crowd.idle.remove(self)
        if self.due is not None:
            due, self.due = self.due, None
            self.crowd.note(0, due)


async def read(order: Reads) -> Seen:
    crowd = Crowd(order.port)
    began = time.perf_counter()
    for number in range(int(order.rate * order.seconds)):
        due = began + number / order.rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        elif not number % 100:
            await asyncio.sleep(0)  # behind: answers are to be read all the same
        crowd.ask(order.requests[number % len(order.requests)], due)
    await crowd.rest()
    return Seen(crowd.latencies, dict(crowd.statuses))


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Reads)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(read(told))))
