"""Two thousand members return at once, and none of them has a window any more: who feels it.

Fan-out of posts to 10,000 windows, and reads of members who have windows, are measured by turns
with nothing else going on and beside the crowd. All through the site's one address.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import redis

from bench.crowd import Crowd, gather_crowd
from bench.fan_out import fanned_out
from bench.members import Members, make_members
from bench.moving_in import move_in, open_windows, present_names
from bench.reading import draw, issuer, request, requests_of
from bench.standing import Standing, child, output_of
from bench.steady_reads import LENGTH, Reads, Seen
from bench.table import Row, milliseconds, percentile, ratio
from events.log import Log
from events.posts import PostSubmitted
from events.status import wait_for
from runtime.connections import open_cache, open_log
from stores.feed_keys import window_key
from workers.process import log_of

MEMBERS = 10_000  # those of bench/feed_read.py
READING, RETURNING = range(2_000), range(2_000, 4_000)  # ranks
AT_ONCE = 200
FOLLOWERS, FILL = 10_000, 50
OTHER_CROWDS = 400_000  # more than other questions sign up on this site
READS_A_SECOND = 100.0
REQUESTS = 5_000
PLANNED_SECONDS = 60
SETTLED_SECONDS = 1.0
OK = 200
AGAIN = re.compile(rb"\r\nretry-after: *(\d+)\r\n", re.IGNORECASE)


class Crowding(NamedTuple):
    """The crowd's way to a page: seconds of each member, and of all; how often one was refused."""

    seconds: float
    latencies: list[float]
    refused: int


class Beside(NamedTuple):
    """What others had meanwhile."""

    fan_outs: list[float]
    reads: Seen


class Stage(NamedTuple):
    """A site with everybody on it."""

    standing: Standing
    log: Log
    members: Members
    star: int
    crowd: Crowd
    reading: list[bytes]
    returning: list[bytes]

    @property
    def port(self) -> int:
        return int(urlsplit(self.standing.people.address).port or 0)


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    rounds, seconds = (1, 6.0) if quick else (4, 10.0)
    quiet: list[Beside] = []
    beside: list[Beside] = []
    crowded: list[Crowding] = []
    again: list[Crowding] = []
    async with opened(standing) as stage:
        await others(stage, 2.0)  # once, so that all is warm
        for _ in range(rounds):
            quiet.append(await others(stage, seconds))
            await lose_windows(stage)
            both = await asyncio.gather(others(stage, seconds), crowd_in(stage))
            beside.append(both[0])
            crowded.append(both[1])
            again.append(await crowd_in(stage))
    return rows_of(quiet, beside, crowded, again)


@asynccontextmanager
async def opened(standing: Standing) -> AsyncIterator[Stage]:
    settings = standing.behind.settings
    members = await asyncio.to_thread(make_members, MEMBERS)
    await move_in(settings, members)
    await open_windows(settings, members, READING)
    star = int((await standing.people.sign_up("returning")).account_id)
    async with open_log(settings) as client:
        log = log_of(settings, client)
        await publish(log, star)  # its row is there then
        issue = issuer(settings)
        yield Stage(
            standing,
            log,
            members,
            star,
            await gather_crowd(settings, star, FOLLOWERS, FILL, earlier=OTHER_CROWDS),
            requests_of(draw(settings, members, READING, REQUESTS)),
            [request(issue(members.ids[rank])) for rank in RETURNING],
        )


async def publish(log: Log, star: int) -> int:
    """A post without photos, which costs the decoders nothing; its id, once it is planned."""
    appended = await log.append(PostSubmitted(photos=()), actor=star)
    await wait_for(log, appended.address, PLANNED_SECONDS)
    await fanned_out(log, star)
    return appended.id


async def lose_windows(stage: Stage) -> None:
    settings = stage.standing.behind.settings
    async with open_cache(settings) as cache, open_log(settings) as log:
        names = await present_names(cache, log)
        await cache.unlink(*(window_key(names, stage.members.ids[rank]) for rank in RETURNING))


async def others(stage: Stage, seconds: float) -> Beside:
    """Reads at a steady rate, and one post after the other."""
    given = msgspec.json.encode(Reads(stage.port, stage.reading, READS_A_SECOND, seconds))
    until = time.monotonic() + seconds
    fan_outs = []
    async with child("bench.steady_reads", given=given) as reader:
        while time.monotonic() < until:
            fan_outs.append(await fan_out(stage))
        reads = msgspec.json.decode(await output_of(reader, seconds + 60), type=Seen)
    await asyncio.sleep(SETTLED_SECONDS)
    return Beside(fan_outs, reads)


async def fan_out(stage: Stage) -> float:
    """Seconds from its publication until a post was in every window, to a fiftieth of one."""
    post_id = await publish(stage.log, stage.star)
    ended = time.time()
    with redis.Redis.from_url(stage.standing.behind.settings.cache_url) as cache:
        moment = await asyncio.to_thread(cache.zscore, stage.crowd.windows[0], str(post_id))
    if moment is None:
        message = "the post is not in the first window"
        raise LookupError(message)
    return ended - moment / 1000


async def crowd_in(stage: Stage) -> Crowding:
    """Every member asks for the first page, and whoever is refused asks again, as they are told."""
    waiting = iter(stage.returning)
    latencies: list[float] = []
    refused = 0

    async def some() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        for asked in waiting:
            began = time.perf_counter()
            while True:
                writer.write(asked)
                status, again = await answer(reader)
                if status == OK:
                    break
                refused += 1
                await asyncio.sleep(again)
            latencies.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return Crowding(time.perf_counter() - began, latencies, refused)


async def answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Its status, once all of it is there, and the seconds after which to ask again."""
    head = await reader.readuntil(b"\r\n\r\n")
    length, again = LENGTH.search(head), AGAIN.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head[9:12]), int(again[1]) if again else 1


def rows_of(
    quiet: Sequence[Beside],
    beside: Sequence[Beside],
    crowded: Sequence[Crowding],
    again: Sequence[Crowding],
) -> list[Row]:
    crowd = f"returning: beside {len(RETURNING):,} members without a window"
    pushed = [[one for each in some for one in each.fan_outs] for some in (beside, quiet)]
    reads = [[one for each in some for one in each.reads.latencies] for some in (beside, quiet)]
    arrived = [[one for each in some for one in each.latencies] for some in (crowded, again)]
    refused = sum(each.refused for each in crowded)
    rate = len(arrived[0]) / sum(each.seconds for each in crowded)
    return [
        row(f"{crowd}, a post into {FOLLOWERS:,} windows", "nobody returns", *pushed, 50),
        row(f"{crowd}, {READS_A_SECOND:.0f} reads/s of others", "nobody returns", *reads, 99),
        row(
            f"returning: first page of them, {AT_ONCE} at once "
            f"({rate:,.0f}/s, {refused} refused and asked again)",
            "the same with windows",
            *arrived,
            50,
        ),
    ]


def row(
    what: str, reference: str, ours: Sequence[float], theirs: Sequence[float], percent: int
) -> Row:
    return Row(
        what,
        spread(ours),
        f"{reference}: {spread(theirs)}",
        f"{ratio(percentile(ours, percent), percentile(theirs, percent))} at p{percent}",
    )


def spread(seconds: Sequence[float]) -> str:
    p50, p99 = (milliseconds(percentile(seconds, percent)) for percent in (50, 99))
    return f"p50 {p50}, p99 {p99}"
