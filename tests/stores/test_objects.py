"""Bytes go in and out whole, once, in constant memory, and never wait long for a dead engine."""

import asyncio
import hashlib
import os
import resource
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runtime.errors import Invalid, NotFound, TooLarge, Unavailable
from stores.objects import MAX_PHOTO_BYTES, STAGING, original_key, rendition_key

MEBIBYTE = 1024 * 1024


def fresh_key() -> str:
    return f"tests/{os.urandom(8).hex()}"


async def chunks_of(content: bytes, size: int = 64 * 1024):
    for at in range(0, len(content), size):
        yield content[at : at + size]
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 3 * MEBIBYTE + 7])
async def test_staged_bytes_come_back(objects, tmp_path, size):
    """What was staged is fetched whole, under the hash and size that staging told."""
    content = os.urandom(size)

    staged = await objects.stage(chunks_of(content))
    fetched = await objects.fetch_to(staged.key, tmp_path / "back")

    assert staged.key.startswith(STAGING)
    assert (tmp_path / "back").read_bytes() == content
    assert staged.sha256 == fetched.sha256 == hashlib.sha256(content).hexdigest()
    assert staged.size_bytes == fetched.size_bytes == size


async def test_too_large_is_told_while_it_streams(objects):
    """A photo over 25 MiB is refused at the byte that is too much; nothing of it is stored."""
    taken = 0

    async def endless():
        nonlocal taken
        while True:
            taken += MEBIBYTE
            yield bytes(MEBIBYTE)

    before = {each.key async for each in objects.list(STAGING)}
    with pytest.raises(TooLarge) as refusal:
        await objects.stage(endless())

    assert refusal.value.code == "too-large"
    assert taken == MAX_PHOTO_BYTES + MEBIBYTE
    assert {each.key async for each in objects.list(STAGING)} == before


async def test_an_upload_that_ends_early_leaves_nothing(objects):
    """When the client goes away in the middle, no half photo stands in staging."""

    async def broken():
        yield bytes(MEBIBYTE)
        raise ConnectionResetError

    before = {each.key async for each in objects.list(STAGING)}
    with pytest.raises(ConnectionResetError):
        await objects.stage(broken())

    assert {each.key async for each in objects.list(STAGING)} == before


async def test_a_hundred_uploads_take_constant_memory(objects):
    """A hundred uploads of 5 MB at once grow the process by 64 MiB at most."""
    piece, grown = os.urandom(64 * 1024), []

    async def upload():
        async def pieces():
            for _ in range(80):
                yield bytes(piece)
                await asyncio.sleep(0)

        return await objects.stage(pieces())

    async def watch():
        while True:
            grown.append(resident_bytes())
            await asyncio.sleep(0.01)

    await asyncio.gather(*(upload() for _ in range(3)))
    before = resident_bytes()
    watching = asyncio.create_task(watch())
    staged = await asyncio.gather(*(upload() for _ in range(100)))
    watching.cancel()

    assert max(grown) - before <= 64 * MEBIBYTE
    await objects.delete([each.key for each in staged])


async def test_an_object_is_stored_once(objects):
    """Of twenty that store the same key at once one succeeds; the rest learn that it stands."""
    key = fresh_key()

    stored = await asyncio.gather(
        *(objects.put_if_absent(key, b"%d" % number, "text/plain") for number in range(20))
    )

    assert sum(stored) == 1
    assert await objects.read(key) == b"%d" % stored.index(True)


async def test_a_file_is_stored_with_its_type(objects, tmp_path):
    """Path and bytes are stored alike; size, type and tag are told to whoever reads."""
    content = os.urandom(300_000)
    (tmp_path / "photo").write_bytes(content)
    key = rendition_key(hashlib.sha256(content).hexdigest(), "r0", 320, "jpg")

    assert await objects.put_if_absent(key, tmp_path / "photo", "image/jpeg")
    assert not await objects.put_if_absent(key, content, "image/jpeg")

    async with objects.open(key) as reading:
        assert reading.size_bytes == len(content)
        assert reading.content_type == "image/jpeg"
        assert reading.etag
        assert reading.content_range == ""
        assert b"".join([piece async for piece in reading.pieces]) == content


async def test_a_part_is_read_by_its_range(objects):
    """An HTTP range gives its bytes and says which; one beyond the end is refused."""
    key = fresh_key()
    await objects.put_if_absent(key, b"0123456789", "text/plain")

    async with objects.open(key, "bytes=2-4") as reading:
        assert reading.content_range == "bytes 2-4/10"
        assert [piece async for piece in reading.pieces] == [b"234"]
    with pytest.raises(Invalid):
        async with objects.open(key, "bytes=10-"):
            pass


async def test_what_is_not_there_is_not_found(objects, tmp_path):
    """Reading, fetching and copying what is not there say so; deleting it is no fault."""
    key = original_key("0" * 64)

    assert not await objects.exists(key)
    with pytest.raises(NotFound):
        await objects.read(key)
    with pytest.raises(NotFound):
        await objects.fetch_to(key, tmp_path / "none")
    with pytest.raises(NotFound):
        await objects.copy(key, fresh_key())
    await objects.delete([key])


async def test_objects_are_listed_copied_and_deleted(objects):
    """A listing shows size and age of everything below a prefix, and no more after deletion."""
    prefix = fresh_key()
    await objects.put_if_absent(f"{prefix}/one", b"1", "text/plain")
    await objects.copy(f"{prefix}/one", f"{prefix}/two")

    listed = [each async for each in objects.list(prefix)]
    assert [(each.key, each.size_bytes) for each in listed] == [
        (f"{prefix}/one", 1),
        (f"{prefix}/two", 1),
    ]
    assert all(
        abs(each.last_modified - datetime.now(UTC)) < timedelta(minutes=1) for each in listed
    )

    await objects.delete([each.key for each in listed])
    assert [each async for each in objects.list(prefix)] == []


async def test_storage_refuses_a_delete_that_was_held_up(objects, monkeypatch):
    """Signed, then held up for an hour, then sent: the object stands; nobody here objected."""
    key = fresh_key()
    await objects.put_if_absent(key, b"shown again by now", "text/plain")
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: an_hour_ago)

    with pytest.raises(Unavailable):
        await objects.delete([key], by=time.time() + 60)

    monkeypatch.undo()
    assert await objects.exists(key)
    await objects.delete([key], by=time.time() + 60)
    assert not await objects.exists(key)


async def test_a_listing_goes_on_over_pages(objects):
    """More objects than one answer of the engine holds are all listed."""
    prefix = fresh_key()
    await asyncio.gather(
        *(objects.put_if_absent(f"{prefix}/{number}", b"x", "text/plain") for number in range(1010))
    )

    assert len([each async for each in objects.list(prefix)]) == 1010


async def test_old_staged_bytes_are_swept(objects):
    """What a client that went away left is removed once old; what may be needed never is."""
    staged = await objects.stage(chunks_of(b"left behind"))

    await objects.sweep_staging(3600)
    assert await objects.exists(staged.key)

    await objects.sweep_staging(-60, unfinished_since=datetime.now(UTC))
    assert await objects.exists(staged.key)

    assert await objects.sweep_staging(-60) >= 1
    assert not await objects.exists(staged.key)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
