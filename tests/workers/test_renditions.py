"""A post's photos are stored once and whole before it is announced, or it is rejected, and why."""

import hashlib
import os

import pytest

from stores.objects import manifest_key, original_key, rendition_key
from tests.workers.posts import announced, jpeg, keys_of
from workers.imaging.recipe import RECIPE
from workers.renditions import render


async def test_a_post_is_published_with_everything_learned(darkroom, submit, ada):
    """Everything is stored and told; what was staged is gone."""
    content = jpeg()
    sha256 = hashlib.sha256(content).hexdigest()
    delivery = await submit(content)

    assert not await render(darkroom, [delivery])

    published, rejected = await announced(darkroom, delivery)
    assert rejected is None
    assert (published.actor, published.cause) == (ada, delivery.address)
    assert published.event.post_id == delivery.id
    (photo,) = published.event.photos
    assert (photo.sha256, photo.size_bytes, photo.recipe) == (sha256, len(content), RECIPE)
    assert (photo.width, photo.height) == (700, 500)
    assert [each.width for each in photo.renditions] == [320, 640, 700]
    stored = await keys_of(darkroom, sha256)
    assert stored.keys() == {
        original_key(sha256),
        manifest_key(sha256, RECIPE),
        *(rendition_key(sha256, RECIPE, each.width, each.extension) for each in photo.renditions),
    }
    for each in photo.renditions:
        key = rendition_key(sha256, RECIPE, each.width, each.extension)
        assert stored[key].size_bytes == each.size_bytes
    assert await darkroom.objects.read(original_key(sha256)) == content
    assert not await darkroom.objects.exists(delivery.event.photos[0].key)


async def test_ten_photos_keep_their_order(darkroom, submit):
    """Photos are announced in the order they were uploaded in."""
    files = [jpeg(size=(400 + number, 300)) for number in range(10)]
    delivery = await submit(*files)

    await render(darkroom, [delivery])

    published, _ = await announced(darkroom, delivery)
    assert [each.width for each in published.event.photos] == list(range(400, 410))


async def test_the_same_photo_twice_in_one_post(darkroom, submit):
    """A post may show a photo twice; it is stored once."""
    content = jpeg()
    delivery = await submit(content, content)

    await render(darkroom, [delivery])

    published, _ = await announced(darkroom, delivery)
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
async def test_a_refused_photo_rejects_the_post(darkroom, submit, content, code):
    """The author can read why; nothing of the photo is kept, and the delivery is done."""
    content += b"" if not content else os.urandom(4)  # other tests' rejects are other bytes
    delivery = await submit(content)

    assert not await render(darkroom, [delivery])

    published, rejected = await announced(darkroom, delivery)
    assert published is None
    assert rejected.event.code == code
    assert rejected.event.detail
    assert not await keys_of(darkroom, delivery.event.photos[0].sha256)
    assert not await darkroom.objects.exists(delivery.event.photos[0].key)


async def test_one_bad_photo_rejects_the_whole_post(darkroom, submit):
    """A post is shown whole or not at all; the reason names the photo, and nothing is kept."""
    good = jpeg()
    delivery = await submit(good, b"%PDF-1.7\n" + os.urandom(4))

    await render(darkroom, [delivery])

    _, rejected = await announced(darkroom, delivery)
    assert rejected.event.detail.startswith("Photo 2: ")
    assert not await keys_of(darkroom, hashlib.sha256(good).hexdigest())


async def test_a_bad_post_does_not_hold_up_its_batch(darkroom, submit):
    """Posts delivered together are decided each by itself."""
    posts = [await submit(jpeg()), await submit(b"no photo"), await submit(jpeg())]

    await render(darkroom, posts)

    outcomes = [await announced(darkroom, each) for each in posts]
    assert [published is not None for published, _ in outcomes] == [True, False, True]
