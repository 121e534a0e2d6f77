"""Whether a large fan-out or a backfill delays an upload.

2 MB photos at a steady rate, in turns on a quiet site and beside a flood: posts of somebody with
20,000 active followers and, at the same time, follows that each fill a window with older posts. The
flood goes on for as long as photos are under way: nothing waits for it, but all share two cores.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from statistics import median
from typing import NamedTuple

from bench.client import Person, Site
from bench.crowd import gather_crowd
from bench.keys import give_keys
from bench.photos import another, camera_photo
from bench.standing import Standing
from bench.table import Row, milliseconds, percentile, ratio
from bench.upload_to_feed import Follower
from events.graph import FollowRequested
from events.ids import shard_of
from events.lag import lag_of
from events.log import Log
from events.posts import PostSubmitted
from events.status import wait_for
from events.work import FanoutChunk
from runtime.connections import open_log
from workers.process import log_of

FOLLOWERS = 20_000
FILL = 50  # entries in each window before
OLDER_POSTS = 100  # what a new follower's window is filled with
SECONDS_BETWEEN = 1.0
AHEAD = 20  # chunks that wait, follows at once: the flood runs neither dry nor ever higher
POLL_SECONDS = 0.05
DRAIN_SECONDS = 60
OTHER_CROWDS = 200_000  # more than bench/fan_out.py signs up


class Size(NamedTuple):
    """How many turns, and how many photos in each."""

    turns: int
    photos: int


class Journey(NamedTuple):
    """Seconds from the first byte of the request."""

    published: float
    in_feed: float


class Flood:
    """A fan-out and a backfill that are never done, until told to stop."""

    def __init__(self, log: Log, star: int, classic: int, crowd: Sequence[int]) -> None:
        self.log, self.star, self.classic = log, star, classic
        self.fans = cycle(crowd)
        self.posts = self.follows = 0
        self.seconds = 0.0
        self.ebbs = asyncio.Event()

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Within, both always have work waiting; after it, all is done."""
        began = time.perf_counter()
        self.ebbs.clear()
        async with asyncio.TaskGroup() as flood:
            flood.create_task(self.publish())
            flood.create_task(self.follow())
            try:
                await self.until(lambda waiting: waiting > 0)
                yield
            finally:  # or a flood that one of its sides has left would never end
                self.ebbs.set()
        await self.until(lambda waiting: waiting == 0)
        self.seconds += time.perf_counter() - began

    async def publish(self) -> None:
        """Posts without photos: they cost the decoders nothing, and fan-out as much as any."""
        while not self.ebbs.is_set():
            post = await self.log.append(PostSubmitted(photos=()), actor=self.star)
            await wait_for(self.log, post.address, DRAIN_SECONDS)  # planned, that is
            self.posts += 1
            await self.until(lambda waiting: waiting < AHEAD)

    async def follow(self) -> None:
        while not self.ebbs.is_set():
            wish = FollowRequested(followee_id=self.classic)
            wishes = [await self.log.append(wish, actor=next(self.fans)) for _ in range(AHEAD)]
            for each in wishes:
                await wait_for(self.log, each.address, DRAIN_SECONDS)
            self.follows += AHEAD

    async def until(self, holds: Callable[[int], bool]) -> None:
        """Until so many chunks wait to be pushed."""
        partition = shard_of(self.star) % self.log.partitions
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                lag = await lag_of(self.log, "fanout", FanoutChunk.TOPIC, partition)
                if holds(lag.entries + lag.pending):
                    return
                await asyncio.sleep(POLL_SECONDS)

    def __str__(self) -> str:
        pushed, follows = self.posts * FOLLOWERS / self.seconds, self.follows / self.seconds
        return f"{pushed:,.0f} entries/s pushed, {follows:,.0f} windows/s filled"


class Uploads:
    """Photos of somebody with one follower, who looks for them."""

    def __init__(self, people: Site, follower: Follower, uploader: Person, photo: bytes) -> None:
        self.people, self.follower, self.uploader, self.photo = people, follower, uploader, photo
        self.sent = time.time_ns()

    async def send(self, count: int) -> list[Journey]:
        """One a second, on time whatever became of those before."""
        began, journeys = time.perf_counter(), []
        for number in range(count):
            await asyncio.sleep(began + number * SECONDS_BETWEEN - time.perf_counter())
            journeys.append(asyncio.create_task(self.journey(), name=f"photo {number}"))
        return await asyncio.gather(*journeys)

    async def journey(self) -> Journey:
        self.sent += 1
        photo = another(self.photo, self.sent)
        began = time.perf_counter()
        post_id = (await self.people.upload(self.uploader, [photo], "On time"))["id"]
        seen = asyncio.create_task(self.follower.sees(post_id))
        await self.people.post(self.uploader, post_id, wait=10)
        published = time.perf_counter()
        return Journey(published - began, await seen - began)


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    size = Size(1, 8) if quick else Size(3, 8)
    people, settings = standing.people, standing.behind.settings
    star, classic, uploader, looking = [
        await people.sign_up(name) for name in ("star", "classic", "uploader", "looking")
    ]
    await people.follow(looking, uploader)
    crowd = await gather_crowd(
        settings, int(star.account_id), FOLLOWERS, FILL, earlier=OTHER_CROWDS
    )
    photo = await asyncio.to_thread(camera_photo)
    follower = Follower(people, looking)
    uploads = Uploads(people, follower, uploader, photo)
    quiet: list[Journey] = []
    beside: list[Journey] = []
    async with open_log(settings) as client:
        log = log_of(settings, client)
        await give_keys(log, crowd.ids)
        for _ in range(OLDER_POSTS):
            await log.append(PostSubmitted(photos=()), actor=int(classic.account_id))
        flood = Flood(log, int(star.account_id), int(classic.account_id), crowd.ids)
        looks = asyncio.create_task(follower.look(), name="looks")
        try:
            await uploads.send(2)  # connections open, everything warm
            for _ in range(size.turns):
                quiet += await uploads.send(size.photos)
                async with flood.flowing():
                    beside += await uploads.send(size.photos)
        finally:
            looks.cancel()
    return [
        row(
            "upload to published",
            str(flood),
            *[[j.published for j in js] for js in (beside, quiet)],
        ),
        row("upload to a feed", str(flood), *[[j.in_feed for j in js] for js in (beside, quiet)]),
    ]


def row(what: str, flood: str, beside: Sequence[float], quiet: Sequence[float]) -> Row:
    return Row(
        f"lanes: {what}, beside {flood}",
        f"p50 {milliseconds(median(beside))}, p99 {milliseconds(percentile(beside, 99))}",
        f"quiet: p50 {milliseconds(median(quiet))}, p99 {milliseconds(percentile(quiet, 99))}",
        f"{ratio(median(beside), median(quiet))} "
        f"(p99 {ratio(percentile(beside, 99), percentile(quiet, 99))})",
    )
