"""How fast a page of the feed is. One read gateway process, asked directly, without nginx.

Against a bare aiohttp + uvloop handler that returns the same bytes, in alternating rounds.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import aiohttp
import msgspec

from bench.bare import Page
from bench.client import Person, Site
from bench.load import Order, Outcome
from bench.photos import another, camera_photo
from bench.standing import Standing, Stopwatch, child, output_of
from bench.table import Row, milliseconds, percentile

VIEWERS, AUTHORS, FOLLOWED_EACH = 60, 24, 12
AT_ONCE = 8
PAGE = 30
PATH = "/v1/feed"
FILL_SECONDS = 120
# aiohttp writes these itself, on both sides.
OWN_HEADERS = ("date", "content-length", "connection", "transfer-encoding")


class Round(NamedTuple):
    """One server under load for a few seconds."""

    outcome: Outcome
    cpu_seconds: float

    @property
    def cpu_microseconds(self) -> float:
        return self.cpu_seconds / self.outcome.requests * 1e6


class Rounds(NamedTuple):
    """Ours and the reference's in turn."""

    ours: list[Round]
    bare: list[Round]


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    viewers = await populate(standing.people, posts_each=3 if quick else 5)
    requests = [request_of(viewer) for viewer in viewers]
    page = await page_of(standing.socket("gateway-read"), viewers[0])
    rows = []
    with TemporaryDirectory(prefix="heliograph-bare-") as folder:
        page = msgspec.structs.replace(page, socket=f"{folder}/bare.sock")
        async with child("bench.bare", given=msgspec.json.encode(page)) as bare:
            assert bare.stdout is not None  # noqa: S101  (PIPE was asked for)
            await bare.stdout.readline()
            servers = (
                (str(standing.socket("gateway-read")), standing.pid("gateway-read")),
                (page.socket, bare.pid),
            )
            await alternate(servers, requests, 16, 1, 1.0)  # memory and caches warm
            for connections, rounds, seconds in schedule(quick=quick):
                measured = await alternate(servers, requests, connections, rounds, seconds)
                rows += rows_of(measured, connections, len(page.body))
    return rows


def schedule(*, quick: bool) -> list[tuple[int, int, float]]:
    """Connections, rounds, seconds a round."""
    if quick:
        return [(16, 3, 1.5), (1, 1, 1.0), (64, 1, 1.0)]
    return [(16, 3, 4.0), (1, 3, 2.0), (64, 3, 2.0)]


def rows_of(measured: Rounds, connections: int, body_bytes: int) -> list[Row]:
    """Ratios are the median over pairs of neighbouring rounds, the rest over all rounds."""
    pairs = list(zip(measured.ours, measured.bare, strict=True))
    rate = median(ours.outcome.rate / bare.outcome.rate for ours, bare in pairs)
    cpu = median(ours.cpu_microseconds / bare.cpu_microseconds for ours, bare in pairs)
    ours_cpu, bare_cpu = (median(r.cpu_microseconds for r in rounds) for rounds in measured)
    many = "connection" if connections == 1 else "connections"
    return [
        Row(
            f"feed_page: {PAGE} posts ({body_bytes / 1000:.0f} kB), {connections} {many}",
            summary(measured.ours),
            f"bare handler: {summary(measured.bare)}",
            f"{rate:.2f}",
            "≥ 0.3" if connections == 16 else "",
        ),
        Row(
            f"feed_page: CPU of the process a page, {connections} {many}",
            f"{ours_cpu:,.0f} µs",
            f"bare handler: {bare_cpu:,.0f} µs",
            f"{cpu:.2f}",
        ),
    ]


def summary(rounds: Sequence[Round]) -> str:
    latencies = [latency for each in rounds for latency in each.outcome.latencies]
    rate = median(each.outcome.rate for each in rounds)
    p50, p99 = (milliseconds(percentile(latencies, percent)) for percent in (50, 99))
    return f"{rate:,.0f}/s, p50 {p50}, p99 {p99}"


async def alternate(
    servers: Sequence[tuple[str, int]],
    requests: list[bytes],
    connections: int,
    rounds: int,
    seconds: float,
) -> Rounds:
    measured = Rounds([], [])
    for _ in range(rounds):
        for (socket, pid), into in zip(servers, measured, strict=True):
            order = Order(socket, requests, connections, seconds)
            watch = Stopwatch(pid)
            async with child("bench.load", given=msgspec.json.encode(order)) as load:
                outcome = msgspec.json.decode(await output_of(load, seconds + 30), type=Outcome)
            into.append(Round(outcome, *watch.cpu()))
    return measured


def request_of(viewer: Person) -> bytes:
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {viewer.token}\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()


async def page_of(gateway: Path, viewer: Person) -> Page:
    """What the gateway answers: the reference returns the same bytes under the same headers."""
    connector = aiohttp.UnixConnector(str(gateway))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"http://127.0.0.1{PATH}", headers=viewer.headers) as response,
    ):
        headers = {k: v for k, v in response.headers.items() if k.lower() not in OWN_HEADERS}
        return Page("", PATH, headers, await response.read())


async def populate(people: Site, posts_each: int) -> list[Person]:
    """Members whose feeds differ: each follows some authors, whose photos have four sizes."""
    slots = asyncio.Semaphore(AT_ONCE)
    dice = random.Random(1)
    # Narrow and high: all four renditions for little decoding.
    photo = camera_photo(width=700, height=2100)

    async def sign_up(number: int) -> Person:
        async with slots:
            return await people.sign_up(f"member{number}")

    async def follow(viewer: Person, author: Person) -> None:
        async with slots:
            path = f"/v1/accounts/{author.username}/follow"
            await people.call("PUT", path, 202, viewer)

    async def upload(author: Person, number: int) -> None:
        async with slots:
            await people.upload(author, [another(photo, number)], f"Post {number} 🌅", "a view")

    members = await asyncio.gather(*(sign_up(number) for number in range(VIEWERS)))
    authors = members[:AUTHORS]
    for viewer in members:
        others = [author for author in authors if author is not viewer]
        await asyncio.gather(*(follow(viewer, each) for each in dice.sample(others, FOLLOWED_EACH)))
    await asyncio.gather(*(upload(authors[n % AUTHORS], n) for n in range(AUTHORS * posts_each)))
    await asyncio.gather(
        *(filled(people, viewer, FOLLOWED_EACH * posts_each, slots) for viewer in members)
    )
    return members


async def filled(people: Site, viewer: Person, posts: int, slots: asyncio.Semaphore) -> None:
    """Wait until everything that will stand in the viewer's feed does."""
    async with asyncio.timeout(FILL_SECONDS):
        while True:
            async with slots:
                if len(await people.feed(viewer, 100)) == posts:
                    return
            await asyncio.sleep(0.5)
