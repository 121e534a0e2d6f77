"""Push or pull: who is asked, what they say, and that it is said once."""

import asyncio

import pytest

from events.ids import MAX_ID, Position, make_id
from events.work import FanoutChunk
from stores import follows, pulled_posts
from stores.posts import post_rows
from stores.progress import Plan
from stores.pushes import Pushed
from tests.workers.fanning import (
    ADA,
    BOB,
    EVE,
    NOW,
    Pause,
    announced_chunks,
    build,
    commit_follow,
    commit_post,
    commit_withdrawal,
    deliver,
    ids_of,
    sign_up,
    site_of,
)
from workers import fanout
from workers.pushing import push_chunk
from workers.site import Site

FANS = [make_id(Position(NOW, n), 200 + n) for n in range(10, 18)]


@pytest.fixture
async def site(database, cache_client, log_client):
    """Ada has eight followers, the first two of whom have windows; six active ones are many."""
    site = await site_of(database, cache_client, log_client)
    await sign_up(database, FANS)
    for each in FANS:
        await commit_follow(database, each)
    await count_followers(site, 8)
    for each in FANS[:2]:
        await build(site, each)
    token = await site.outboxes.begin_build(ADA)
    await site.outboxes.finish_build(ADA, token, [], 0)
    return Site(log=site.log, database=database, feeds=site.feeds, pull_above=5)


async def count_followers(site, count):
    await site.database.execute("UPDATE accounts SET followers = $2 WHERE id = $1", ADA, count)


async def publish(site, ms, author=ADA):
    delivery = await commit_post(site.database, author, ms=ms)
    assert await fanout.plan_fanout(site, [delivery]) == []
    return delivery


async def decided(site, delivery):
    post_id = delivery.event.post_id
    return (await post_rows(site.database, [post_id]))[post_id].pulled


async def in_outbox(site):
    [found] = await site.outboxes.slices([ADA])
    return [post_id for _, post_id in found.entries]


async def test_few_followers_are_pushed_to(site):
    """Up to the threshold nobody is asked how many are active."""
    await count_followers(site, 5)
    delivery = await publish(site, 1)

    assert await decided(site, delivery) is False
    assert await ids_of(site, FANS[0]) == [delivery.event.post_id]
    assert await in_outbox(site) == []
    progress = await site.fanouts.of(delivery.event.post_id)
    assert progress == (Plan(False, 5, 1), 1, Pushed(8, 2, 6, 0))


async def test_many_of_whom_nothing_is_known_pull(site):
    """All may be active; and what is seen of them then decides the next time."""
    delivery = await publish(site, 1)

    assert await decided(site, delivery) is True
    assert await in_outbox(site) == [delivery.event.post_id]
    assert await ids_of(site, FANS[0]) == []
    assert (await site.fanouts.of(delivery.event.post_id)).met == Pushed(8, 2, 6, 0)

    second = await publish(site, 2)
    assert await decided(site, second) is False
    assert await ids_of(site, FANS[0]) == [second.event.post_id]


async def test_the_last_fan_out_tells_how_many_are_active(site):
    """Two of eight met it; once six do, the post after that is pulled."""
    await publish(site, 1)
    for each in FANS[2:6]:
        await build(site, each)
    pushed, pulled = await publish(site, 2), await publish(site, 3)

    assert [await decided(site, each) for each in (pushed, pulled)] == [False, True]
    assert await in_outbox(site) == [pulled.event.post_id, (await ids_of(site, FANS[2]))[-1]]


async def test_a_decision_is_repeated_never_changed(site):
    """Delivered again after followers came or went, a post goes where it went."""
    pulled = await publish(site, 1)
    await count_followers(site, 3)
    pushed = await publish(site, 2)
    for followers in (3, 8):
        await count_followers(site, followers)
        assert await fanout.plan_fanout(site, [pulled, pushed, pulled]) == []

    assert [await decided(site, each) for each in (pulled, pushed)] == [True, False]
    assert await in_outbox(site) == [pulled.event.post_id]
    assert await ids_of(site, FANS[0]) == [pushed.event.post_id]


async def test_planners_at_once_agree(site, monkeypatch):
    """One counts eight followers, another three: both do what was decided first."""
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, pulled_posts, "decide")

    async def another():
        await count_followers(site, 3)
        await fanout.plan_fanout(site, [delivery])

    await slow.during(fanout.plan_fanout(site, [delivery]), another)

    assert await decided(site, delivery) is False
    assert await in_outbox(site) == []
    assert await ids_of(site, FANS[0]) == [delivery.event.post_id]


async def test_a_post_is_put_out_after_it_is_decided(site, monkeypatch):
    """An outbox that is built while the planner decides has the post: of its row, or by the push.

    Were it pushed before the decision is committed, such a build would read that nothing is pulled.
    """
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, pulled_posts, "decide", after=True)

    async def lose_and_build():
        await site.outboxes.drop(ADA)
        token = await site.outboxes.begin_build(ADA)
        assert await pulled_posts.pulled_of_author(site.database, ADA, 9) == []
        await site.outboxes.finish_build(ADA, token, [], 0)

    await slow.during(fanout.plan_fanout(site, [delivery]), lose_and_build)

    assert await in_outbox(site) == [delivery.event.post_id]


async def test_followers_change_under_the_planner(site, monkeypatch):
    """Who leaves while ranges are read is hidden from, who comes is backfilled; without a gap."""
    monkeypatch.setattr(fanout, "FOLLOWERS_PER_CHUNK", 3)
    site = Site(log=site.log, database=site.database, feeds=site.feeds, pull_above=8)
    await build(site, FANS[7])
    await build(site, BOB)
    delivery = await commit_post(site.database)
    slow = Pause(monkeypatch, follows, "follower_range_bounds", after=True)

    async def change():
        gone = await commit_withdrawal(site.database, FANS[0], ms=7)
        await fanout.hide_author(site, [gone])
        come = await commit_follow(site.database, BOB, ms=8)
        await fanout.backfill(site, [come])

    await slow.during(fanout.plan_fanout(site, [delivery]), change)
    chunks = await announced_chunks(site)
    for chunk in chunks:
        await push_chunk(site, [deliver(chunk, ADA, Position(NOW + 30, 0))])

    assert len(chunks) == 3
    for each in (FANS[1], FANS[7], BOB):
        assert await ids_of(site, each) == [delivery.event.post_id]
    assert await ids_of(site, FANS[0]) == []
    progress = await site.fanouts.of(delivery.event.post_id)
    assert (progress.plan, progress.parts_done) == (Plan(False, 8, 3), 3)
    assert progress.met.targets == 8


async def test_a_chunk_repeated_counts_once(site):
    delivery = await commit_post(site.database)
    post_id = delivery.event.post_id
    chunk = FanoutChunk(
        post_id=post_id,
        published_ms=delivery.position.ms,
        first_follower_id=0,
        last_follower_id=MAX_ID,
    )
    await count_followers(site, 3)
    await fanout.plan_fanout(site, [delivery])
    for _ in range(2):
        await push_chunk(site, [deliver(chunk, ADA, Position(NOW + 9, 0))])
    progress = await site.fanouts.of(post_id)
    assert progress.met.targets == 16  # as planned whole, and once as a range
    assert progress.written == 4


async def test_a_batch_of_several_authors_is_decided_for_each(site):
    """Eve has nobody, Ada many: one is pushed, the other pulled, in one delivery."""
    ours = await commit_post(site.database, ADA, ms=1)
    theirs = await commit_post(site.database, EVE, ms=1, sequence=1)
    await asyncio.gather(*(fanout.plan_fanout(site, [ours, theirs]) for _ in range(2)))

    assert await decided(site, ours) is True
    assert await decided(site, theirs) is False
    assert await in_outbox(site) == [ours.event.post_id]
