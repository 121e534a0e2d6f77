"""How long it takes from a photo's first byte until it stands in a follower's feed.

2 MB, 12 megapixels, through the site's one address, at a steady rate whatever is still under way;
against the time that the decoder alone takes for the same photo and the same renditions. And how
many photos a second the whole pipeline makes, against two decoders alone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import mean, median
from typing import NamedTuple

from bench.client import Person, Site
from bench.decoding import Decoding, decoders_alone
from bench.photos import another, camera_photo
from bench.spending import most, standing_cpu
from bench.standing import Standing
from bench.table import Row, milliseconds, percentile, ratio

POLL_SECONDS = 0.02
POLL_SECONDS_IN_A_BURST = 0.25  # looking is not to take the time that is measured
UPLOAD_SECONDS = 120
UPLOADERS = 4
IN_ANSWER = 100


class Size(NamedTuple):
    """How many photos at once for the capacity, and how many at each rate."""

    burst: int
    steady: int
    decodes: int


class Journey(NamedTuple):
    """Seconds from the first byte of the request."""

    answered: float
    in_feed: float


class Follower:
    """Looks at their feed again and again, for as long as a photo is awaited."""

    def __init__(self, people: Site, person: Person) -> None:
        self.people, self.person = people, person
        self.poll_seconds = POLL_SECONDS
        self.awaited: dict[str, asyncio.Future[float]] = {}
        self.someone = asyncio.Event()

    async def sees(self, post_id: str) -> float:
        """The moment at which the post was first in an answer."""
        self.awaited[post_id] = asyncio.get_running_loop().create_future()
        self.someone.set()
        async with asyncio.timeout(UPLOAD_SECONDS):
            return await self.awaited[post_id]

    async def look(self) -> None:
        while True:
            await self.someone.wait()
            posts = await self.people.feed(self.person, min(IN_ANSWER, len(self.awaited) + 10))
            now = time.perf_counter()
            for post in posts:
                if awaited := self.awaited.pop(post["id"], None):
                    awaited.set_result(now)
            if not self.awaited:
                self.someone.clear()
            await asyncio.sleep(self.poll_seconds)


class Capacity(NamedTuple):
    """What the pipeline does when many photos come at once."""

    rate: float
    """Photos a second, until all stand in a feed."""
    cpu_seconds: Counter[str]
    """A photo's, by process."""

    @property
    def cores(self) -> float:
        """That ten uploads a second would need."""
        return 10 * self.cpu_seconds.total()


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    size = Size(12, 8, 3) if quick else Size(40, 30, 7)
    people = standing.people
    photo = await asyncio.to_thread(camera_photo)
    alone = await decoders_alone(photo, size.decodes)
    before = await decoders_alone(photo, size.decodes, at_once=2)
    async with Uploading.of(people, photo) as uploading:
        capacity = await uploading.capacity(standing, size.burst)
        after = await decoders_alone(photo, size.decodes, at_once=2)
        slow = await uploading.photos.send(size.steady, every=1.0)
        half = await uploading.photos.send(size.steady, every=2 / capacity.rate)
    reference = f"decoder alone: {milliseconds(alone.seconds)}"
    megabytes = f"{len(photo) / 1e6:.1f} MB"
    at_half = f"{megabytes}, {capacity.rate / 2:.1f} uploads/s, half the capacity"
    return [
        row(f"{megabytes}, 1 upload/s", slow, reference, alone.seconds),
        row(at_half, half, reference, alone.seconds),
        *capacity_rows(capacity, size.burst, before, after),
    ]


def capacity_rows(capacity: Capacity, burst: int, before: Decoding, after: Decoding) -> list[Row]:
    decoders = mean((before.rate, after.rate))
    cpu = mean((before.cpu_seconds, after.cpu_seconds))
    spent = capacity.cpu_seconds.total()
    return [
        Row(
            f"upload_to_feed: capacity of the pipeline, {burst} photos at once",
            f"{capacity.rate:.1f} photos/s until all stand in the feed",
            f"two decoders alone: {decoders:.1f}/s",
            ratio(capacity.rate, decoders),
            "≥ 0.8",
        ),
        Row(
            "upload_to_feed: CPU seconds a photo; cores that 10 uploads/s need",
            f"{spent:.2f} ({most(capacity.cpu_seconds)}); {capacity.cores:.1f} cores",
            f"decoder alone: {cpu:.2f}; {10 * cpu:.1f} cores",
            ratio(spent, cpu),
        ),
    ]


def row(what: str, journeys: Sequence[Journey], reference: str, alone: float) -> Row:
    seconds = [journey.in_feed for journey in journeys]
    p50, p99 = percentile(seconds, 50), percentile(seconds, 99)
    answered = milliseconds(median(journey.answered for journey in journeys))
    return Row(
        f"upload_to_feed: {what}",
        f"p50 {milliseconds(p50)}, p99 {milliseconds(p99)} (202 after {answered})",
        reference,
        f"{ratio(p50, alone)} (p99 {ratio(p99, alone)})",
        "≤ 2 at p50",
    )


class Uploading(NamedTuple):
    """Some who upload, and one who follows them and looks."""

    follower: Follower
    photos: "Photos"

    @classmethod
    @asynccontextmanager
    async def of(cls, people: Site, photo: bytes) -> "AsyncIterator[Uploading]":
        follower = Follower(people, await people.sign_up("follower"))
        uploaders = [await people.sign_up("uploader") for _ in range(UPLOADERS)]
        for uploader in uploaders:
            await people.follow(follower.person, uploader)
        looking = asyncio.create_task(follower.look(), name="looking")
        try:
            photos = Photos(people, follower, uploaders, photo)
            await photos.send(2, every=0.5)  # connections open, everything warm
            yield cls(follower, photos)
        finally:
            looking.cancel()

    async def capacity(self, standing: Standing, burst: int) -> Capacity:
        self.follower.poll_seconds = POLL_SECONDS_IN_A_BURST
        spent, began = standing_cpu(standing), time.perf_counter()
        await self.photos.send(burst, every=0.0)
        seconds = time.perf_counter() - began
        self.follower.poll_seconds = POLL_SECONDS
        spent = standing_cpu(standing) - spent
        return Capacity(
            burst / seconds,
            Counter({name: each / burst for name, each in spent.items()}),
        )


class Photos:
    """Sends photos that nobody sent before."""

    def __init__(
        self, people: Site, follower: Follower, uploaders: Sequence[Person], photo: bytes
    ) -> None:
        self.people, self.follower, self.uploaders, self.photo = people, follower, uploaders, photo
        self.sent = time.time_ns()

    async def send(self, count: int, *, every: float) -> list[Journey]:
        """One every so many seconds, on time whatever became of those before."""
        began = time.perf_counter()
        journeys = []
        for number in range(count):
            await asyncio.sleep(began + number * every - time.perf_counter())
            journeys.append(asyncio.create_task(self.journey(), name=f"photo {number}"))
        return await asyncio.gather(*journeys)

    async def journey(self) -> Journey:
        self.sent += 1
        photo = another(self.photo, self.sent)
        uploader = self.uploaders[self.sent % len(self.uploaders)]
        began = time.perf_counter()
        answer = await self.people.upload(uploader, [photo], "On time")
        answered = time.perf_counter()
        return Journey(answered - began, await self.follower.sees(answer["id"]) - began)
