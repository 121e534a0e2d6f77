import asyncio

import pytest

from events.accounts import AccountRegistered
from events.claims import ensure_group
from events.dead_letters import Drop, Letter, Undelivered, bury, drop, retry
from events.ids import Position
from events.log import Log, stream_key
from events.posts import PostSubmitted, StagedPhoto
from stores.objects import Objects
from workers import house
from workers.site import Darkroom, Site

ROLE = "renditions"


@pytest.fixture
async def site(settings, log_client, monkeypatch):
    """A darkroom whose staging is empty, and where all that is staged is old at once."""
    monkeypatch.setattr(house, "STAGED_SECONDS", -60)
    log = Log(log_client, partitions=8, secret=settings.secret.reveal().encode())
    async with Objects(settings.objects_url) as objects:
        await objects.delete([each.key async for each in objects.list("staging/")])
        yield Darkroom(log=log, objects=objects, decoders=None)


async def stage(site):
    async def photo():
        yield b"bytes"

    return (await site.objects.stage(photo())).key


async def submit(site):
    """A post that `renditions` was given; its staged key and what a dead letter calls it."""
    key = await stage(site)
    photo = StagedPhoto(key=key, sha256="ab" * 32, size_bytes=5)
    registered = AccountRegistered(username=f"ada{key[-8:]}")
    actor = (await site.log.register(registered)).id
    appended = await site.log.append(PostSubmitted(photos=(photo,)), actor=actor)
    topic, partition, position = appended.address
    await ensure_group(site.log.client, stream_key(topic, partition), ROLE)
    await site.log.client.xreadgroup(ROLE, "one", {stream_key(topic, partition): ">"})
    return key, Undelivered(ROLE, topic, partition, position)


async def bury_it(site, what):
    letter = Letter(reason="poison", traceback="", attempts=8, buried_ms=1, entry={})
    assert await bury(site.log.client, what, letter, consumer="one")


async def test_what_nobody_waits_for_is_swept_from_staging(site):
    """Left-over bytes go; those of a post that is still to be rendered stay, however old."""
    left = await stage(site)
    await house.sweep(site, ROLE)
    assert not await site.objects.exists(left)

    waiting, what = await submit(site)
    await house.sweep(site, ROLE)
    assert await site.objects.exists(waiting)

    await site.log.client.xack(stream_key(what.topic, what.partition), ROLE, str(what.position))
    await house.sweep(site, ROLE)
    assert not await site.objects.exists(waiting)


async def test_a_buried_post_keeps_its_bytes_and_no_others(site):
    """It may be retried, weeks later perhaps; until then staging does not fill up behind it."""
    buried, what = await submit(site)
    await bury_it(site, what)
    left = await stage(site)

    await house.sweep(site, ROLE)
    assert await site.objects.exists(buried)
    assert not await site.objects.exists(left)

    assert await retry(site.log.client, what) == "retried"
    await house.sweep(site, ROLE)
    assert await site.objects.exists(buried)


async def test_a_dropped_post_gives_its_bytes_up(site):
    """Whoever retries it all the same learns that they are gone."""
    dropped, what = await submit(site)
    await bury_it(site, what)
    await drop(site.log.client, what, Drop(who="me", why="spam", dropped_ms=1))

    await house.sweep(site, ROLE)
    assert not await site.objects.exists(dropped)


async def test_a_buried_delivery_that_cannot_be_read_keeps_whatever_it_may_need(site):
    """Of an event of a newer version nobody here knows which bytes it needs."""
    stream = stream_key("posts", 0)
    position = await site.log.client.xadd(stream, {"type": "post.framed"})
    await ensure_group(site.log.client, stream, ROLE)
    await site.log.client.xreadgroup(ROLE, "one", {stream: ">"})
    await bury_it(site, Undelivered(ROLE, "posts", 0, Position.parse(position)))
    staged = await stage(site)

    await house.sweep(site, ROLE)
    assert await site.objects.exists(staged)


async def test_a_round_of_the_house_forgets_who_is_gone(settings, log_client, monkeypatch):
    """A consumer of a host that is no more leaves every group, unless something is in its name."""
    log = Log(log_client, partitions=settings.partitions, secret=settings.secret.reveal().encode())
    monkeypatch.setattr(house, "LEAST_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(house, "ROUND_SECONDS", 0.01)
    actor = (await log.register(AccountRegistered(username="ada"))).id
    busy, idle = [stream_key("posts", (actor >> 10) % 8 ^ each) for each in (0, 1)]
    await log.append(PostSubmitted(photos=()), actor=actor)
    for stream in (busy, idle):
        await ensure_group(log_client, stream, "posts")
        await log_client.xreadgroup("posts", "gone", {stream: ">"})

    stopping = asyncio.Event()
    site = Site(log=log, database=None, feeds=None)
    keeping = asyncio.create_task(house.keep_house(site, "posts", stopping, lease_seconds=0))
    async with asyncio.timeout(10):
        while await log_client.xinfo_consumers(idle, "posts"):
            pass
        stopping.set()
        await keeping

    [kept] = await log_client.xinfo_consumers(busy, "posts")
    assert (kept["name"], kept["pending"]) == (b"gone", 1)
