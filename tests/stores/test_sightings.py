"""What is said of one window, of every kind that there is; and that looking leaves it alone."""

import pytest

from stores.feed_keys import both_keys, names_of
from stores.feeds import Feeds
from stores.pushes import Push
from stores.sightings import sight

VIEWER, POST, AUTHOR, OTHER = 5 << 10, 77, 9 << 10, 8 << 10


@pytest.fixture
def feeds(cache_client, log_client):
    return Feeds(cache_client, log_client, cap=20)


@pytest.fixture
def look(cache_client, log_client):
    async def look():
        return await sight(cache_client, log_client, VIEWER, POST, AUTHOR)

    return look


@pytest.fixture
async def keys(cache_client):
    run = (await cache_client.info("server"))["run_id"]
    return both_keys(names_of(run[:8], 0), VIEWER)


async def test_absent_building_empty_and_pushed(feeds, look):
    """Absent is not empty, and a build is neither, though pushes land in it."""
    assert (await look()).state == "absent"
    token = await feeds.begin_build(VIEWER)
    await feeds.push([Push(1_000, POST, [VIEWER])])
    seen = await look()
    assert (seen.state, seen.ms, seen.entries) == ("building", 1_000, 1)
    await feeds.finish_build(VIEWER, token, [(900, 5)], truncated=True)
    seen = await look()
    assert (seen.state, seen.floor, seen.ms, seen.hidden) == ("window", 900, 1_000, False)


async def test_hidden_authors_count_and_are_not_counted_as_entries(feeds, look, keys, cache_client):
    """Also that their set was evicted, for then the next read drops the window."""
    token = await feeds.begin_build(VIEWER)
    await feeds.finish_build(VIEWER, token, [(1_000, POST)], truncated=False)
    await feeds.hide([(VIEWER, OTHER)])
    assert (await look()).hidden is False
    await feeds.hide([(VIEWER, AUTHOR)])
    seen = await look()
    assert (seen.hidden, seen.entries, seen.floor) == (True, 1, 0)
    await cache_client.delete(keys[1])
    assert (await look()).hidden is None
    assert await cache_client.exists(keys[0])


async def test_looking_changes_nothing(feeds, look, keys, cache_client):
    """Neither a window's life, nor a key that is no window."""
    token = await feeds.begin_build(VIEWER)
    await feeds.finish_build(VIEWER, token, [], truncated=False)
    await cache_client.expire(keys[0], 1_000)
    assert (await look()).seconds_to_live <= 1_000
    assert await cache_client.ttl(keys[0]) <= 1_000
    for spoil in ({"score": 1}, {"a": 1}):
        await cache_client.delete(keys[0])
        await cache_client.zadd(keys[0], spoil)
        assert (await look()).state == "absent"
        assert await cache_client.zcard(keys[0]) == 1
    await cache_client.set(keys[0], "text")
    assert (await look()).state == "absent"
    assert await cache_client.get(keys[0]) == b"text"
