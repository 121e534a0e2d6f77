"""A post that was decided days ago is delivered again: by a dead letter, or a lost group."""

import time

import pytest

from events import codec
from events.catalogue import tag_of
from events.entries import ACTOR, CAUSE, PAYLOAD, TYPE
from events.ids import Address, Position
from events.log import stream_key
from events.posts import PostPublished, PostRejected, PostSubmitted, StagedPhoto
from stores.objects import STAGING
from tests.workers.posts import jpeg, stage
from workers.renditions import render

TWO_DAYS_MS = 48 * 3_600_000


@pytest.fixture
def long_ago(darkroom, submit, ada):
    """Let an event of Ada stand as it would after two days, when its record has expired."""
    began = time.time_ns() // 1_000_000 - TWO_DAYS_MS
    log, partition = darkroom.log, (ada >> 10) % 8

    async def stands(event, seconds, cause=""):
        at = Position(began + seconds * 1_000, 0)
        fields = {TYPE: tag_of(type(event)), ACTOR: str(ada), PAYLOAD: codec.encode(event)[0]}
        fields |= {CAUSE: cause} if cause else {}
        await log.client.xadd(stream_key("posts", partition), fields, id=str(at))
        return await log.event_at(Address("posts", partition, at))

    return stands


@pytest.fixture
def length(darkroom, ada):
    async def of_topic():
        return await darkroom.log.client.xlen(stream_key("posts", (ada >> 10) % 8))

    return of_topic


async def test_what_was_published_is_not_rejected_for_lack_of_bytes(darkroom, long_ago, length):
    """Its staged bytes are long gone; nothing more is announced."""
    gone = StagedPhoto(key=f"{STAGING}gone", sha256="00" * 32, size_bytes=9)
    delivery = await long_ago(PostSubmitted(photos=(gone,)), 0)
    published = PostPublished(post_id=delivery.id, photos=())
    await long_ago(published, 5, cause=delivery.address)

    await render(darkroom, [delivery])

    assert await length() == 2


@pytest.mark.parametrize("decided", [PostPublished, PostRejected])
async def test_what_was_decided_is_not_announced_again(darkroom, long_ago, length, decided):
    """Neither the same nor the other outcome, though the photo could be rendered."""
    staged = await stage(darkroom, jpeg())
    delivery = await long_ago(PostSubmitted(photos=(staged,)), 0)
    outcome = PostPublished(post_id=delivery.id, photos=())
    if decided is PostRejected:
        outcome = PostRejected(post_id=delivery.id, code="too-complex", detail="Too slow.")
    await long_ago(outcome, 5, cause=delivery.address)

    await render(darkroom, [delivery])

    assert await length() == 2


async def test_what_waited_for_days_is_published_once(darkroom, long_ago, length):
    """An old post that nobody has decided is decided now, and a repeat adds nothing."""
    delivery = await long_ago(PostSubmitted(photos=(await stage(darkroom, jpeg()),)), 0)
    for _ in range(2):
        await render(darkroom, [delivery])
    assert await length() == 2
    published = await darkroom.log.announced(PostPublished, cause=delivery)
    assert published.event.post_id == delivery.id
