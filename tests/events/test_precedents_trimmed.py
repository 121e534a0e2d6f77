"""A letter keeps its entry in the stream, not what was announced for it: that is in the archive."""

import random

import pytest

from events import codec, precedents
from events.catalogue import tag_of
from events.entries import ACTOR, AFTER, CAUSE, PAYLOAD, TYPE
from events.history import History, HistoryBroken
from events.ids import Address, Position
from events.log import stream_key
from events.posts import PostPublished, PostRejected, PostSubmitted, StagedPhoto
from tests.archiving import at

STREAM = stream_key("posts", 3)
ACTOR_ID = 3 << 10
SUBMITTED = PostSubmitted(photos=(StagedPhoto(key="staging/1", sha256="ab", size_bytes=1),))


@pytest.fixture
def told(log, log_client):
    """Let events stand one behind the other, long ago; their entries."""
    entries = []

    async def told(event, cause=None):
        moment = len(entries) + 1
        fields = {
            AFTER: entries[-1][0] if entries else b"0-0",
            TYPE: tag_of(type(event)).encode(),
            ACTOR: str(ACTOR_ID).encode(),
            PAYLOAD: codec.encode(event)[0],
        } | ({CAUSE: cause.address.encode()} if cause else {})
        entries.append((str(at(moment)).encode(), fields))
        await log_client.xadd(STREAM, fields, entries[-1][0])
        await log_client.hset("head:{3}", "posts", entries[-1][0])
        return await log.event_at(Address("posts", 3, at(moment)))

    told.entries = entries
    return told


@pytest.fixture
def trim(log_client, archive, told):
    """Archive all in segments of three, and drop all but these events from the stream."""

    async def trim(*kept):
        entries = told.entries
        for start in range(0, len(entries), 3):
            await archive.add("posts", 3, entries[start : start + 3])
        for entry_id, _ in entries:
            if Position.parse(entry_id) not in {each.position for each in kept}:
                await log_client.xdel(STREAM, entry_id)

    return trim


@pytest.fixture
def answer(log, archive):
    log.precedents.history = History(log, archive)

    async def to(cause):
        return await log.precedents.answer(cause, PostPublished, PostRejected)

    return to


@pytest.mark.parametrize("kind", [PostPublished, PostRejected])
async def test_an_answer_that_was_trimmed_is_found(told, trim, answer, kind):
    """By the cause that a letter kept: it is decided once, however late it is retried."""
    cause, other = await told(SUBMITTED), await told(SUBMITTED)
    outcome = {
        PostPublished: PostPublished(post_id=cause.id, photos=()),
        PostRejected: PostRejected(post_id=cause.id, code="x", detail=""),
    }[kind]
    await told(PostPublished(post_id=other.id, photos=()), other)
    await told(outcome, cause)
    undecided = await told(SUBMITTED)
    await trim(cause, undecided)

    assert (await answer(cause)).event == outcome
    assert await answer(undecided) is None
    assert (await answer(cause)).event == outcome


async def test_many_causes_in_any_order_find_theirs(told, trim, answer, monkeypatch):
    """Whatever memory holds, whichever entries were kept in the stream."""
    monkeypatch.setattr(precedents, "MOST_REMEMBERED", 3)
    monkeypatch.setattr(precedents, "PAGE", 2)
    causes = [await told(SUBMITTED) for _ in range(10)]
    decided = {
        cause.id: await told(PostPublished(post_id=cause.id, photos=()), cause)
        for cause in causes[::2]
    }
    await trim(*causes[::3])

    asked = causes * 3
    random.Random(5).shuffle(asked)
    for cause in asked:
        assert await answer(cause) == decided.get(cause.id)


async def test_what_cannot_be_known_is_not_decided(told, trim, answer, objects):
    """With a segment lost that may have held the answer, it fails instead of deciding again."""
    cause = await told(SUBMITTED)
    for _ in range(4):
        await told(SUBMITTED)
    await told(PostPublished(post_id=cause.id, photos=()), cause)
    last = await told(SUBMITTED)
    await trim(cause, last)
    keys = [each.key async for each in objects.list("archive/posts/3/")]
    await objects.delete([key for key in keys if str(at(4).ms) in key])

    with pytest.raises(HistoryBroken):
        await answer(cause)
