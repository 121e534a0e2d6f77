"""How fast feeds are read as shipped: sign-in, rate limit, metrics and log line on. One process.

Ten thousand members with feeds of their own, who ask by Zipf, every fifth for a deeper page.
Against a bare aiohttp + uvloop handler that answers the same requests with the same bytes, and
against the same gateway while the cache is away: each page is then a join in PostgreSQL.
"""

import asyncio
import time
from collections.abc import Sequence
from statistics import median

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bench.answered import answered_barely, check
from bench.members import Members, make_members
from bench.moving_in import move_in, open_windows
from bench.plots import bars, save
from bench.reading import PAGE, PATH, draw, expected_of, requests_of
from bench.rounds import (
    Round,
    Server,
    alternate,
    cpu_of,
    latency,
    one_round,
    rate_of,
    rows_of,
    summary,
    turns,
)
from bench.standing import Standing
from bench.table import Row

MEMBERS = 10_000
REQUESTS = 24_000
AWAY_SECONDS = 30
AT_ONCE = 16  # where ratios have their aims
NOTES = """\
Readers are ten thousand members, made from a seed, with rows by COPY and windows as a rebuild
writes them, no two feeds alike. Who asks is drawn by Zipf (the n-th as often as 1/n); every fifth
request is for a deeper page, the second to the eighth, nearer ones more often. Tokens are issued
with the site's secret, as an earlier sign-in would have. The bare handler is aiohttp and uvloop
too, answers the same requests with the same bytes, and does nothing else. In a row of latencies the
load was closed (each connection asks again once it is answered) unless it says so many a second.
"""
AIM, PULL_AIM = "≥ 0.45, stretch 0.60", "≥ 5"


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    settings = standing.behind.settings
    members = await asyncio.to_thread(make_members, MEMBERS)
    await move_in(settings, members)
    everybody = range(MEMBERS)
    await open_windows(settings, members, everybody)
    asked = draw(settings, members, everybody, REQUESTS // 3 if quick else REQUESTS)
    requests = requests_of(asked)
    await check(standing.socket("gateway-read"), expected_of(asked))
    gateway = Server(str(standing.socket("gateway-read")), standing.pid("gateway-read"))
    rows, drawn = [], {}
    async with answered_barely(standing.socket("gateway-read"), PATH, requests) as bare:
        socket, pid, size = bare
        servers = (gateway, Server(socket, pid))
        await alternate(servers, turns(requests), AT_ONCE, 1, 1.0)  # connections and code are warm
        for connections, rounds, seconds in schedule(quick=quick):
            ours, theirs = await alternate(servers, turns(requests), connections, rounds, seconds)
            drawn[connections] = (ours, theirs)
            aim = AIM if connections == AT_ONCE else ""
            what = f"feed_read: {PAGE} posts (≤ {size / 1000:.0f} kB) of {MEMBERS:,} members"
            rows += rows_of(what, ours, theirs, connections, aim)
    with_cache, without = await against_pulls(standing, members, gateway, requests, quick=quick)
    rows.append(
        Row(
            f"feed_read: the same, {AT_ONCE} connections, against PostgreSQL alone",
            summary(with_cache),
            f"cache stopped, a join a page: {summary(without)}",
            f"{rate_of(with_cache) / rate_of(without):.1f}",
            PULL_AIM,
        )
    )
    await asyncio.to_thread(plot, drawn, with_cache, without, quick=quick)
    return rows


def schedule(*, quick: bool) -> list[tuple[int, int, float]]:
    """Connections, rounds, seconds a round."""
    if quick:
        return [(AT_ONCE, 3, 1.5), (1, 1, 1.0), (64, 1, 1.0)]
    return [(AT_ONCE, 5, 4.0), (1, 3, 3.0), (64, 3, 3.0)]


async def against_pulls(
    standing: Standing, members: Members, gateway: Server, requests: list[bytes], *, quick: bool
) -> tuple[list[Round], list[Round]]:
    """The same requests while the cache is there, is stopped, and is there again.

    Cards are in the gateway's memory all the time, so it is the windows alone that are missed.
    """
    rounds, seconds = (1, 1.5) if quick else (3, 4.0)
    turn = turns(requests)
    there = [await one_round(gateway, next(turn), AT_ONCE, seconds) for _ in range(rounds)]
    supervisor = standing.behind.supervisor
    await asyncio.to_thread(supervisor.stop, ["cache"])
    try:
        away = [await one_round(gateway, next(turn), AT_ONCE, seconds) for _ in range(2 * rounds)]
    finally:
        await asyncio.to_thread(supervisor.start, "cache")
    await answers(standing.behind.settings.cache_url)
    await open_windows(standing.behind.settings, members, range(len(members.ids)))
    await one_round(gateway, next(turn), AT_ONCE, 1.0)
    there += [await one_round(gateway, next(turn), AT_ONCE, seconds) for _ in range(rounds)]
    return there, away


async def answers(cache_url: str) -> None:
    until = time.monotonic() + AWAY_SECONDS
    async with Redis.from_url(cache_url) as cache:
        while True:
            try:
                await cache.ping()
            except RedisError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.1)
            else:
                return


def plot(
    drawn: dict[int, tuple[list[Round], list[Round]]],
    with_cache: Sequence[Round],
    without: Sequence[Round],
    *,
    quick: bool,
) -> None:
    at = sorted(drawn)
    labels = [f"{each}" for each in at]
    both = {"this site": 0, "bare aiohttp": 1}
    save(
        "feeds-read",
        f"Reading feeds: {PAGE} posts a page, {MEMBERS:,} members by Zipf, one gateway process",
        [
            bars(
                "pages a second, by connections",
                labels,
                {name: [rate_of(drawn[each][side]) for each in at] for name, side in both.items()},
            ),
            bars(
                "milliseconds at p50 and p99, by connections",
                labels,
                {
                    f"{name}, p{percent}": [
                        latency(drawn[each][side], percent) * 1e3 for each in at
                    ]
                    for name, side in both.items()
                    for percent in (50, 99)
                },
                log=True,
            ),
            bars(
                "CPU of the process a page, µs, by connections",
                labels,
                {name: [cpu_of(drawn[each][side]) for each in at] for name, side in both.items()},
            ),
            bars(
                f"pages a second, {AT_ONCE} connections",
                ["windows in the cache", "cache stopped: a join a page"],
                {"rate": [median(r.outcome.rate for r in each) for each in (with_cache, without)]},
            ),
        ],
        quick=quick,
    )
