"""How long it takes from a photo's first byte until it stands in a follower's feed.

2 MB, 12 megapixels, through the site's one address, at a steady rate whatever is still under way;
against the time that the decoder alone takes for the same photo and the same renditions.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.client import Person, Site
from bench.photos import another, camera_photo
from bench.standing import Standing, child, output_of
from bench.table import Row, milliseconds, percentile, ratio

POLL_SECONDS = 0.02
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
            await asyncio.sleep(POLL_SECONDS)


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    size = Size(12, 8, 3) if quick else Size(40, 30, 7)
    people = standing.people
    photo = await asyncio.to_thread(camera_photo)
    alone = await decode_alone(photo, size.decodes)
    follower = Follower(people, await people.sign_up("follower"))
    uploaders = [await people.sign_up("uploader") for _ in range(UPLOADERS)]
    for uploader in uploaders:
        await people.follow(follower.person, uploader)

    looking = asyncio.create_task(follower.look(), name="looking")
    try:
        photos = Photos(people, follower, uploaders, photo)
        await photos.send(2, every=0.5)  # connections open, everything warm
        began = time.perf_counter()
        await photos.send(size.burst, every=0.0)
        capacity = size.burst / (time.perf_counter() - began)
        slow = await photos.send(size.steady, every=1.0)
        half = await photos.send(size.steady, every=2 / capacity)
    finally:
        looking.cancel()
    reference = f"decoder alone: {milliseconds(alone)}"
    megabytes = f"{len(photo) / 1e6:.1f} MB"
    at_half = f"{megabytes}, {capacity / 2:.1f} uploads/s, half the capacity"
    return [
        row(f"{megabytes}, 1 upload/s", slow, reference, alone),
        row(at_half, half, reference, alone),
        Row(
            f"upload_to_feed: capacity of the pipeline, {size.burst} photos at once",
            f"{capacity:.1f} photos/s until all stand in the feed",
            f"decoder alone, both cores: {2 / alone:.1f}/s",
            ratio(capacity, 2 / alone),
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
        "≤ 3 at p50",
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


async def decode_alone(photo: bytes, times: int) -> float:
    """Median wall seconds for one photo, nothing else going on."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(photo)
        async with child("bench.decode_alone", str(path), str(times)) as decoding:
            rounds = json.loads(await output_of(decoding, UPLOAD_SECONDS))
    return median(wall for wall, _ in rounds)
