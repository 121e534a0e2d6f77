"""The row "object storage": uploads are refused before the body, and accepted ones wait."""

import asyncio
from contextlib import AsyncExitStack
from secrets import randbits

from bench.photos import camera_photo
from stores.objects import STAGING, Objects
from tests.faults.degraded.outages import PROMISED_SECONDS, SLACK_SECONDS, site_of, working
from tests.gateway.publishing import form, urls_of
from workers.process import create_groups

CROWD = 12
READERS = 300
"""More than a gateway has connections to storage."""
PART = b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n'
UPLOAD = (
    "POST /v1/posts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {size}\r\n\r\n"
)


async def test_object_storage_down_uploads_are_refused_before_the_body_and_feeds_go_on(
    settings, how
):
    """Nobody sends megabytes for a 503. Feeds, posts and other commands do not notice.

    Photos are 503, soon. What was accepted before waits, and is published afterwards.
    """
    await create_groups(settings)  # as `make run` does, before anybody's first command
    async with site_of(settings) as site, AsyncExitStack() as later:
        ada, bob = [await site.gateway.sign_up(each) for each in ("ada", "bob")]
        followed = await site.command("PUT", "/v1/accounts/ada/follow", bob)
        async with working(site.settings, ["renditions"]):
            first = await uploaded(site, ada)
            await site.applied((bob, followed), (ada, first))
        waiting = await uploaded(site, ada)
        url = next(iter((await urls_of(site.gateway, first["id"], bob)).values()))
        assert (await site.ask("GET", url)).status == 200

        async with site.down("objects", how):
            await later.enter_async_context(working(site.settings, ["renditions"]))
            await asyncio.gather(
                *(site.refused("GET", url, code="objects-unavailable") for _ in range(READERS)),
                *(told_before_the_body(site, ada) for _ in range(CROWD)),
            )
            await site.check("objects", "down")
            assert await site.feed(bob) == [first["id"]]
            await site.get(f"/v1/posts/{first['id']}", bob)
            await site.command("PATCH", "/v1/me", bob, json={"bio": "Hi"})
            state = (await site.get(f"/v1/posts/{waiting['id']}", ada))["state"]
            assert state == "processing"

        await site.check("objects", "ok")
        await site.applied((ada, waiting))
        answer = await site.until_status(202, "POST", "/v1/posts", ada, data=form(new_photo()))
        await site.applied((ada, answer.body))
        posts = [each["id"] for each in (first, waiting, answer.body)]
        await site.until(lambda: site.shows(bob, posts))
        assert (await site.ask("GET", url)).status == 200


async def test_object_storage_down_an_upload_under_way_is_told_soon(settings, how):
    """Between two photos of a post, too: nobody waits for the first to be taken back."""
    async with site_of(settings, roles=()) as site, Objects(settings.objects_url) as objects:
        ada = await site.gateway.sign_up("ada")
        before = await staged(objects)
        first, rest = (PART + new_photo() for _ in range(2))
        last = b"\r\n--b--\r\n"
        size = len(first) + len(rest) + 2 + len(last)
        reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port)
        writer.write(UPLOAD.format(token=ada.token, size=size).encode())
        unsent = bytearray(rest)
        writer.write(first + b"\r\n")

        async def first_is_staged():
            # The end of a part is known by what follows it.
            writer.write(bytes(unsent[:100]))
            del unsent[:100]
            return len(await staged(objects) - before) == 1

        await site.until(first_is_staged)
        async with site.down("objects", how), asyncio.timeout(PROMISED_SECONDS + SLACK_SECONDS):
            writer.write(bytes(unsent) + last)
            told = await reader.readuntil(b"}")
        writer.close()
        await objects.delete(await staged(objects) - before)
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"objects-unavailable"' in told


async def staged(objects):
    return {each.key async for each in objects.list(STAGING)}


async def uploaded(site, person):
    return await site.command("POST", "/v1/posts", person, data=form(new_photo()))


def new_photo():
    """Unlike any before it, or what is stored of that one would do."""
    return camera_photo(randbits(32), width=320, height=240)


async def told_before_the_body(site, person):
    """The headers of an upload are enough for its refusal, within what is promised."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.gateway.port)
    try:
        async with asyncio.timeout(PROMISED_SECONDS + SLACK_SECONDS):
            writer.write(UPLOAD.format(token=person.token, size=20_000_000).encode())
            told = (await reader.readuntil(b"}")).decode()
    finally:
        writer.close()
    assert told.startswith("HTTP/1.1 503 ")
    assert "Retry-After:" in told
    assert '"code":"objects-unavailable"' in told
