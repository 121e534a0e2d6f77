import time

import pytest

from events.claims import ensure_group
from events.dead_letters import Letter, Undelivered, bury
from events.ids import Position, shard_of
from events.lag import Lag, has_done_all, lag_of
from events.log import stream_key
from events.posts import PostDeleted
from events.trimming import trim_applied
from stores.link import Link

ROLES = {"posts": ["posts"]}


async def test_lag_counts_what_was_not_given_and_what_is_not_done(log, register, log_client):
    """Undelivered entries are lag, delivered ones pending; the oldest undone gives the age."""
    ada = await register("ada")
    partition = shard_of(ada) % 8
    stream = stream_key("posts", partition)
    first, second = [await log.append(PostDeleted(post_id=n), actor=ada) for n in (1, 2)]
    assert await lag_of(log, "posts", "posts", partition) == Lag(2, 0, first.position)

    await ensure_group(log_client, stream, "posts")
    assert await lag_of(log, "posts", "posts", partition) == Lag(2, 0, first.position)
    await log_client.xreadgroup("posts", "one", {stream: ">"}, count=1)
    assert await lag_of(log, "posts", "posts", partition) == Lag(1, 1, first.position)
    await log_client.xack(stream, "posts", str(first.position))
    assert await lag_of(log, "posts", "posts", partition) == Lag(1, 0, second.position)


@pytest.mark.parametrize("shared", [False, True])
async def test_a_group_has_done_all_when_it_has_no_lag(log, register, log_client, shared):
    """One question says so; where the server has lost count, others are asked."""
    link = Link(log_client, 1)
    if shared:
        log.share(link)
    ada = await register("ada")
    partition = shard_of(ada) % 8
    stream = stream_key("posts", partition)
    known = []

    async def look():
        done = await has_done_all(log, "posts", "posts", partition)
        lag = await lag_of(log, "posts", "posts", partition)
        assert done == (lag.entries == lag.pending == 0)
        known.append(done)

    await look()
    posts = [await log.append(PostDeleted(post_id=n), actor=ada) for n in range(4)]
    await look()
    await ensure_group(log_client, stream, "posts")
    await look()
    await log_client.xreadgroup("posts", "one", {stream: ">"}, count=2)
    await log_client.xack(stream, "posts", *(str(each.position) for each in posts[:2]))
    await look()
    await log_client.xdel(stream, str(posts[2].position))  # from here on the server counts no more
    await look()
    await log_client.xreadgroup("posts", "one", {stream: ">"})
    await look()
    await log_client.xack(stream, "posts", str(posts[3].position))
    await look()
    link.close()

    assert known == [True, False, False, False, False, False, True]


async def test_a_notice_outlives_any_backlog(log, register, log_client):
    """An hour old and applied by every role: trimmed. Not applied by one: kept."""
    ada = await register("ada")
    partition = shard_of(ada) % 8
    stream, notices = stream_key("posts", partition), stream_key("notices", partition)
    old = str(Position(int(time.time() * 1000) - 4_000_000, 0))
    await log_client.xadd(stream, {"type": "post.deleted"}, id=old)
    await log_client.xadd(notices, {"type": "post.deleted"}, id=old)
    fresh = await log.append(PostDeleted(post_id=1), actor=ada)

    await ensure_group(log_client, stream, "posts")
    await trim_applied(log, "notices", ROLES)
    assert await log_client.xlen(notices) == 2
    await log_client.xreadgroup("posts", "one", {stream: ">"})
    await trim_applied(log, "notices", ROLES)
    assert await log_client.xlen(notices) == 2
    await log_client.xack(stream, "posts", old)
    await trim_applied(log, "notices", ROLES)

    [(kept, _)] = await log_client.xrange(notices)
    assert kept.decode() == str(fresh.position)


async def test_the_notice_of_what_was_buried_is_kept(log, register, log_client):
    """Until the dead letter is retried or dropped, nothing but the notice hides the post."""
    ada = await register("ada")
    partition = shard_of(ada) % 8
    stream, notices = stream_key("posts", partition), stream_key("notices", partition)
    old = str(Position(int(time.time() * 1000) - 4_000_000, 0))
    for each in (stream, notices):
        await log_client.xadd(each, {"type": "post.deleted"}, id=old)
    await ensure_group(log_client, stream, "posts")
    await log_client.xreadgroup("posts", "one", {stream: ">"})
    what = Undelivered("posts", "posts", partition, Position.parse(old))
    letter = Letter(reason="unlucky", traceback="", attempts=8, buried_ms=0, entry={})
    assert await bury(log_client, what, letter, consumer="one")

    await trim_applied(log, "notices", ROLES)

    assert await log_client.xlen(notices) == 1
