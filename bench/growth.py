"""How the cost of a feed read grows with the site: 1,000 members, 10,000, 100,000, a million.

The small site stands all the time, and beside it one of each other size: both are read by turns, so
that what the machine does meets both alike. Rows come by COPY, windows as a build would write them.
Everybody has a feed of their own up to 100,000 members; beyond that ten share one (their windows
are restored from dumps), which holds fewer entries, and who follows whom is not filled in. Members
ask by Zipf over all of them. Against the small site, and a bare handler with the same bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import NamedTuple

from redis.asyncio import Redis

from bench.answered import answered_barely, check
from bench.members import Members, make_members
from bench.moving_in import copy_windows, move_in, open_windows
from bench.plots import lines, save
from bench.reading import PAGE, PATH, draw, expected_of, requests_of
from bench.rounds import Round, Server, cpu_of, latency, one_round, summary, times, turns
from bench.standing import Standing, memory_mebibytes, standing
from bench.table import Row
from runtime.settings import Settings
from stores.feeds import CAP

AT_ONCE = 16
REQUESTS, QUICK_REQUESTS = 24_000, 6_000
WARM_SECONDS = 3.0


class Fill(NamedTuple):
    """How a site of so many members is filled."""

    members: int
    own_feeds: int
    cap: int
    follows: bool

    def __str__(self) -> str:
        own = "" if self.own_feeds == self.members else f", {self.own_feeds:,} different ones"
        return f"windows of {self.cap}{own}" + ("" if self.follows else ", no rows of follows")


FILLS = (
    Fill(1_000, 1_000, CAP, follows=True),
    Fill(10_000, 10_000, CAP, follows=True),
    Fill(100_000, 100_000, CAP, follows=False),
    Fill(1_000_000, 100_000, 64, follows=False),
)


class Ready(NamedTuple):
    """A site of some size whose pages are warm, and a bare handler with the same ones."""

    fill: Fill
    site: Standing
    gateway: Server
    bare: Server
    requests: Iterator[list[bytes]]


class Grown(NamedTuple):
    """Rounds on a site of this size, on the small one, and on a bare handler, by turns."""

    fill: Fill
    large: list[Round]
    small: list[Round]
    bare: list[Round]
    cache_mebibytes: float
    gateway_mebibytes: float

    def times(self, percent: int) -> float:
        return times(self.large, self.small, percent)

    def times_cpu(self) -> float:
        return median(
            one.cpu_microseconds / other.cpu_microseconds
            for one, other in zip(self.large, self.small, strict=True)
        )


async def measure(*, quick: bool) -> list[Row]:
    rounds, seconds = (3, 1.5) if quick else (6, 4.0)
    grown = []
    async with ready(FILLS[0], quick=quick) as small:
        for fill in FILLS[1:2] if quick else FILLS[1:]:
            async with ready(fill, quick=quick) as large:
                grown.append(await compare(large, small, rounds, seconds))
    await asyncio.to_thread(plot, grown, quick=quick)
    return [row for each in grown for row in rows_of(each)]


@asynccontextmanager
async def ready(fill: Fill, *, quick: bool) -> AsyncIterator[Ready]:
    async with standing() as site:
        settings, socket = site.behind.settings, site.socket("gateway-read")
        members = await fill_in(settings, fill)
        count = QUICK_REQUESTS if quick else REQUESTS
        asked = draw(settings, members, range(len(members.ids)), count, entries=fill.cap)
        await check(socket, expected_of(asked))
        requests = requests_of(asked)
        async with answered_barely(socket, PATH, requests) as (bare_socket, bare_pid, _):
            gateway = Server(str(socket), site.pid("gateway-read"))
            await one_round(gateway, requests, AT_ONCE, WARM_SECONDS)
            yield Ready(fill, site, gateway, Server(bare_socket, bare_pid), turns(requests))


async def compare(large: Ready, small: Ready, rounds: int, seconds: float) -> Grown:
    measured: tuple[list[Round], list[Round], list[Round]] = ([], [], [])
    for _ in range(rounds):
        requests = next(large.requests)
        for server, wanted, into in zip(
            (large.gateway, small.gateway, large.bare),
            (requests, next(small.requests), requests),
            measured,
            strict=True,
        ):
            into.append(await one_round(server, wanted, AT_ONCE, seconds))
    async with Redis.from_url(large.site.behind.settings.cache_url) as cache:
        used = (await cache.info("memory"))["used_memory"] / 2**20
    gateway_memory = memory_mebibytes(large.gateway.pid, "VmRSS")
    return Grown(large.fill, *measured, used, gateway_memory)


async def fill_in(settings: Settings, fill: Fill) -> Members:
    own = await asyncio.to_thread(make_members, fill.own_feeds)
    await move_in(settings, own, follows=fill.follows)
    await open_windows(settings, own, range(fill.own_feeds), cap=fill.cap)
    if fill.members == fill.own_feeds:
        return own
    others = make_members(
        fill.members - fill.own_feeds, seed=2, followed=0, posting=False, earlier=fill.own_feeds
    )
    await move_in(settings, others, follows=False)
    await copy_windows(settings, own.ids, others.ids)
    # They are shown what those are shown whose windows they were given.
    models = [number % fill.own_feeds for number in range(len(others.ids))]
    return Members(
        own.ids + others.ids,
        own.posts,
        own.followed + [own.followed[each] for each in models],
    )


def rows_of(grown: Grown) -> list[Row]:
    what = f"growth: {grown.fill.members:,} members ({grown.fill})"
    bytes_a_member = (grown.cache_mebibytes * 2**20) / grown.fill.members
    return [
        Row(
            f"{what}, {PAGE} posts, {AT_ONCE} connections",
            summary(grown.large),
            f"1,000 members: {summary(grown.small)}; bare handler: {summary(grown.bare)}",
            f"p50 {grown.times(50):.2f} (p99 {grown.times(99):.2f})",
            "≤ 1.15 at p50",
        ),
        Row(
            f"{what}, CPU of the process a page",
            f"{cpu_of(grown.large):,.0f} µs",
            f"1,000 members: {cpu_of(grown.small):,.0f} µs; "
            f"bare handler: {cpu_of(grown.bare):,.0f} µs",
            f"{grown.times_cpu():.2f}",
        ),
        Row(
            f"{what}, memory",
            f"cache {grown.cache_mebibytes:,.0f} MiB, {bytes_a_member:,.0f} bytes a member; "
            f"read gateway {grown.gateway_mebibytes:,.0f} MiB",
        ),
    ]


def plot(grown: Sequence[Grown], *, quick: bool) -> None:
    sizes = [each.fill.members for each in grown]

    def at_sizes(percent: int) -> dict[str, list[float]]:
        return {
            "this site": [latency(each.large, percent) * 1e3 for each in grown],
            "1,000 members, by turns": [latency(each.small, percent) * 1e3 for each in grown],
            "bare aiohttp, by turns": [latency(each.bare, percent) * 1e3 for each in grown],
        }

    grows = {
        "p50": [1, *(each.times(50) for each in grown)],
        "CPU of the process": [1, *(each.times_cpu() for each in grown)],
    }
    memory = {
        "cache": [each.cache_mebibytes for each in grown],
        "read gateway": [each.gateway_mebibytes for each in grown],
    }
    save(
        "feeds-growth",
        f"A feed read as the site grows: {PAGE} posts, {AT_ONCE} connections, members by Zipf",
        [
            lines("times as much as with 1,000 members", "members", [1_000, *sizes], grows),
            lines("p50, ms", "members", sizes, at_sizes(50)),
            lines("p99, ms", "members", sizes, at_sizes(99)),
            lines("memory, MiB", "members", sizes, memory),
        ],
        quick=quick,
    )
