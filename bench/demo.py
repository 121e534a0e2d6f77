"""`make demo`: a photo from a camera to a follower's feed, each step timed, and nothing leaked.

Runs against the site at HELIOGRAPH_PORT, or starts one of its own in a temporary folder and stops
it again. The exit status says whether everything held.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, TypeVar

import aiohttp
from PIL import Image

from bench.client import Person, Refused, Site
from bench.own_site import own_site
from bench.photos import HEIGHT, WIDTH, another, camera_photo, traces_of
from bench.traces import traces_in

T = TypeVar("T")
FEED_SECONDS = 10
CAPTION = "First light over the canal 🌅"


class Failed(Exception):
    """Something the system promises did not hold."""


async def demonstrate(site: Site) -> None:
    """Every step in order; `Failed` or `Refused` at the first that does not hold."""
    photo = await timed("a phone takes a photo, GPS in its EXIF", camera())
    ada = await timed("Ada signs up", site.sign_up("ada"))
    bob = await timed("Bob signs up", site.sign_up("bob"))
    await timed("Bob follows Ada, and every read shows it", site.follow(bob, ada))
    began = time.perf_counter()
    sent = await timed(
        f"Ada uploads {len(photo) / 1e6:.1f} MB", site.upload(ada, [photo], CAPTION, "a canal")
    )
    post = await timed("the photo is published", published(site, ada, sent["id"]))
    await timed("the post stands in Bob's feed", in_feed(site, bob, sent["id"]))
    say("from the first byte to Bob's feed", time.perf_counter() - began)
    served = await timed("Bob's phone fetches every rendition", renditions(site, post))
    await timed("none of them tells where, when or with what it was taken", prove(photo, served))


async def camera() -> bytes:
    photo = await asyncio.to_thread(camera_photo)
    return another(photo, time.time_ns())  # never seen before, so nothing is reused


async def published(site: Site, author: Person, post_id: str) -> dict[str, Any]:
    post = await site.post(author, post_id, wait=10)
    demand(post["state"] == "published", f"the post is {post['state']}: {post.get('problem')}")
    demand(post["caption"] == CAPTION, f"the caption became {post['caption']!r}")
    size = (post["photos"][0]["width"], post["photos"][0]["height"])
    demand(size == (HEIGHT, WIDTH), f"the photo does not stand upright: {size}")
    return post


async def in_feed(site: Site, follower: Person, post_id: str) -> None:
    deadline = time.monotonic() + FEED_SECONDS
    while post_id not in [post["id"] for post in await site.feed(follower)]:
        demand(time.monotonic() < deadline, "the post never came to the feed")
        await asyncio.sleep(0.01)


async def renditions(site: Site, post: dict[str, Any]) -> list[tuple[str, bytes]]:
    """The name and bytes of every rendition, each as large as the post says."""
    served = []
    for rendition in post["photos"][0]["renditions"]:
        name = f"{rendition['width']}x{rendition['height']} {rendition['type']}"
        content = await site.photo(rendition["url"])
        with Image.open(BytesIO(content)) as picture:
            picture.load()
            size = (rendition["width"], rendition["height"])
            demand(picture.size == size, f"{name} is {picture.size}")
        served.append((name, content))
    demand(bool(served), "the post has no renditions")
    return served


async def prove(photo: bytes, served: list[tuple[str, bytes]]) -> None:
    secrets = traces_of(photo)
    demand(bool(traces_in(photo, secrets)), "the check finds nothing even in the original")
    for name, content in served:
        found = traces_in(content, secrets)
        demand(not found, f"{name} holds {'; '.join(found)}")
        print(f"             {name}: {len(content) / 1e3:.0f} kB, clean")


def demand(holds: bool, otherwise: str) -> None:  # noqa: FBT001  (reads as assert does)
    if not holds:
        raise Failed(otherwise)


async def timed(step: str, doing: Awaitable[T]) -> T:
    began = time.perf_counter()
    done = await doing
    say(step, time.perf_counter() - began)
    return done


def say(step: str, seconds: float) -> None:
    print(f"{seconds * 1000:9.0f} ms  {step}", flush=True)


@asynccontextmanager
async def some_site() -> AsyncIterator[Site]:
    """The running site, or one of our own."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        port = os.environ.get("HELIOGRAPH_PORT") or "8080"
        running = Site(session, f"http://127.0.0.1:{port}")
        if await running.answers():
            print(f"On the site at {running.address}.")
            yield running
            return
        print(f"No site answers at {running.address}: starting one of our own.", flush=True)
        async with own_site() as address:
            yield Site(session, address)


async def main() -> int:
    try:
        async with some_site() as site:
            await demonstrate(site)
    except (Failed, Refused, aiohttp.ClientError, OSError) as error:
        print(f"It did not hold: {error!s:.2000} ({type(error).__name__})", file=sys.stderr)
        return 1
    print("Everything held.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("Ended before everything was shown.")
