import asyncio
import hashlib

import pytest

from events.posts import Place, PostSubmitted
from gateway.keys import OBJECTS
from tests.gateway.uploading import JPEG, refused, uploading

HEADS = {
    "jpeg": JPEG[:200],
    "png": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "webp": b"RIFF\x10\0\0\0WEBPVP8 " + bytes(60),
    "gif": b"GIF89a" + bytes(60),
    "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(60),
    "heic": b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(60),
    "heic, told by its second brand": b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf" + bytes(60),
}
STRANGERS = (
    b"%PDF-1.7\n" + bytes(60),
    b'<svg xmlns="http://www.w3.org/2000/svg"/>' + bytes(60),
    b"<!doctype html><script>alert(1)</script>",
    b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(60),
    b"RIFF\x10\0\0\0WAVEfmt " + bytes(60),
    b"BM" + bytes(60),
    b"\xff\xd8",
    b"hello",
)


@pytest.fixture
async def ada(settings):
    async with uploading(settings) as uploader:
        yield uploader


async def test_a_photo_is_staged_and_recorded(ada):
    """202 says where the post is; the log names bytes in staging that are the photo's."""
    response, answer = await ada.send(("photo", JPEG), caption="Ahoj 🌅")

    assert response.status == 202
    assert answer.keys() == {"id", "event", "state"}
    assert answer["state"] == "processing"
    assert response.headers["Location"] == f"/v1/posts/{answer['id']}"
    event = await ada.event(answer)
    assert isinstance(event, PostSubmitted)
    assert event.caption == "Ahoj 🌅"
    (photo,) = event.photos
    assert photo.size_bytes == len(JPEG)
    assert photo.sha256 == hashlib.sha256(JPEG).hexdigest()
    assert await ada.app[OBJECTS].read(photo.key) == JPEG


async def test_parts_come_in_any_order(ada):
    """The n-th alt belongs to the n-th photo, wherever either stands; missing ones are empty."""
    photos = [JPEG + bytes([n]) for n in range(3)]
    response, answer = await ada.send(
        ("alt", "zero"), ("longitude", "13.5"), ("photo", photos[0]), ("photo", photos[1]),
        ("caption", "c"), ("alt", "one"), ("latitude", "-52.25"), ("photo", photos[2]),
    )  # fmt: skip

    assert response.status == 202
    event = await ada.event(answer)
    assert [each.sha256 for each in event.photos] == [
        hashlib.sha256(photo).hexdigest() for photo in photos
    ]
    assert event.alts == ("zero", "one", "")
    assert event.place == Place(latitude=-52.25, longitude=13.5)


async def test_every_kind_of_photo_is_taken(ada):
    """By its first bytes, whatever its name says."""
    for kind, head in HEADS.items():
        response, _ = await ada.send(("photo", head))
        assert response.status == 202, kind


async def test_what_is_no_photo_is_turned_away(ada):
    """A renamed PDF, SVG, HTML or film is refused before a worker sees it."""
    for stranger in STRANGERS:
        await refused(ada, 415, "unsupported-media", ("photo", stranger))


async def test_a_stranger_among_photos_leaves_nothing_staged(ada):
    """One bad photo refuses the post, and the good ones before it are taken back."""
    await refused(ada, 415, "unsupported-media", ("photo", JPEG), ("photo", STRANGERS[0]))


async def test_an_empty_photo_is_refused(ada):
    """Nought bytes are no photo."""
    problem = await refused(ada, 422, "empty-photo", ("photo", JPEG), ("photo", b""))

    assert problem["errors"][0]["field"] == "photo"


async def test_a_post_needs_a_photo(ada):
    """Words alone are no post."""
    await refused(ada, 422, "no-photo", caption="words")


async def test_a_post_has_at_most_ten_photos(ada):
    """Ten are taken; the eleventh refuses them all."""
    response, _ = await ada.send(*[("photo", JPEG)] * 10)
    assert response.status == 202
    await ada.app[OBJECTS].delete(await ada.staged())

    await refused(ada, 422, "too-many-photos", *[("photo", JPEG)] * 11)


async def test_more_alts_than_photos_are_refused(ada):
    """An alt that belongs to no photo would be lost."""
    for alts in (2, 11):
        await refused(ada, 422, "too-many-alts", ("photo", JPEG), *[("alt", "a")] * alts)


async def test_a_repeat_with_the_same_key_is_one_post(ada):
    """An equal answer, marked as a replay; the repeat's own bytes are taken back."""
    key = {"Idempotency-Key": "k1"}
    response, first = await ada.send(("photo", JPEG), caption="c", headers=key)
    staged = await ada.staged()
    # The same command in other words: another order, boundary, and a blank field.
    again, second = await ada.send(
        ("latitude", ""), ("caption", " c"), ("photo", JPEG), headers=key
    )

    assert (again.status, second) == (response.status, first)
    assert again.headers["Location"] == response.headers["Location"]
    assert "Idempotency-Replayed" not in response.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await ada.staged() == staged == {(await ada.event(first)).photos[0].key}


async def test_a_key_serves_one_command(ada):
    """Another caption, alt or photo under a used key is 422, and leaves nothing staged."""
    key = {"Idempotency-Key": "k1"}
    fields = {"photo": JPEG, "caption": "c"}
    await ada.send(headers=key, **fields)
    staged = await ada.staged()
    for change in ({"caption": "d"}, {"alt": "x"}, {"photo": JPEG + b"x"}):
        response, problem = await ada.send(headers=key, **(fields | change))
        assert (response.status, problem["code"]) == (422, "idempotency-key-reused")
        assert await ada.staged() == staged


async def test_concurrent_repeats_are_one_post(ada):
    """Ten at once with one key: one post, one set of staged bytes."""
    key = {"Idempotency-Key": "k2"}
    answers = await asyncio.gather(*[ada.send(("photo", JPEG), headers=key) for _ in range(10)])

    assert len({answer["id"] for response, answer in answers if response.status == 202}) == 1
    assert {response.status for response, _ in answers} <= {202, 409}
    assert len(await ada.staged()) == 1
