"""What the letters hold up, how they are read, how they are counted."""

import time

from events.claims import ensure_group
from events.dead_letters import (
    Drop,
    Letter,
    Undelivered,
    bury,
    count,
    drop,
    kinds,
    letters,
    retry,
)
from events.ids import Position, shard_of
from events.lag import publish_lag
from events.log import stream_key
from events.notices import kept_notices
from events.trimming import trim_applied
from runtime import metrics

NOTE = Drop(who="grace", why="a load test", dropped_ms=1)


async def test_the_notice_of_a_dropped_deletion_is_kept_alone(log, log_client, ada):
    """It alone hides the post; what stands before and behind it is trimmed as ever."""
    partition = shard_of(ada) % 8
    stream, notices = stream_key("posts", partition), stream_key("notices", partition)
    old = [str(Position(int(time.time() * 1000) - 4_000_000, n)) for n in range(5)]
    for each in old:
        for key in (stream, notices):
            await log_client.xadd(key, {"type": "post.deleted"}, id=each)
    await ensure_group(log_client, stream, "posts")
    await log_client.xreadgroup("posts", "one", {stream: ">"})
    letter = Letter(
        reason="x", traceback="", attempts=1, buried_ms=1, entry={b"type": b"post.deleted"}
    )
    what = Undelivered("posts", "posts", partition, Position.parse(old[2]))
    await bury(log_client, what, letter, consumer="one")
    await log_client.xack(stream, "posts", *old)

    async def kept_by_trimming():
        await trim_applied(log, "notices", {"posts": ["posts"]})
        return [entry_id.decode() for entry_id, _ in await log_client.xrange(notices)]

    assert await kept_by_trimming() == old[2:]
    await drop(log_client, what, NOTE)
    assert await kept_by_trimming() == [old[2]]
    since, alone = await kept_notices(log, partition)
    assert (since > Position.parse(old[4]), alone) == (True, {what.position})
    assert await retry(log_client, what) == "retried"
    assert await kept_by_trimming() == [old[2]]
    await log_client.xack(stream, "posts", old[2])
    assert await kept_by_trimming() == []
    assert (await kept_notices(log, partition)).alone == set()
    assert await kept_notices(log, (partition + 1) % 8) is None


async def test_letters_are_read_in_pages_by_role_topic_and_position(log_client, monkeypatch):
    """However many there are; of two roles whose names begin alike, each has its own."""
    monkeypatch.setattr("events.dead_letters.PAGE", 3)
    positions = [Position(1_700_000_000_000 + n // 1024, n % 1024) for n in (0, 9, 10, 999, 1024)]
    for role, topic in (("posts", "posts"), ("posts", "accounts"), ("postscript", "posts")):
        stream = stream_key(topic, 3)
        await ensure_group(log_client, stream, role)
        for position in positions:
            if not await log_client.xrange(stream, str(position), str(position)):
                await log_client.xadd(stream, {"type": "t"}, id=str(position))
        await log_client.xreadgroup(role, "one", {stream: ">"})
        for position in reversed(positions):
            letter = Letter(reason="x", traceback="", attempts=1, buried_ms=1, entry={})
            what = Undelivered(role, topic, 3, position)
            assert await bury(log_client, what, letter, consumer="one")

    async def read(**which):
        return [what async for what, _ in letters(log_client, 3, **which)]

    assert [what.position for what in await read(role="posts", topic="posts")] == positions
    assert len(await read(role="posts")) == 10
    assert len(await read()) == 15
    assert await count(log_client, 3, "posts") == 10
    pairs = [("posts", "accounts"), ("posts", "posts"), ("postscript", "posts")]
    assert await kinds(log_client, 3) == pairs


async def test_standing_letters_are_a_figure_of_their_role(buried, log, log_client):
    """An alert can be made of it: it falls when somebody has decided."""
    what = await buried()
    gauge = metrics.dead_letters_standing.labels("posts")
    await publish_lag(log, "posts", ["posts"])
    assert gauge._value.get() == 1

    await drop(log_client, what, NOTE)
    await publish_lag(log, "posts", ["posts"])
    assert gauge._value.get() == 0
