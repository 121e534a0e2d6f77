"""A lean load generator in a process of its own: `python -m bench.load`, told by JSON on stdin.

A few dozen microseconds a request, so that on shared cores it is the server that is measured:
requests are bytes made beforehand, answers are not looked into beyond status and length.
"""

import asyncio
import itertools
import re
import sys
import time
from typing import cast

import msgspec
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Order(msgspec.Struct, frozen=True):
    """What to do: send these to the unix socket in turn, over kept-alive connections."""

    socket: str
    requests: list[bytes]
    connections: int
    seconds: float
    status: int = 200


class Outcome(msgspec.Struct, frozen=True):
    """What came of it; only answers of the one status count, and any other ends the run."""

    requests: int
    seconds: float
    latencies: list[float]
    bytes: int

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


class Run:
    """What all connections share."""

    def __init__(self, order: Order) -> None:
        self.requests = itertools.cycle(order.requests)
        self.latencies: list[float] = []
        self.bytes = 0
        self.wanted = b"HTTP/1.1 %d " % order.status
        self.until = time.perf_counter() + order.seconds


class Connection(asyncio.Protocol):
    """Sends one request, waits for the whole answer, sends the next."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.received = bytearray()
        self.whole = 0
        self.began = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        self.received.clear()
        self.whole = 0
        self.began = time.perf_counter()
        self.transport.write(next(self.run.requests))

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not self.whole and not self.read_head():
            return
        if len(self.received) < self.whole:
            return
        now = time.perf_counter()
        self.run.latencies.append(now - self.began)
        self.run.bytes += self.whole
        if now < self.run.until:
            self.send()
        else:
            self.transport.close()

    def read_head(self) -> bool:
        """Whether the head is there; learns how long the answer is."""
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = LENGTH.search(self.received, 0, end + 2)
        if not self.received.startswith(self.run.wanted) or length is None:
            self.transport.abort()
            self.fail(bytes(self.received[:1000]).decode(errors="replace"))
            return False
        self.whole = end + 4 + int(length[1])
        return True

    def fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(reason))

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.run.until:
            self.fail(f"the connection was closed: {exc}")
        if not self.done.done():
            self.done.set_result(None)


async def load(order: Order) -> Outcome:
    loop = asyncio.get_running_loop()
    run = Run(order)
    began = time.perf_counter()
    connected = [
        await loop.create_unix_connection(lambda: Connection(run), order.socket)
        for _ in range(order.connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in connected))
    seconds = time.perf_counter() - began
    return Outcome(len(run.latencies), seconds, run.latencies, run.bytes)


if __name__ == "__main__":
    told = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(load(told))))
