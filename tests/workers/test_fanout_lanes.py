"""What is large waits for its turn; what is small does not wait for it."""

import asyncio

import pytest

from events.ids import Position
from events.work import FanoutChunk
from stores import follows
from tests.workers.fanning import (
    ADA,
    BOB,
    EVE,
    NOW,
    build,
    commit_follow,
    commit_post,
    deliver,
    ids_of,
    site_of,
)
from workers import fanout, pushing
from workers.site import LARGE_AT_ONCE

CHUNKS = 12  # more than a process has connections to Postgres


@pytest.fixture
async def site(database, cache_client, log_client):
    return await site_of(database, cache_client, log_client)


@pytest.fixture
def chunk_reads(monkeypatch):
    """Chunks stop while they read their followers, each with a connection in hand, until `go`."""
    return ChunkReads(monkeypatch)


class ChunkReads:
    def __init__(self, monkeypatch):
        self.inside = self.most_inside = 0
        self.full, self.go = asyncio.Event(), asyncio.Event()
        self.read = follows.holding_followers
        monkeypatch.setattr(follows, "holding_followers", self.stopped)

    async def stopped(self, db, author_id, first_id, *until):
        if author_id != ADA or first_id != 0:  # another's few followers, or the look afterwards
            return await self.read(db, author_id, first_id, *until)
        self.inside += 1
        self.most_inside = max(self.inside, self.most_inside)
        if self.inside == LARGE_AT_ONCE:
            self.full.set()
        await self.go.wait()
        self.inside -= 1
        return await self.read(db, author_id, first_id, *until)


async def test_an_ordinary_post_passes_a_crowd_of_chunks(site, chunk_reads):
    """However many chunks of all partitions are in hand, only a few are under way."""
    await commit_follow(site.database)
    await commit_follow(site.database, BOB, EVE)
    await build(site)
    large, small = await commit_post(site.database), await commit_post(site.database, EVE, ms=2)
    event = FanoutChunk(
        post_id=large.event.post_id,
        published_ms=large.position.ms,
        first_follower_id=0,
        last_follower_id=BOB,
    )
    chunks = [deliver(event, ADA, Position(NOW + 10, n)) for n in range(CHUNKS)]
    async with asyncio.timeout(20), asyncio.TaskGroup() as crowd:
        for each in chunks:
            crowd.create_task(pushing.push_chunk(site, [each]))
        await chunk_reads.full.wait()

        assert await fanout.plan_fanout(site, [small]) == []
        assert await ids_of(site) == [small.event.post_id]

        chunk_reads.go.set()
    assert chunk_reads.most_inside == LARGE_AT_ONCE
    assert set(await ids_of(site)) == {small.event.post_id, large.event.post_id}
