"""Servers under the same load by turns, so that what the machine does meanwhile meets all alike."""

import itertools
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from bench.load import Order, Outcome
from bench.standing import Stopwatch, child, output_of
from bench.table import Row, milliseconds, percentile

REQUESTS_A_ROUND = 8_000


class Server(NamedTuple):
    """A unix socket and the process behind it."""

    socket: str
    pid: int


class Round(NamedTuple):
    """One server under load for a few seconds."""

    outcome: Outcome
    cpu_seconds: float

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / self.outcome.requests * 1e6


async def alternate(
    servers: Sequence[Server],
    requests: Iterator[list[bytes]],
    connections: int,
    rounds: int,
    seconds: float,
    *,
    status: int = 200,
) -> list[list[Round]]:
    """Each server's rounds. All get the same requests in a round, and others in the next."""
    measured: list[list[Round]] = [[] for _ in servers]
    for _ in range(rounds):
        wanted = next(requests)
        for server, into in zip(servers, measured, strict=True):
            into.append(await one_round(server, wanted, connections, seconds, status=status))
    return measured


async def one_round(
    server: Server,
    requests: list[bytes],
    connections: int,
    seconds: float,
    *,
    status: int = 200,
) -> Round:
    order = Order(server.socket, requests, connections, seconds, status)
    watch = Stopwatch(server.pid)
    async with child("bench.load", given=msgspec.json.encode(order)) as load:
        outcome = msgspec.json.decode(await output_of(load, seconds + 30), type=Outcome)
    return Round(outcome, *watch.cpu())


def turns(requests: Sequence[bytes], each: int = REQUESTS_A_ROUND) -> Iterator[list[bytes]]:
    """The requests of one round after the other, for ever."""
    endless = itertools.cycle(requests)
    while True:
        yield list(itertools.islice(endless, min(each, len(requests))))


def rows_of(
    question: str,
    ours: Sequence[Round],
    bare: Sequence[Round],
    connections: int,
    aim: str = "",
    *,
    reference: str = "bare handler",
) -> list[Row]:
    """Ratios are the median over pairs of neighbouring rounds, the rest over all rounds."""
    pairs = list(zip(ours, bare, strict=True))
    rate = median(one.outcome.rate / other.outcome.rate for one, other in pairs)
    cpu = median(one.cpu_microseconds / other.cpu_microseconds for one, other in pairs)
    ours_cpu, bare_cpu = cpu_of(ours), cpu_of(bare)
    many = "connection" if connections == 1 else "connections"
    return [
        Row(
            f"{question}, {connections} {many}",
            summary(ours),
            f"{reference}: {summary(bare)}",
            f"{rate:.2f}",
            aim,
        ),
        Row(
            f"{question}, CPU of the process a request, {connections} {many}",
            f"{ours_cpu:,.0f} µs",
            f"{reference}: {bare_cpu:,.0f} µs",
            f"{cpu:.2f}",
        ),
    ]


def cpu_of(rounds: Sequence[Round]) -> float:
    return median(each.cpu_microseconds for each in rounds)


def rate_of(rounds: Sequence[Round]) -> float:
    return median(each.outcome.rate for each in rounds)


def latency(rounds: Sequence[Round], percent: int) -> float:
    """Seconds, over the requests of all rounds."""
    return percentile([each for one in rounds for each in one.outcome.latencies], percent)


def times(ours: Sequence[Round], others: Sequence[Round], percent: int) -> float:
    """How much longer ours take, the median over pairs of neighbouring rounds."""
    return median(
        percentile(one.outcome.latencies, percent) / percentile(other.outcome.latencies, percent)
        for one, other in zip(ours, others, strict=True)
    )


def summary(rounds: Sequence[Round]) -> str:
    p50, p99 = (milliseconds(latency(rounds, percent)) for percent in (50, 99))
    return f"{rate_of(rounds):,.0f}/s, p50 {p50}, p99 {p99}"
