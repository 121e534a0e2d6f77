"""However often a post is tried, and wherever it was interrupted, it is decided once and whole."""

import asyncio
import os
import socket

import pytest

from events.posts import PostRejected, StagedPhoto
from runtime.errors import Unavailable
from stores.objects import STAGING, Objects, manifest_key
from tests.workers.posts import announced, jpeg, keys_of, stage
from workers.imaging.recipe import RECIPE
from workers.renditions import render
from workers.site import Darkroom


async def test_delivered_again_it_changes_nothing(darkroom, submit):
    """A second delivery, alone or at the same time, stores and announces nothing more."""
    delivery = await submit(jpeg())
    sha256 = delivery.event.photos[0].sha256

    await asyncio.gather(render(darkroom, [delivery]), render(darkroom, [delivery]))
    published, _ = await announced(darkroom, delivery)
    before = await keys_of(darkroom, sha256)
    await render(darkroom, [delivery])

    assert await keys_of(darkroom, sha256) == before
    assert await announced(darkroom, delivery) == [published, None]


async def test_a_photo_uploaded_twice_is_stored_once(darkroom, submit):
    """The same photo of another post costs a few looks: nothing is fetched, decoded or stored."""
    content = jpeg()
    first, second = await submit(content), await submit(content)
    await render(darkroom, [first])
    before = await keys_of(darkroom, first.event.photos[0].sha256)
    for child in darkroom.decoders.children:
        child.photos = 0

    await render(darkroom, [second])

    assert not any(child.photos for child in darkroom.decoders.children)
    assert await keys_of(darkroom, first.event.photos[0].sha256) == before
    one, other = (await announced(darkroom, first))[0], (await announced(darkroom, second))[0]
    assert one.event.photos == other.event.photos
    assert not await darkroom.objects.exists(second.event.photos[0].key)


async def test_a_missing_bucket_rejects_no_post(darkroom, submit, settings):
    """Bytes are lost when storage says so of them; while it has no bucket the post waits."""
    delivery = await submit(jpeg())
    async with Objects(f"{settings.objects_url}-none") as nowhere:
        site = Darkroom(log=darkroom.log, objects=nowhere, decoders=darkroom.decoders)
        with pytest.raises(Unavailable):
            await render(site, [delivery])

    assert await announced(darkroom, delivery) == [None, None]
    await render(darkroom, [delivery])
    published, rejected = await announced(darkroom, delivery)
    assert published is not None
    assert rejected is None


async def test_a_decided_rejection_stays(darkroom, submit):
    """Delivered again after a rejection, with the staged bytes gone, the first reason stands."""
    delivery = await submit(b"no photo")
    await render(darkroom, [delivery])
    before = await announced(darkroom, delivery)

    await render(darkroom, [delivery])

    assert await announced(darkroom, delivery) == before


async def test_a_rejected_post_is_not_published_later(darkroom, submit):
    """A post that was rejected is not published by another try, nor the other way round."""
    delivery = await submit(jpeg())
    rejection = PostRejected(post_id=delivery.id, code="too-complex", detail="It took too long.")
    await darkroom.log.announce(rejection, actor=delivery.actor, cause=delivery)

    await render(darkroom, [delivery])

    published, rejected = await announced(darkroom, delivery)
    assert published is None
    assert rejected.event == rejection


async def test_the_original_stands_in_for_lost_staging(darkroom, submit):
    """Staged bytes that are gone are replaced by the original, if somebody's was kept."""
    delivery = await submit(jpeg())
    await render(darkroom, [delivery])
    staged = delivery.event.photos[0]
    await darkroom.objects.delete([manifest_key(staged.sha256, RECIPE)])

    again = await submit(staged=[staged])
    await render(darkroom, [again])

    published, _ = await announced(darkroom, again)
    assert published.event.photos[0].sha256 == staged.sha256


async def test_lost_bytes_are_told(darkroom, submit):
    """With neither staged bytes nor an original the author learns that the upload is lost."""
    sha256 = os.urandom(32).hex()
    lost = StagedPhoto(key=f"{STAGING}{os.urandom(8).hex()}", sha256=sha256, size_bytes=9)
    delivery = await submit(staged=[lost])

    await render(darkroom, [delivery])

    _, rejected = await announced(darkroom, delivery)
    assert rejected.event.code == "bytes-lost"


async def test_other_bytes_than_were_uploaded_are_never_shown(darkroom, submit):
    """Staged bytes whose hash is not the recorded one count as lost."""
    staged = await stage(darkroom, jpeg())
    forged = StagedPhoto(key=staged.key, sha256=os.urandom(32).hex(), size_bytes=staged.size_bytes)
    delivery = await submit(staged=[forged])

    await render(darkroom, [delivery])

    _, rejected = await announced(darkroom, delivery)
    assert rejected.event.code == "bytes-lost"


async def test_interrupted_anywhere_the_next_try_completes(darkroom, submit):
    """A try cancelled at any moment leaves nothing that keeps the next one from finishing."""
    for milliseconds in (1, 20, 60, 120, 200):
        delivery = await submit(jpeg(size=(2600, 1900)))
        attempt = asyncio.create_task(render(darkroom, [delivery]))
        await asyncio.sleep(milliseconds / 1000)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)

        await render(darkroom, [delivery])

        published, rejected = await announced(darkroom, delivery)
        assert rejected is None
        photo = published.event.photos[0]
        assert len(await keys_of(darkroom, photo.sha256)) == 2 + len(photo.renditions)


async def test_storage_that_is_down_is_waited_for(darkroom, submit):
    """Without object storage nothing is decided: the delivery waits and is done later."""
    delivery = await submit(jpeg())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with Objects(f"http://key:secret@127.0.0.1:{port}/none") as dead:
        with pytest.raises(Unavailable):
            await render(
                Darkroom(log=darkroom.log, objects=dead, decoders=darkroom.decoders), [delivery]
            )
    assert await announced(darkroom, delivery) == [None, None]

    await render(darkroom, [delivery])
    assert (await announced(darkroom, delivery))[0]
