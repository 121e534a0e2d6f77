"""Dead, stalled or strange object storage is told soon, and never taken for an answer."""

import asyncio
import socket
import time
from urllib.parse import urlsplit

import pytest

from runtime.errors import Unavailable
from stores import signing
from stores.objects import Objects
from tests.faults.proxy import Proxy

PROMISED_SECONDS = 2


async def one_chunk():
    yield b"photo"


async def test_storage_that_refuses_is_told_at_once(settings):
    """With nobody listening, every operation says so immediately."""
    async with Objects(f"http://key:secret@127.0.0.1:{free_port()}/none") as dead:
        started = time.monotonic()
        assert not await dead.alive()
        with pytest.raises(Unavailable) as refusal:
            await dead.stage(one_chunk())
        with pytest.raises(Unavailable):
            await dead.read("any")
        with pytest.raises(Unavailable):
            [each async for each in dead.list("any")]
        await dead.discard(["any"])

        assert refusal.value.code == "objects-unavailable"
        assert refusal.value.retry_after >= 1
        assert time.monotonic() - started < 4
    async with Objects(settings.objects_url) as living:
        assert await living.alive()


async def test_storage_that_is_silent_is_not_waited_for():
    """An engine that takes calls and never answers is known as dead within two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with Objects(f"http://key:secret@127.0.0.1:{port}/none") as stalled:
            started = time.monotonic()
            answers = await asyncio.gather(*(stalled.alive() for _ in range(50)))

            assert not any(answers)
            assert time.monotonic() - started < 2


async def test_an_upload_does_not_wait_for_storage_that_fell_silent():
    """Nor does a read: nobody waits longer than two seconds for what gives no sign of life."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with Objects(f"http://key:secret@127.0.0.1:{port}/none") as stalled:
            asked = (stalled.stage(one_chunk()), stalled.read("any"), stalled.exists("any"))
            started = time.monotonic()
            outcomes = await asyncio.gather(*asked, return_exceptions=True)

            assert {type(each) for each in outcomes} == {Unavailable}
            assert time.monotonic() - started < PROMISED_SECONDS


async def test_an_upload_that_is_only_slow_is_kept(settings):
    """Storage that answers others may take its time with a photo."""
    url = urlsplit(settings.objects_url)
    async with Proxy((url.hostname, url.port)) as slow:
        there, here = (f"@{host}:{port}/" for host, port in (slow.upstream, slow.address))
        async with Objects(settings.objects_url.replace(there, here)) as objects:
            slow.delay(0.2)
            started = time.monotonic()
            staged = await objects.stage(chunks(16))
            took = time.monotonic() - started
            slow.delay(0)
            assert len(await objects.read(staged.key)) == staged.size_bytes
            await objects.discard([staged.key])
    assert took > PROMISED_SECONDS, "or this shows nothing"


async def chunks(count):
    for _ in range(count):
        yield bytes(60_000)


async def test_a_crowd_does_not_wait_turn_by_turn(monkeypatch):
    """When storage falls silent, uploads that wait for a turn are told with the first of them."""
    monkeypatch.setattr(signing, "_SILENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0), backlog=200) as silent:
        port = silent.getsockname()[1]
        async with Objects(f"http://key:secret@127.0.0.1:{port}/none") as stalled:
            started = time.monotonic()
            staging = (stalled.stage(one_chunk()) for _ in range(64))
            outcomes = await asyncio.gather(*staging, return_exceptions=True)

            assert {type(each) for each in outcomes} == {Unavailable}
            assert time.monotonic() - started < 2


async def test_a_wrong_secret_is_an_outage_not_an_answer(settings):
    """When storage refuses our signature nothing is taken for missing: work waits."""
    user, _, rest = settings.objects_url.partition(":")[2].partition(":")
    async with Objects(f"http:{user}:wrong@{rest.rpartition('@')[2]}") as stranger:
        with pytest.raises(Unavailable):
            await stranger.read("any")


async def test_a_missing_bucket_is_an_outage_not_an_answer(settings):
    """Of a bucket that is not there nobody may say that an object in it is lost."""
    async with Objects(f"{settings.objects_url}-none") as nowhere:
        assert not await nowhere.alive()
        for asking in (nowhere.read("any"), nowhere.delete(["any"]), nowhere.stage(one_chunk())):
            with pytest.raises(Unavailable) as refusal:
                await asking
            assert refusal.value.code == "objects-unavailable"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
