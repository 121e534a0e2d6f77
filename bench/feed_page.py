"""How fast a page of the feed is. One read gateway process, asked directly, without nginx.

Against a bare aiohttp + uvloop handler that returns the same bytes, in alternating rounds.
"""

import asyncio
import random

from bench.answered import answered_barely
from bench.client import Person, Site
from bench.photos import another, camera_photo
from bench.rounds import Server, alternate, rows_of, turns
from bench.standing import Standing
from bench.table import Row

VIEWERS, AUTHORS, FOLLOWED_EACH = 60, 24, 12
AT_ONCE = 8
PAGE = 30
PATH = "/v1/feed"
FILL_SECONDS = 120


async def measure(standing: Standing, *, quick: bool) -> list[Row]:
    viewers = await populate(standing.people, posts_each=3 if quick else 5)
    requests = [request_of(viewer) for viewer in viewers]
    gateway = standing.socket("gateway-read")
    rows = []
    async with answered_barely(gateway, PATH, requests) as (socket, pid, size):
        servers = (Server(str(gateway), standing.pid("gateway-read")), Server(socket, pid))
        await alternate(servers, turns(requests), 16, 1, 1.0)  # memory and caches warm
        for connections, rounds, seconds in schedule(quick=quick):
            ours, bare = await alternate(servers, turns(requests), connections, rounds, seconds)
            aim = "≥ 0.3" if connections == 16 else ""
            question = f"feed_page: {PAGE} posts ({size / 1000:.0f} kB)"
            rows += rows_of(question, ours, bare, connections, aim)
    return rows


def schedule(*, quick: bool) -> list[tuple[int, int, float]]:
    """Connections, rounds, seconds a round."""
    if quick:
        return [(16, 3, 1.5), (1, 1, 1.0), (64, 1, 1.0)]
    return [(16, 3, 4.0), (1, 3, 2.0), (64, 3, 2.0)]


def request_of(viewer: Person) -> bytes:
    return (
        f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {viewer.token}\r\n"
        "Accept: application/json\r\nUser-Agent: bench\r\n\r\n"
    ).encode()


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
