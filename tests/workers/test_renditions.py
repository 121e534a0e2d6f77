"""A post's photos are stored once and whole before it is announced, however often that is tried."""

import asyncio
import hashlib
import io
import os
import random
import socket

import pytest
from PIL import Image

from events.accounts import AccountRegistered
from events.log import Log
from events.posts import PostPublished, PostRejected, PostSubmitted, StagedPhoto
from runtime.errors import Unavailable
from stores.objects import STAGING, Objects, manifest_key, original_key, rendition_key
from workers.imaging.decoders import Decoders
from workers.imaging.recipe import RECIPE
from workers.renditions import render
from workers.site import Darkroom


@pytest.fixture
async def site(settings, log_client):
    secret = settings.secret.reveal().encode()
    async with Objects(settings.objects_url) as objects, Decoders(2) as decoders:
        log = Log(log_client, partitions=settings.partitions, secret=secret)
        yield Darkroom(log=log, objects=objects, decoders=decoders)


@pytest.fixture
async def ada(site):
    registered = AccountRegistered(username="ada", display_name="Ada", password_hash="-")
    return (await site.log.register(registered)).id


@pytest.fixture
def submit(site, ada):
    """Stage these files and record a post of them: the delivery a worker gets."""

    async def submitted(*files, staged=None):
        photos = staged or [await stage(site, each) for each in files]
        appended = await site.log.append(PostSubmitted(photos=tuple(photos)), actor=ada)
        return await site.log.event_at(appended.address)

    return submitted


async def stage(site, content):
    async def chunks():
        yield content

    return await site.objects.stage(chunks())


def jpeg(seed=None, size=(700, 500)):
    grain = random.Random(seed).randbytes(48 * 48 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (48, 48), grain).resize(size).save(file, "JPEG")
    return file.getvalue()


async def announced(site, delivery):
    """Both possible outcomes, None where it was not announced."""
    return [
        await site.log.announced(kind, cause=delivery) for kind in (PostPublished, PostRejected)
    ]


async def keys_of(site, sha256):
    prefixes = (f"photos/{sha256}/", original_key(sha256))
    return {each.key: each for prefix in prefixes async for each in site.objects.list(prefix)}


async def test_a_post_is_published_with_everything_learned(site, submit, ada):
    """Everything is stored and told; what was staged is gone."""
    content = jpeg()
    sha256 = hashlib.sha256(content).hexdigest()
    delivery = await submit(content)

    assert not await render(site, [delivery])

    published, rejected = await announced(site, delivery)
    assert rejected is None
    assert (published.actor, published.cause) == (ada, delivery.address)
    assert published.event.post_id == delivery.id
    (photo,) = published.event.photos
    assert (photo.sha256, photo.size_bytes, photo.recipe) == (sha256, len(content), RECIPE)
    assert (photo.width, photo.height) == (700, 500)
    assert [each.width for each in photo.renditions] == [320, 640, 700]
    stored = await keys_of(site, sha256)
    assert stored.keys() == {
        original_key(sha256),
        manifest_key(sha256, RECIPE),
        *(rendition_key(sha256, RECIPE, each.width, each.extension) for each in photo.renditions),
    }
    for each in photo.renditions:
        key = rendition_key(sha256, RECIPE, each.width, each.extension)
        assert stored[key].size_bytes == each.size_bytes
    assert await site.objects.read(original_key(sha256)) == content
    assert not await site.objects.exists(delivery.event.photos[0].key)


async def test_ten_photos_keep_their_order(site, submit):
    """Photos are announced in the order they were uploaded in."""
    files = [jpeg(size=(400 + number, 300)) for number in range(10)]
    delivery = await submit(*files)

    await render(site, [delivery])

    published, _ = await announced(site, delivery)
    assert [each.width for each in published.event.photos] == list(range(400, 410))


async def test_delivered_again_it_changes_nothing(site, submit):
    """A second delivery, alone or at the same time, stores and announces nothing more."""
    delivery = await submit(jpeg())
    sha256 = delivery.event.photos[0].sha256

    await asyncio.gather(render(site, [delivery]), render(site, [delivery]))
    published, _ = await announced(site, delivery)
    before = await keys_of(site, sha256)
    await render(site, [delivery])

    assert await keys_of(site, sha256) == before
    assert await announced(site, delivery) == [published, None]


async def test_a_photo_uploaded_twice_is_stored_once(site, submit):
    """The same photo of another post costs one read: nothing is fetched, decoded or stored."""
    content = jpeg()
    first, second = await submit(content), await submit(content)
    await render(site, [first])
    before = await keys_of(site, first.event.photos[0].sha256)
    for child in site.decoders.children:
        child.photos = 0

    await render(site, [second])

    assert not any(child.photos for child in site.decoders.children)
    assert await keys_of(site, first.event.photos[0].sha256) == before
    one, other = (await announced(site, first))[0], (await announced(site, second))[0]
    assert one.event.photos == other.event.photos
    assert not await site.objects.exists(second.event.photos[0].key)


async def test_the_same_photo_twice_in_one_post(site, submit):
    """A post may show a photo twice; it is stored once."""
    content = jpeg()
    delivery = await submit(content, content)

    await render(site, [delivery])

    published, _ = await announced(site, delivery)
    assert published.event.photos[0] == published.event.photos[1]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n", "unsupported-media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-media"),
        (jpeg()[:4000], "undecodable"),
        (b"\xff\xd8\xff" + bytes(500), "undecodable"),
    ],
)
async def test_a_refused_photo_rejects_the_post(site, submit, content, code):
    """The author can read why; nothing of the photo is kept, and the delivery is done."""
    content += b"" if not content else os.urandom(4)  # other tests' rejects are other bytes
    delivery = await submit(content)

    assert not await render(site, [delivery])

    published, rejected = await announced(site, delivery)
    assert published is None
    assert rejected.event.code == code
    assert rejected.event.detail
    assert not await keys_of(site, delivery.event.photos[0].sha256)
    assert not await site.objects.exists(delivery.event.photos[0].key)


async def test_one_bad_photo_rejects_the_whole_post(site, submit):
    """A post is shown whole or not at all; the reason names the photo, and nothing is kept."""
    good = jpeg()
    delivery = await submit(good, b"%PDF-1.7\n" + os.urandom(4))

    await render(site, [delivery])

    _, rejected = await announced(site, delivery)
    assert rejected.event.detail.startswith("Photo 2: ")
    assert not await keys_of(site, hashlib.sha256(good).hexdigest())


async def test_a_bad_post_does_not_hold_up_its_batch(site, submit):
    """Posts delivered together are decided each by itself."""
    posts = [await submit(jpeg()), await submit(b"no photo"), await submit(jpeg())]

    await render(site, posts)

    outcomes = [await announced(site, each) for each in posts]
    assert [published is not None for published, _ in outcomes] == [True, False, True]


async def test_a_decided_rejection_stays(site, submit):
    """Delivered again after a rejection, with the staged bytes gone, the first reason stands."""
    delivery = await submit(b"no photo")
    await render(site, [delivery])
    before = await announced(site, delivery)

    await render(site, [delivery])

    assert await announced(site, delivery) == before


async def test_a_rejected_post_is_not_published_later(site, submit):
    """A post that was rejected is not published by another try, nor the other way round."""
    delivery = await submit(jpeg())
    rejection = PostRejected(post_id=delivery.id, code="too-complex", detail="It took too long.")
    await site.log.announce(rejection, actor=delivery.actor, cause=delivery)

    await render(site, [delivery])

    published, rejected = await announced(site, delivery)
    assert published is None
    assert rejected.event == rejection


async def test_the_original_stands_in_for_lost_staging(site, submit):
    """Staged bytes that are gone are replaced by the original, if somebody's was kept."""
    delivery = await submit(jpeg())
    await render(site, [delivery])
    staged = delivery.event.photos[0]
    await site.objects.delete([manifest_key(staged.sha256, RECIPE)])

    again = await submit(staged=[staged])
    await render(site, [again])

    published, _ = await announced(site, again)
    assert published.event.photos[0].sha256 == staged.sha256


async def test_lost_bytes_are_told(site, submit):
    """With neither staged bytes nor an original the author learns that the upload is lost."""
    sha256 = os.urandom(32).hex()
    lost = StagedPhoto(key=f"{STAGING}{os.urandom(8).hex()}", sha256=sha256, size_bytes=9)
    delivery = await submit(staged=[lost])

    await render(site, [delivery])

    _, rejected = await announced(site, delivery)
    assert rejected.event.code == "bytes-lost"


async def test_other_bytes_than_were_uploaded_are_never_shown(site, submit):
    """Staged bytes whose hash is not the recorded one count as lost."""
    staged = await stage(site, jpeg())
    forged = StagedPhoto(key=staged.key, sha256=os.urandom(32).hex(), size_bytes=staged.size_bytes)
    delivery = await submit(staged=[forged])

    await render(site, [delivery])

    _, rejected = await announced(site, delivery)
    assert rejected.event.code == "bytes-lost"


async def test_interrupted_anywhere_the_next_try_completes(site, submit):
    """A try cancelled at any moment leaves nothing that keeps the next one from finishing."""
    for milliseconds in (1, 20, 60, 120, 200):
        delivery = await submit(jpeg(size=(2600, 1900)))
        attempt = asyncio.create_task(render(site, [delivery]))
        await asyncio.sleep(milliseconds / 1000)
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)

        await render(site, [delivery])

        published, rejected = await announced(site, delivery)
        assert rejected is None
        photo = published.event.photos[0]
        assert len(await keys_of(site, photo.sha256)) == 2 + len(photo.renditions)


async def test_storage_that_is_down_is_waited_for(site, submit):
    """Without object storage nothing is decided: the delivery waits and is done later."""
    delivery = await submit(jpeg())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with Objects(f"http://key:secret@127.0.0.1:{port}/none") as dead:
        with pytest.raises(Unavailable):
            await render(Darkroom(log=site.log, objects=dead, decoders=site.decoders), [delivery])
    assert await announced(site, delivery) == [None, None]

    await render(site, [delivery])
    assert (await announced(site, delivery))[0]
