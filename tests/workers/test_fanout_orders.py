"""The three orders of fan-out, each paused at the point where the wrong one would lose a post."""

import asyncio

import pytest

from events.graph import FollowAccepted
from events.ids import MAX_ID, Position, make_id
from events.posts import PostPublished
from events.work import FanoutChunk
from stores import follows, pulls
from stores.feeds import Feeds
from tests.workers.fanning import (
    ADA,
    BOB,
    EVE,
    NOW,
    Pause,
    build,
    commit_follow,
    commit_post,
    commit_withdrawal,
    deliver,
    ids_of,
    site_of,
)
from workers import fanout, pushing


@pytest.fixture
async def site(database, cache_client, log_client):
    return await site_of(database, cache_client, log_client)


async def test_a_slow_hide_does_not_outlive_a_new_follow(site, monkeypatch):
    """Two workers hold one edge: the one that read the older rows looks again after acting."""
    await commit_follow(site.database)
    await build(site)
    withdrawn = await commit_withdrawal(site.database)
    slow = Pause(monkeypatch, follows, "edges_of", after=True)

    async def followed_again():
        again = await commit_follow(site.database, ms=7)
        await fanout.backfill(site, [again])

    await slow.during(fanout.hide_author(site, [withdrawn]), followed_again)

    assert (await site.feeds.skeleton(BOB, None, 9)).hidden == frozenset()


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_slow_push_brings_no_unfollowed_author_back(site, monkeypatch, chunked):
    """Who has left when the push lands is not shown it, though the window is a new one.

    Bob unfollows while fan-out holds the followers it read; his window, which hides Ada, is
    evicted, and built anew of rows without her.
    """
    await commit_follow(site.database)
    await commit_follow(site.database, EVE)
    assert await build(site)
    assert await build(site, EVE)
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, follows, "holding_followers", after=True)

    async def leave():
        await fanout.hide_author(site, [await commit_withdrawal(site.database)])
        await site.feeds._cache.flushall()
        assert await build(site)
        assert await build(site, EVE)

    await slow.during(pushed(site, delivery, chunked=chunked), leave)

    assert (await site.feeds.skeleton(BOB, None, 9)).hidden == {ADA}
    assert (await site.feeds.skeleton(EVE, None, 9)).hidden == frozenset()
    assert await ids_of(site, EVE) == [delivery.event.post_id]


async def test_a_slow_push_hides_nobody_who_follows_again(site, monkeypatch):
    """The push finds that Bob has left; before it hides Ada from him he is back."""
    await commit_follow(site.database)
    await build(site)
    delivery = await commit_post(site.database)
    reading = Pause(monkeypatch, follows, "holding_followers", after=True)

    async def leave():
        await commit_withdrawal(site.database)
        slow = Pause(monkeypatch, follows, "edges_of", after=True)

        async def come_back():
            async with asyncio.timeout(10):
                await slow.reached.wait()
            again = await commit_follow(site.database, ms=7)
            await fanout.backfill(site, [again])
            slow.resumed.set()

        returning.append(asyncio.create_task(come_back()))

    returning = []
    await reading.during(fanout.plan_fanout(site, [delivery]), leave)
    await returning[0]

    assert (await site.feeds.skeleton(BOB, None, 9)).hidden == frozenset()
    assert await ids_of(site) == [delivery.event.post_id]


def pushed(site, delivery, *, chunked):
    if not chunked:
        return fanout.plan_fanout(site, [delivery])
    chunk = FanoutChunk(
        post_id=delivery.event.post_id,
        published_ms=delivery.position.ms,
        first_follower_id=0,
        last_follower_id=MAX_ID,
    )
    return pushing.push_chunk(site, [deliver(chunk, ADA, Position(NOW + 9, 0))])


async def test_fan_out_reads_followers_after_the_post_is_committed(site, monkeypatch):
    """Who follows while fan-out has read its followers already is backfilled with this very post.

    Were followers read before the row is committed, the backfill would not see the post either.
    """
    await build(site)
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, follows, "holding_followers", after=True)

    async def follow():
        await fanout.backfill(site, [await commit_follow(site.database, ms=2)])

    await slow.during(fanout.plan_fanout(site, [delivery]), follow)

    assert await ids_of(site) == [delivery.event.post_id]


async def test_fan_out_of_an_uncommitted_post_reads_no_followers(site, monkeypatch):
    """The order itself: while the row is not there, nobody asks who follows."""
    asked = []
    monkeypatch.setattr(follows, "holding_followers", lambda *a: asked.append(a))
    early = deliver(
        PostPublished(post_id=make_id(Position(NOW, 0), 101), photos=()), ADA, Position(NOW, 5)
    )

    assert await fanout.plan_fanout(site, [early]) == [early]
    assert asked == []


async def test_backfill_reads_posts_after_the_follow_is_committed(site, monkeypatch):
    """A post committed before that read is in it; one committed later is pushed to the follower."""
    await build(site)
    before = await commit_post(site.database, ms=1)
    accepted = await commit_follow(site.database, ms=2)
    slow = Pause(monkeypatch, pulls, "recent_of_author", after=True)

    async def publish():
        after = await commit_post(site.database, ms=3)
        await fanout.plan_fanout(site, [after])

    await slow.during(fanout.backfill(site, [accepted]), publish)

    assert len(await ids_of(site)) == 2
    assert (await ids_of(site))[1] == before.event.post_id


async def test_backfill_of_an_uncommitted_follow_reads_no_posts(site, monkeypatch):
    """The order itself: a post published between such a read and the commit would be lost."""
    await build(site)
    asked = []
    monkeypatch.setattr(pulls, "recent_of_author", lambda *a: asked.append(a))
    event = FollowAccepted(follower_id=BOB, wish_version=5)

    assert await fanout.backfill(site, [deliver(event, ADA, Position(NOW, 1))]) != []
    assert asked == []


async def test_a_build_reads_posts_after_its_token_is_in_place(site, monkeypatch):
    """A post that the build's read just missed is pushed into the window under construction."""
    await commit_follow(site.database)
    slow = Pause(monkeypatch, pulls, "feed_pull", after=True)

    async def publish():
        delivery = await commit_post(site.database, ms=3)
        await fanout.plan_fanout(site, [delivery])

    assert await slow.during(build(site), publish)

    assert len(await ids_of(site)) == 1


async def test_names_are_read_after_rows(site, monkeypatch, log_client):
    """A generation raised while followers are read: the push goes where later builds look."""
    await commit_follow(site.database)
    await build(site)
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, follows, "holding_followers", after=True)

    async def swap():
        await log_client.set("feeds:generation", 1)
        other = Feeds(site.feeds._cache, log_client, cap=20)
        token = await other.begin_build(BOB)
        assert await other.finish_build(BOB, token, [], truncated=False)

    await slow.during(fanout.plan_fanout(site, [delivery]), swap)

    assert await ids_of(site) == [delivery.event.post_id]
