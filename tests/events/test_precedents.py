"""What was decided more than a day ago is not decided again, though no record tells of it."""

import random
import time

import pytest

from events import codec, precedents
from events.catalogue import tag_of
from events.claims import ensure_group
from events.entries import ACTOR, CAUSE, PAYLOAD, TYPE
from events.ids import Address, Position, shard_of
from events.log import stream_key
from events.posts import PostPublished, PostRejected, PostSubmitted, StagedPhoto
from events.status import status_of
from runtime.errors import Conflict

PHOTO = StagedPhoto(key="staging/1", sha256="ab", size_bytes=1)
SUBMITTED = PostSubmitted(photos=(PHOTO,))
TWO_DAYS_MS = 48 * 3_600_000


@pytest.fixture
def long_ago(log, log_client, ada):
    """Let an event of Ada stand where it would after two days, when its record has expired."""
    began = Position(time.time_ns() // 1_000_000 - TWO_DAYS_MS, 0)
    partition = shard_of(ada) % 8

    async def stands(event, seconds, cause=None):
        at = Position(began.ms + seconds * 1_000, 0)
        fields = {TYPE: tag_of(type(event)), ACTOR: str(ada), PAYLOAD: codec.encode(event)[0]}
        if cause:
            fields[CAUSE] = cause.address
        await log_client.xadd(stream_key("posts", partition), fields, id=str(at))
        return await log.event_at(Address("posts", partition, at))

    return stands


@pytest.fixture
def answer(log):
    async def to(cause):
        return await log.precedents.answer(cause, PostPublished, PostRejected)

    return to


@pytest.mark.parametrize("kind", [PostPublished, PostRejected])
async def test_an_old_decision_is_found_among_others(long_ago, answer, kind):
    """By its cause, of whichever kind it is; a post that nobody decided has none."""
    one, other, undecided = [await long_ago(SUBMITTED, second) for second in (1, 2, 3)]
    rejected = PostRejected(post_id=other.id, code="x", detail="")
    await long_ago(rejected, 4, cause=other)
    mine = PostPublished(post_id=one.id, photos=())
    if kind is PostRejected:
        mine = PostRejected(post_id=one.id, code="mine", detail="")
    await long_ago(mine, 5, cause=one)

    assert (await answer(one)).event == mine
    assert (await answer(other)).event == rejected
    assert await answer(undecided) is None
    assert (await answer(one)).event == mine


async def test_a_young_cause_is_not_searched_for(log, ada, answer, monkeypatch):
    """Its record says everything: each upload costs two look-ups."""
    monkeypatch.setattr(log, "page", None)
    post = await log.append(SUBMITTED, actor=ada)
    cause = await log.event_at(post.address)
    assert await answer(cause) is None
    published = PostPublished(post_id=post.id, photos=())
    await log.announce(published, actor=ada, cause=cause)
    assert (await answer(cause)).event == published


async def test_a_backlog_of_days_is_read_once(log, long_ago, answer, monkeypatch):
    """However many posts wait: the second and all others only go on where the first ended."""
    monkeypatch.setattr(precedents, "PAGE", 50)
    waiting = [await long_ago(SUBMITTED, second) for second in range(200)]
    read, page = [], log.page

    async def counted(*arguments):
        found = await page(*arguments)
        read.extend(found)
        return found

    monkeypatch.setattr(log, "page", counted)
    assert [await answer(each) for each in waiting] == [None] * 200
    assert len(read) == 199


async def test_what_memory_let_go_is_read_again(long_ago, answer, monkeypatch):
    """Memory is bounded; which answers it still has makes no difference."""
    monkeypatch.setattr(precedents, "MOST_REMEMBERED", 5)
    monkeypatch.setattr(precedents, "PAGE", 4)
    causes = [await long_ago(SUBMITTED, second) for second in range(20)]
    decided = {
        cause.id: await long_ago(PostPublished(post_id=cause.id, photos=()), 100 + n, cause=cause)
        for n, cause in enumerate(causes)
        if n % 3
    }
    asked = causes * 3
    random.Random(3).shuffle(asked)
    for cause in asked:
        assert await answer(cause) == decided.get(cause.id)


async def test_of_two_workers_that_differ_the_first_is_heard(log, ada, answer):
    """A post is published or rejected, never both, however late the other comes."""
    post = await log.append(SUBMITTED, actor=ada)
    cause = await log.event_at(post.address)
    rejected = PostRejected(post_id=post.id, code="bomb", detail="Too large.")
    await log.announce(rejected, actor=ada, cause=cause)
    with pytest.raises(Conflict):
        await log.announce(PostPublished(post_id=post.id, photos=()), actor=ada, cause=cause)
    assert (await answer(cause)).event == rejected


async def test_an_old_rejection_is_still_told(log, log_client, long_ago):
    """A command that was refused days ago was not applied."""
    cause = await long_ago(SUBMITTED, 1)
    refusal = PostRejected(post_id=cause.id, code="undecodable", detail="Damaged.")
    rejected = await long_ago(refusal, 2, cause=cause)
    stream = stream_key("posts", cause.partition)
    for role in ("posts", "renditions"):
        await ensure_group(log_client, stream, role)
        await log_client.xreadgroup(role, "one", {stream: ">"})
        await log_client.xack(stream, role, str(cause.position), str(rejected.position))

    found = await status_of(log, Address.parse(cause.address))
    assert (found.state, found.code) == ("refused", "undecodable")
