import asyncio
import hashlib
from io import BytesIO
from secrets import token_hex

import pytest
from aiohttp import MultipartWriter

from bench.photos import camera_photo
from events.ids import Address
from events.log import Log
from events.posts import Place, PostSubmitted
from gateway import forms, uploads
from gateway.keys import LOG, OBJECTS
from gateway.uploads import IN_FLIGHT, MOST_BYTES, InFlight
from runtime.connections import open_log
from stores.objects import STAGING, Objects
from tests.gateway.serving import serving

MEBIBYTE = 1024 * 1024
JPEG = camera_photo(width=320, height=240)
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


class Ada:
    """An account that uploads, and what can be seen of it afterwards."""

    def __init__(self, gateway, person):
        self.gateway, self.person, self.app = gateway, person, gateway.app

    async def send(self, *parts, headers=None, **fields):
        """POST the parts (name, value), in order; the answer and its JSON."""
        form = MultipartWriter("form-data")
        for name, value in (*parts, *fields.items()):
            part = form.append(BytesIO(value) if isinstance(value, bytes) else value)
            part.set_content_disposition("form-data", name=name)
        return await self.post(form, headers)

    async def post(self, body, headers=None):
        answer = await self.gateway.ask(
            "POST", "/v1/posts", self.person, data=body, headers=headers
        )
        return answer, answer.body

    async def begin(self, headers, sent):
        """Begin an upload by hand: the connection, with these bytes of the body sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.port)
        writer.write(
            "POST /v1/posts HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {self.person.token}\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\n{headers}\r\n".encode()
            + sent
        )
        return reader, writer

    async def event(self, answer):
        return (await self.app[LOG].event_at(Address.parse(answer["event"]))).event

    async def staged(self):
        return {each.key async for each in self.app[OBJECTS].list(STAGING)}


@pytest.fixture
async def ada(settings):
    """Signed up on a gateway of her own; nothing is staged."""
    async with serving(settings, "write") as gateway:
        person = await gateway.sign_up(f"ada_{token_hex(6)}")
        objects = gateway.app[OBJECTS]
        await objects.delete([each.key async for each in objects.list(STAGING)])
        yield Ada(gateway, person)


async def refused(ada, status, code, *parts, **fields):
    """The problem of an upload that is refused, having shown that it left nothing behind."""
    response, problem = await ada.send(*parts, **fields)
    assert (response.status, problem["code"]) == (status, code), problem
    assert response.headers["Content-Type"] == "application/problem+json"
    assert await ada.staged() == set()
    return problem


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


async def test_a_caption_up_to_its_limit_is_kept_whole(ada):
    """2,200 characters, counted as people count code points, not bytes."""
    for letter in "ař🌅":
        response, answer = await ada.send(("photo", JPEG), caption=letter * 2_200)
        assert response.status == 202
        assert (await ada.event(answer)).caption == letter * 2_200


async def test_a_caption_over_its_limit_is_refused(ada):
    """Refused, never cut."""
    for caption in ("a" * 2_201, "🌅" * 2_201, "a" * MEBIBYTE):
        problem = await refused(ada, 422, "text-too-long", ("photo", JPEG), caption=caption)
        assert problem["errors"][0]["field"] == "caption"


async def test_emoji_of_many_parts_stay_whole(ada):
    """Joiners, selectors, skin tones and flags are what people write, not control characters."""
    caption = "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇨🇿\nzweite Zeile"
    _, answer = await ada.send(("photo", JPEG), caption=caption)

    assert (await ada.event(answer)).caption == caption


async def test_a_nul_is_refused(ada):
    """No text holds what Postgres cannot keep."""
    for field in ("caption", "alt"):
        await refused(ada, 422, "control-characters", ("photo", JPEG), (field, "a\0b"))


async def test_bidirectional_overrides_are_dropped(ada):
    """A caption cannot turn the text around it."""
    _, answer = await ada.send(("photo", JPEG), caption="a\u202eb\u2066c")

    assert (await ada.event(answer)).caption == "abc"


async def test_text_that_is_no_utf8_is_refused(ada):
    """400: nobody knows what it says."""
    await refused(ada, 400, "malformed-multipart", ("photo", JPEG), ("caption", b"\xff\xfe"))


WRONG_PLACES = (
    {"latitude": "52"},
    {"longitude": "13"},
    {"latitude": "90.1", "longitude": "13"},
    {"latitude": "52", "longitude": "-180.5"},
    {"latitude": "nan", "longitude": "13"},
    {"latitude": "1_0", "longitude": "13"},
    {"latitude": "52", "longitude": "east"},
    {"latitude": "52", "longitude": "9" * 400},
)


async def test_a_place_is_two_numbers_within_the_globe(ada):
    """Half a place, or one off the globe, is refused with the field's name."""
    for place in WRONG_PLACES:
        response, problem = await ada.send(("photo", JPEG), **place)
        assert response.status == 422, place
        assert problem["errors"][0]["field"] in ("latitude", "longitude")
    assert await ada.staged() == set()


async def test_blank_coordinates_say_nothing(ada):
    """Browsers send fields that were left empty."""
    _, answer = await ada.send(("photo", JPEG), latitude="", longitude=" ")

    assert (await ada.event(answer)).place is None


async def test_an_unknown_field_is_named(ada):
    """What would be lost without a word is refused instead."""
    for field in ("captoin", "photo[]"):
        problem = await refused(ada, 422, "unknown-field", ("photo", JPEG), (field, "x"))
        assert problem["errors"][0]["field"] == field


async def test_a_second_caption_is_refused(ada):
    """Nobody can tell which of the two is meant."""
    await refused(ada, 422, "invalid", ("photo", JPEG), ("caption", "a"), ("caption", "b"))


async def test_a_body_of_another_type_is_refused(ada):
    """415 for what is no form, 400 for a form that cannot be split."""
    for content_type, status in (
        ("application/json", 415),
        ("image/jpeg", 415),
        ("multipart/mixed; boundary=b", 415),
        ("multipart/form-data", 400),
        (f"multipart/form-data; boundary={'b' * 71}", 400),
    ):
        response, _ = await ada.post(b"{}", {"Content-Type": content_type})
        assert response.status == status, content_type


HEAD = b'--b\r\nContent-Disposition: form-data; name="photo"\r\n\r\n'
BROKEN = {
    "nothing": b"",
    "no boundary": b"hello",
    "only the beginning": HEAD,
    "cut in the photo": HEAD + JPEG,
    "no last boundary": HEAD + JPEG + b"\r\n--b\r\n",
    "cut in a header": HEAD + JPEG + b"\r\n--b\r\nContent-Dispo",
    "a part without a name": b"--b\r\n\r\nx\r\n--b--\r\n",
    "half a boundary": HEAD + JPEG + b"\r\n--",
    "a header line of megabytes": b"--b\r\nX: " + b"x" * MEBIBYTE + b"\r\n\r\n\r\n--b--\r\n",
    "a form in the form": b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
    b"--c\r\n\r\n\r\n--c--\r\n\r\n--b--\r\n",
    "base64": b'--b\r\nContent-Disposition: form-data; name="photo"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\n/9j/4AAQ\r\n--b--\r\n",
}


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_broken_form_is_refused(ada, chunked):
    """A form that ends early or cannot be read is 400, and what it had staged is gone."""
    for how, body in BROKEN.items():
        response, problem = await ada.post(
            pieces_of(body) if chunked else BytesIO(body),
            {"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert (response.status, problem["code"]) == (400, "malformed-multipart"), (how, problem)
        assert await ada.staged() == set(), how


async def pieces_of(body):
    for at in range(0, len(body), 1000):
        yield body[at : at + 1000]


async def test_a_form_of_endless_parts_is_refused(ada):
    """Parts are counted: reading never goes on for ever."""
    part = b'--b\r\nContent-Disposition: form-data; name="alt"\r\n\r\nx\r\n'
    response, _ = await ada.post(
        part * 10_000 + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}
    )

    assert response.status == 422


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


async def test_a_bad_key_is_told_before_the_body(ada):
    """422 without waiting for megabytes."""
    answer = await raw_answer(ada, "Idempotency-Key: \u00e9\r\nContent-Length: 9999\r\n", HEAD)

    assert b" 422 " in answer.splitlines()[0]


async def raw_answer(ada, headers, sent):
    """What the gateway answers to the beginning of an upload, while we hold back the rest."""
    reader, writer = await ada.begin(headers, sent)
    try:
        async with asyncio.timeout(5):
            return await reader.readuntil(b"}")
    finally:
        writer.close()


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
    ada.app._state[IN_FLIGHT] = bound = InFlight(most_uploads=1, most_bytes=10 * MEBIBYTE)
    with bound.admit(0):
        response, problem = await ada.send(("photo", JPEG))
        assert (response.status, problem["code"]) == (503, "overloaded")
        assert int(response.headers["Retry-After"]) > 0
    answer = await raw_answer(ada, f"Content-Length: {11 * MEBIBYTE}\r\n", HEAD)
    assert b" 503 " in answer.splitlines()[0]
    assert (await ada.send(("photo", b"no")))[0].status == 415
    assert (await ada.send(("photo", JPEG)))[0].status == 202
    assert (bound.uploads, bound.bytes) == (0, 0)


async def test_a_client_that_leaves_mid_upload_leaves_nothing(ada):
    """What it had staged is taken back and its place is free."""
    sent = HEAD + JPEG + b"\r\n" + HEAD + JPEG[:5000]
    _, writer = await ada.begin("Content-Length: 999999\r\n", sent)
    await asyncio.sleep(0.1)
    writer.write(JPEG[5000:10_000])
    await until(ada.staged, lambda staged: len(staged) == 1)
    writer.close()

    await until(ada.staged, lambda staged: not staged and not ada.app[IN_FLIGHT].uploads)


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
