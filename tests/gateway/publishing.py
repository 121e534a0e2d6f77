"""Posts without the darkroom: what `renditions` would announce and store is put there by hand."""

import asyncio
import hashlib
from io import BytesIO

from aiohttp import MultipartWriter

from events.ids import Address
from events.posts import PostPublished, PostRejected, RenderedPhoto, Rendition
from gateway.keys import LOG, OBJECTS
from stores.objects import rendition_key

JPEG = b"\xff\xd8\xff\xe0" + b"photo" * 100
RECIPE = "t"
WIDTHS = (320, 640)


def bytes_of(photo, width):
    """What is stored as a rendition: 10,000 bytes that belong to this photo and width."""
    return (hashlib.sha256(photo).hexdigest() + str(width)).encode().ljust(10_000, b".")


def form(*photos, **fields):
    writer = MultipartWriter("form-data")
    for name, value in (*[("photo", photo) for photo in photos], *fields.items()):
        part = writer.append(BytesIO(value) if isinstance(value, bytes) else value)
        part.set_content_disposition("form-data", name=name)
    return writer


async def submit(gateway, person, *photos, **fields):
    """The answer to an upload of these photos, of one when none is named."""
    answer = await gateway.ask("POST", "/v1/posts", person, data=form(*photos or (JPEG,), **fields))
    assert answer.status == 202, answer.raw
    return answer.body


async def publish(gateway, settle, person, *photos, **fields):
    """A post whose renditions are stored and whose row is written; its id."""
    photos = photos or (JPEG,)
    submitted = await submit(gateway, person, *photos, **fields)
    await announce_published(gateway, person, submitted, *photos)
    await settle()
    return submitted["id"]


async def store(gateway, photo, recipe=RECIPE):
    for width in WIDTHS:
        key = rendition_key(hashlib.sha256(photo).hexdigest(), recipe, width, "webp")
        await gateway.app[OBJECTS].put_if_absent(key, bytes_of(photo, width), "image/webp")


async def announce_published(gateway, person, submitted, *photos):
    for photo in photos:
        await store(gateway, photo)
    rendered = tuple(rendered_of(photo) for photo in photos)
    await announce(
        gateway, person, submitted, PostPublished(post_id=int(submitted["id"]), photos=rendered)
    )


async def reject(gateway, settle, person, submitted):
    event = PostRejected(
        post_id=int(submitted["id"]), code="corrupt-image", detail="It ends early."
    )
    await announce(gateway, person, submitted, event)
    await settle()


async def announce(gateway, person, submitted, event):
    log = gateway.app[LOG]
    cause = await log.event_at(Address.parse(submitted["event"]))
    await log.announce(event, actor=person.id, cause=cause)


def rendered_of(photo):
    return RenderedPhoto(
        sha256=hashlib.sha256(photo).hexdigest(),
        size_bytes=len(photo),
        width=800,
        height=600,
        placeholder="aaaa",
        recipe=RECIPE,
        renditions=tuple(
            Rendition(width=width, height=width * 3 // 4, extension="webp", size_bytes=10_000)
            for width in WIDTHS
        ),
    )


async def show(gateway, post_id, person, query=""):
    return await gateway.ask("GET", f"/v1/posts/{post_id}{query}", person)


async def make_private(gateway, person):
    answer = await gateway.ask("PATCH", "/v1/me", person, json={"private": True})
    assert answer.status == 202


async def urls_of(gateway, post_id, person):
    """The addresses of a post's renditions, by width."""
    post = (await gateway.ask("GET", f"/v1/posts/{post_id}", person)).body
    return {each["width"]: each["url"] for each in post["photos"][0]["renditions"]}


async def until_status(gateway, path, status, person=None):
    """The answer, once a notice on its way has given it this status."""
    async with asyncio.timeout(5):
        while True:
            answer = await gateway.ask("GET", path, person)
            if answer.status == status:
                return answer
            await asyncio.sleep(0.01)
