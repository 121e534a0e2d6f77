"""A cache with less room than feeds take: windows, hidden sets and cards leave, no post does."""

import random
from uuid import uuid4

import pytest

from gateway.keys import CARDS, FEEDS
from stores.census import memory_of
from stores.feeds import Feeds
from stores.profiles import NewAccount, add_accounts
from stores.pushes import Push
from tests.gateway.feeding import NOW, all_pages, follow, ids_of, make_id, publish, read
from tests.workers.fanning import Position, commit_follow, commit_withdrawal
from workers.fanout import backfill, hide_author
from workers.site import Site

AUTHORS = [make_id(Position(NOW, n), 600 + n) for n in range(6)]
VIEWERS = [make_id(Position(NOW, n), 1_000 + n) for n in range(60)]
CAP = 80
POSTS = 240
STEPS = 100


@pytest.fixture
async def give_room(cache_client):
    """Let the cache take so many bytes and no more; put back after."""
    before = int((await cache_client.config_get("maxmemory"))["maxmemory"])

    async def give(most_bytes=before):
        await cache_client.config_set("maxmemory", most_bytes)

    yield give
    await give()


class People:
    """Who follows whom and who posted what, as it is in Postgres and as workers tell the cache."""

    def __init__(self, database, cache, log):
        self.site = Site(log=None, database=database, feeds=Feeds(cache, log, cap=CAP))
        self.database = database
        self.posts, self.follows = [], set()
        self.moment = 0

    async def post(self, author):
        self.moment += 1
        post_id = await publish(self.database, author, ms=self.moment)
        self.posts.append((NOW + self.moment, post_id, author))
        followers = sorted(viewer for viewer, each in self.follows if each == author)
        await self.site.feeds.push([Push(NOW + self.moment, post_id, followers)])

    async def follow_or_leave(self, viewer, author):
        self.moment += 1
        leaves = (viewer, author) in self.follows
        commit, tell = (commit_withdrawal, hide_author) if leaves else (commit_follow, backfill)
        delivery = await commit(self.database, viewer, author, self.moment + 10_000_000_000)
        self.follows ^= {(viewer, author)}
        assert await tell(self.site, [delivery]) == []

    def due_to(self, viewer):
        seen = [each for each in self.posts if (viewer, each[2]) in self.follows]
        return [post_id for _, post_id, _ in sorted(seen, reverse=True)]


async def crowd_in(cache, count):
    """Keys of others, for which room has to be made: again and again all that is not used goes."""
    async with cache.pipeline(transaction=False) as pipeline:
        for _ in range(count):
            pipeline.set(f"other:{uuid4()}", "x" * 1_000)
        await pipeline.execute()


def forget_cards(client):
    """As a gateway that has just been started: they have to come from the cache."""
    for shelf in (client.app[CARDS]._posts, client.app[CARDS]._authors):
        for card in shelf._memory.values():
            shelf._memory.drop(card.id)


@pytest.fixture
async def people(database, cache_client, log_client, open_client):
    made = People(database, cache_client, log_client)
    accounts = [NewAccount(each, f"v{each}", "", "") for each in (*AUTHORS, *VIEWERS)]
    await add_accounts(database, accounts)
    for number in range(POSTS):
        await made.post(AUTHORS[number % len(AUTHORS)])
    return made


async def test_evictions_cost_no_post_and_double_none(people, open_client, give_room, cache_client):
    """Whoever reads meets everything once, while people post, follow, leave, and keys vanish."""
    dice = random.Random(5)
    client = await open_client()
    client.app[FEEDS].cap = CAP
    for viewer in VIEWERS:
        for author in dice.sample(AUTHORS, 3):
            await people.follow_or_leave(viewer, author)
        assert await all_pages(client, 100, viewer) == people.due_to(viewer)
    await crowd_in(cache_client, 2_000)
    full = await memory_of(cache_client)
    await give_room(full.used_bytes)

    lost = 0
    for step in range(STEPS):
        await crowd_in(cache_client, 50)
        if step % 20 == 0:
            forget_cards(client)
        viewer = dice.choice(VIEWERS)
        await people.follow_or_leave(viewer, dice.choice(AUTHORS))
        await people.post(dice.choice(AUTHORS))
        for each in (viewer, dice.choice(VIEWERS)):
            lost += await people.site.feeds.floors([each]) == [None]
            assert await all_pages(client, dice.randint(20, 90), each) == people.due_to(each)

    assert (await memory_of(cache_client)).evicted - full.evicted > len(VIEWERS)
    assert lost > 0


async def test_a_cache_without_any_room_is_as_good_as_away(people, open_client, give_room):
    """It refuses what could write: pages come from Postgres, and say so, until there is room."""
    viewer, author = VIEWERS[0], AUTHORS[0]
    await follow(people.database, viewer, author)
    due = [post_id for _, post_id, by in people.posts[::-1] if by == author]
    client = await open_client()
    assert await all_pages(client, 30, viewer) == due

    await give_room(1)
    response, _ = await read(client, viewer)
    assert response.headers["Heliograph-Degraded"] == "cache"
    assert await ids_of(client, viewer, limit=100) == due

    await give_room()
    client.app[FEEDS]._reach.answered()
    assert await ids_of(client, viewer, limit=100) == due
