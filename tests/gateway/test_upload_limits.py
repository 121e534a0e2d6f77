import asyncio
from io import BytesIO

import pytest

from events.log import Log
from gateway import forms, uploads
from gateway.inflight import UPLOADS, InFlight
from gateway.keys import LOG, OBJECTS
from gateway.uploads import MOST_BYTES
from runtime.connections import open_log
from stores.objects import Objects
from tests.gateway.uploading import HEAD, JPEG, MEBIBYTE, raw_answer, uploading


@pytest.fixture
async def ada(settings):
    async with uploading(settings) as uploader:
        yield uploader


@pytest.mark.parametrize("announced", [True, False])
async def test_a_photo_over_25_mebibytes_is_refused(ada, announced):
    """With Content-Length and without: 25 MiB are taken, one byte more is not."""

    async def body(size):
        yield b'--b\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\n\r\n'
        for at in range(0, size, MEBIBYTE):
            yield (JPEG if at == 0 else b"").ljust(min(MEBIBYTE, size - at), b"x")
        yield b"\r\n--b--\r\n"

    async def send(size):
        whole = body(size)
        if announced:
            whole = BytesIO(b"".join([chunk async for chunk in whole]))
        return await ada.post(whole, {"Content-Type": "multipart/form-data; boundary=b"})

    response, problem = await send(25 * MEBIBYTE + 1)
    assert (response.status, problem["code"]) == (413, "too-large")
    assert await ada.staged() == set()
    response, answer = await send(25 * MEBIBYTE)
    assert response.status == 202
    assert (await ada.event(answer)).photos[0].size_bytes == 25 * MEBIBYTE


async def test_a_body_that_must_be_too_large_is_refused_unread(ada):
    """Who announces more than ten photos can weigh is told at once."""
    answer = await raw_answer(ada, f"Content-Length: {MOST_BYTES + 1}\r\n", b"")

    assert b" 413 " in answer.splitlines()[0]


async def test_a_bad_key_is_told_before_the_body(ada):
    """422 without waiting for megabytes."""
    answer = await raw_answer(ada, "Idempotency-Key: \u00e9\r\nContent-Length: 9999\r\n", HEAD)

    assert b" 422 " in answer.splitlines()[0]


async def test_storage_that_is_down_is_told_before_the_body(ada, settings):
    """503 with Retry-After while the client still holds its megabytes."""
    async with Objects("http://k:s@127.0.0.1:9/bucket") as nowhere:
        ada.app._state[OBJECTS] = nowhere
        answer = await raw_answer(ada, "Content-Length: 9999999\r\n", HEAD)

    assert b" 503 " in answer.splitlines()[0]
    assert b"Retry-After:" in answer
    assert b"objects-unavailable" in answer


async def test_a_log_that_is_down_is_told_before_the_body(ada, settings):
    """503 as well: what cannot be recorded is not read."""
    nowhere = settings.replace(log_url="redis://127.0.0.1:9")
    async with open_log(nowhere) as client:
        ada.app._state[LOG] = Log(client, partitions=8, secret=b"s" * 32)
        answer = await raw_answer(ada, "Content-Length: 9999999\r\n", HEAD)

    assert b" 503 " in answer.splitlines()[0]
    assert b"Retry-After:" in answer


async def test_uploads_beyond_the_bound_are_told_to_come_back(ada):
    """In number and in announced bytes; a place is free again when an upload ends, however."""
    ada.app._state[UPLOADS] = bound = InFlight("uploads", 1, 10 * MEBIBYTE)
    with bound.admit(0):
        response, problem = await ada.send(("photo", JPEG))
        assert (response.status, problem["code"]) == (503, "overloaded")
        assert int(response.headers["Retry-After"]) > 0
    answer = await raw_answer(ada, f"Content-Length: {11 * MEBIBYTE}\r\n", HEAD)
    assert b" 503 " in answer.splitlines()[0]
    assert (await ada.send(("photo", b"no")))[0].status == 415
    assert (await ada.send(("photo", JPEG)))[0].status == 202
    assert (bound.count, bound.bytes) == (0, 0)


async def test_a_client_that_leaves_mid_upload_leaves_nothing(ada):
    """What it had staged is taken back and its place is free."""
    sent = HEAD + JPEG + b"\r\n" + HEAD + JPEG[:5000]
    _, writer = await ada.begin("Content-Length: 999999\r\n", sent)
    await asyncio.sleep(0.1)
    writer.write(JPEG[5000:10_000])
    await until(ada.staged, lambda staged: len(staged) == 1)
    writer.close()

    await until(ada.staged, lambda staged: not staged and not ada.app[UPLOADS].count)


async def test_a_client_that_sends_a_byte_a_second_is_cut(ada, monkeypatch):
    """408: silence has a bound, and so has a trickle."""
    monkeypatch.setattr(uploads, "Pace", lambda: forms.Pace(grace_seconds=0.5))
    reader, writer = await ada.begin("Content-Length: 999999\r\n", HEAD + JPEG[:200])

    async def trickle():
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(3):
        answer = await reader.readuntil(b"}")
    trickling.cancel()
    writer.close()

    assert b" 408 " in answer.splitlines()[0]
    assert await ada.staged() == set()


async def test_a_pause_is_forgiven_to_who_sends_steadily():
    """What a client sends buys it time again, up to the grace and never beyond."""
    pace = forms.Pace(grace_seconds=0.3, bytes_per_second=100)
    for _ in range(4):
        await pace.wait(asyncio.sleep(0.15))
        pace.credit(1_000_000)
    assert pace.left_seconds == 0.3


async def until(ask, holds):
    async with asyncio.timeout(5):
        while not holds(await ask()):  # noqa: ASYNC110 - storage tells nobody of changes
            await asyncio.sleep(0.02)
