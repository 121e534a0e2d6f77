"""How the cost of a feed read grows with the site: 1,000 members, 10,000, 100,000, a million.

A site of its own for each, with rows by COPY and windows as a build would write them; everybody has
a feed of their own up to 100,000 members, beyond that ten share one (their windows are restored
from dumps) and hold fewer entries, and who follows whom is not filled in. Members ask by Zipf over
all of them. Against a bare handler with the same bytes, so that the machine's moods cancel out.
"""

import asyncio
from typing import NamedTuple

from redis.asyncio import Redis

from bench.answered import answered_barely, check
from bench.members import Members, make_members
from bench.moving_in import copy_windows, move_in, open_windows
from bench.plots import lines, save
from bench.reading import PAGE, PATH, draw, expected_of, requests_of
from bench.rounds import Round, Server, alternate, cpu_of, latency, summary, turns
from bench.standing import memory_mebibytes, standing
from bench.table import Row, milliseconds, ratio
from runtime.settings import Settings
from stores.feeds import CAP

AT_ONCE = 16
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


class Grown(NamedTuple):
    """What reading costs on a site of this size."""

    fill: Fill
    ours: list[Round]
    bare: list[Round]
    cache_mebibytes: float
    gateway_mebibytes: float


async def measure(*, quick: bool) -> list[Row]:
    grown = [await grow(fill, quick=quick) for fill in (FILLS[:2] if quick else FILLS)]
    await asyncio.to_thread(plot, grown, quick=quick)
    return [row for each in grown for row in rows_of(each, grown[0])]


async def grow(fill: Fill, *, quick: bool) -> Grown:
    async with standing() as site:
        settings = site.behind.settings
        members = await fill_in(site.behind.settings, fill)
        count = 6_000 if quick else 24_000
        asked = draw(settings, members, range(len(members.ids)), count, entries=fill.cap)
        requests = requests_of(asked)
        gateway, pid = site.socket("gateway-read"), site.pid("gateway-read")
        await check(gateway, expected_of(asked))
        async with answered_barely(gateway, PATH, requests) as (socket, bare_pid, _):
            servers = (Server(str(gateway), pid), Server(socket, bare_pid))
            await alternate(servers, turns(requests), AT_ONCE, 1, WARM_SECONDS)
            rounds, seconds = (3, 2.0) if quick else (6, 4.0)
            ours, bare = await alternate(servers, turns(requests), AT_ONCE, rounds, seconds)
        async with Redis.from_url(settings.cache_url) as cache:
            used = (await cache.info("memory"))["used_memory"] / 2**20
        return Grown(fill, ours, bare, used, memory_mebibytes(pid, "VmRSS"))


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


def rows_of(grown: Grown, first: Grown) -> list[Row]:
    p50, first_p50 = latency(grown.ours, 50), latency(first.ours, 50)
    cpu, first_cpu = cpu_of(grown.ours), cpu_of(first.ours)
    bare = latency(grown.bare, 50) / latency(first.bare, 50)
    what = f"growth: {grown.fill.members:,} members ({grown.fill})"
    bytes_a_member = (grown.cache_mebibytes * 2**20) / grown.fill.members
    return [
        Row(
            f"{what}, {PAGE} posts, {AT_ONCE} connections",
            summary(grown.ours),
            f"1,000 members: p50 {milliseconds(first_p50)}; bare handler: {summary(grown.bare)}",
            f"{ratio(p50, first_p50)} (bare handler {bare:.2f})",
            "≤ 1.15 at p50",
        ),
        Row(
            f"{what}, CPU of the process a page",
            f"{cpu:,.0f} µs",
            f"1,000 members: {first_cpu:,.0f} µs; bare handler: {cpu_of(grown.bare):,.0f} µs",
            ratio(cpu, first_cpu),
        ),
        Row(
            f"{what}, memory",
            f"cache {grown.cache_mebibytes:,.0f} MiB, {bytes_a_member:,.0f} bytes a member; "
            f"read gateway {grown.gateway_mebibytes:,.0f} MiB",
        ),
    ]


def plot(grown: list[Grown], *, quick: bool) -> None:
    at = [each.fill.members for each in grown]
    both = {"this site": 0, "bare aiohttp": 1}
    sides = [(each.ours, each.bare) for each in grown]
    save(
        "feeds-growth",
        f"A feed read as the site grows: {PAGE} posts, {AT_ONCE} connections, members by Zipf",
        [
            lines(
                f"{name}, ms",
                "members",
                at,
                {
                    who: [latency(each[side], percent) * 1e3 for each in sides]
                    for who, side in both.items()
                },
            )
            for name, percent in (("p50", 50), ("p99", 99))
        ]
        + [
            lines(
                "CPU of the process a page, µs",
                "members",
                at,
                {who: [cpu_of(each[side]) for each in sides] for who, side in both.items()},
            ),
            lines(
                "memory, MiB",
                "members",
                at,
                {
                    "cache": [each.cache_mebibytes for each in grown],
                    "read gateway": [each.gateway_mebibytes for each in grown],
                },
            ),
        ],
        quick=quick,
    )
