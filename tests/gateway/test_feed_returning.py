"""Members who return, be it in a crowd: a page soon, or a refusal soon; others do not notice."""

import asyncio

import pytest

from events.ids import Position, make_id
from gateway import pulling, turns
from gateway.keys import FEEDS, READER_REACH
from gateway.pulling import BUILDS_AT_ONCE, PULLING
from tests.gateway.feeding import BOB, EVE, NOW, follow, ids_of, publish, read
from tests.gateway.serving import until

CROWD = [make_id(Position(NOW, n), 1_000 + n) for n in range(20)]


@pytest.fixture
async def client(open_client):
    """Of a gateway to which Postgres is never away, however long a test makes it wait."""
    opened = await open_client()
    opened.app[READER_REACH].seconds = 60
    return opened


class Slow:
    """Windows are read from Postgres no further than this, until `go`; pages below them are."""

    def __init__(self, monkeypatch):
        self.inside, self.asked, self.go = 0, 0, asyncio.Event()
        self.read = pulling.feed_pull
        monkeypatch.setattr(pulling, "feed_pull", self.pull)

    async def pull(self, connection, viewer_id, before, count):
        if before is None:
            self.asked += 1
            self.inside += 1
            await self.go.wait()
            self.inside -= 1
        return await self.read(connection, viewer_id, before, count)


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(turns, "WAITING_SECONDS", 60)
    return Slow(monkeypatch)


async def crowd_of(client, *viewers):
    """All of them ask at once; their answers to come."""
    return [asyncio.create_task(read(client, each)) for each in viewers]


async def test_a_page_is_answered_before_its_window_is_written(client, database, monkeypatch):
    """Nobody waits for the cache to take what they have already; the next one finds it there."""
    await follow(database)
    post = await publish(database)
    feeds, write = client.app[FEEDS], asyncio.Event()
    finish = feeds.finish_build

    async def finish_later(*arguments, **more):
        await write.wait()
        return await finish(*arguments, **more)

    monkeypatch.setattr(feeds, "finish_build", finish_later)
    async with asyncio.timeout(20):
        for _ in range(2):
            assert await ids_of(client) == [post]
    assert await feeds.skeleton(BOB, None, 9) is None

    write.set()
    await until(lambda: not client.app[PULLING].builds)
    assert [each for _, each in (await feeds.skeleton(BOB, None, 9)).entries] == [post]


async def test_who_pages_on_passes_a_crowd_that_returns(client, database, slow):
    """Windows take a few turns, however many are missing; what lies below one is read meanwhile."""
    await follow(database, EVE)
    posts = [await publish(database, ms=ms) for ms in range(60)]
    client.app[FEEDS].cap = 20
    slow.go.set()
    assert await ids_of(client, EVE, limit=30) == posts[:-31:-1]
    slow.go.clear()

    crowd = await crowd_of(client, *CROWD)
    await until(lambda: slow.inside == BUILDS_AT_ONCE)
    assert await ids_of(client, EVE, limit=50) == posts[:-51:-1]
    assert slow.inside == BUILDS_AT_ONCE

    slow.go.set()
    assert {response.status for response, _ in await asyncio.gather(*crowd)} == {200}


async def test_a_crowd_beyond_the_bound_is_refused_at_once(client, slow, monkeypatch):
    """With a time to come back, which is not the same for all; who waits gets a page."""
    monkeypatch.setattr(turns, "MOST_WAITING", 6)
    crowd = await crowd_of(client, *CROWD)
    await until(lambda: sum(each.done() for each in crowd) == len(CROWD) - BUILDS_AT_ONCE - 6)
    refused = [each.result() for each in crowd if each.done()]

    assert {(each.status, body["code"]) for each, body in refused} == {(503, "overloaded")}
    seconds = [int(each.headers["Retry-After"]) for each, _ in refused]
    assert set(seconds) == {1, 2, 3, 4}

    slow.go.set()
    answered = [each for each in await asyncio.gather(*crowd) if each not in refused]
    assert [response.status for response, _ in answered] == [200] * (BUILDS_AT_ONCE + 6)


async def test_a_build_that_fails_is_everybodys_who_waited_for_it(client, database, slow):
    """And the next read builds, at once: what failed left no token behind that looks like work."""
    await follow(database)
    post = await publish(database)
    works, slow.read = slow.read, None  # which raises TypeError: a fault, no outage
    crowd = await crowd_of(client, BOB, BOB, BOB)
    await until(lambda: slow.inside == 1)
    slow.go.set()
    assert {response.status for response, _ in await asyncio.gather(*crowd)} == {500}
    assert slow.asked == 1

    slow.read = works
    for _ in range(2):
        assert await ids_of(client) == [post]
        await until(lambda: not client.app[PULLING].builds)
    assert slow.asked == 2


async def test_a_failed_build_takes_nobody_elses_token(client, database):
    """Evicted meanwhile, the window is another gateway's to build."""
    feeds = client.app[FEEDS]
    await feeds.refresh()
    mine = await feeds.begin_build(BOB)
    await feeds._cache.flushdb()
    theirs = await feeds.begin_build(BOB)
    await feeds.give_up_build(BOB, mine)

    assert await feeds.finish_build(BOB, theirs, [], truncated=False)
    await feeds.give_up_build(BOB, theirs)
    assert (await feeds.skeleton(BOB, None, 9)).entries == []
