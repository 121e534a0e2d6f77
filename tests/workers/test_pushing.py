"""What pushing promises while windows vanish under it, and followers come and go in crowds."""

import pytest

from events.ids import MAX_ID, Position, make_id
from events.work import FanoutChunk
from stores.feed_keys import window_key
from stores.pushes import Push, Pushed
from stores.trips import Trips
from tests.workers.fanning import (
    ADA,
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
from workers import fanout, pushing

# Of one bucket each, and more calls than one trip takes.
CROWD = [make_id(Position(NOW, number), 640 + number) for number in range(64)]


@pytest.fixture
async def site(database, cache_client, log_client):
    return await site_of(database, cache_client, log_client)


async def test_windows_that_vanish_under_a_push_are_counted_as_absent(
    site, cache_client, monkeypatch
):
    """Evicted, overwritten or emptied between two trips: the others get the post all the same."""
    await site.feeds.refresh()
    for each in CROWD:
        await build(site, each)
    evicted, text, strange, emptied = [window_key(site.feeds._names, each) for each in CROWD[-4:]]
    send, sent = Trips._sent, []

    async def meddled(feeds, calls):
        sent.append(calls)
        if len(sent) == 2:
            await cache_client.delete(evicted)
            await cache_client.set(text, "x")
            await cache_client.delete(strange)
            await cache_client.zadd(strange, {"x": NOW})
            await cache_client.zremrangebyrank(emptied, 0, -1)
        return await send(feeds, calls)

    monkeypatch.setattr(Trips, "_sent", meddled)
    assert await site.feeds.push([Push(NOW, 7, CROWD)]) == [Pushed(64, 60, 4, 0)]
    assert len(sent) > 1
    assert not await cache_client.exists(evicted, text, strange, emptied)
    for each in CROWD[:-4]:
        assert await ids_of(site, each) == [7]


async def test_followers_come_and_go_between_the_plan_and_the_push(site, monkeypatch):
    """A chunk reads who follows when it runs; of those who came, backfill and chunk agree."""
    monkeypatch.setattr(fanout, "FOLLOWERS_PER_CHUNK", 3)
    stayed, left, within, beyond = CROWD[:7:2], CROWD[8], CROWD[3], CROWD[20]
    await sign_up(site.database, CROWD)
    for each in (*stayed, left):
        await commit_follow(site.database, each)
    for each in (*stayed, left, within, beyond):
        await build(site, each)
    await site.database.execute("UPDATE accounts SET followers = 5 WHERE id = $1", ADA)
    delivery = await commit_post(site.database, ms=9)

    assert await fanout.plan_fanout(site, [delivery]) == []
    await fanout.hide_author(site, [await commit_withdrawal(site.database, left, ms=10)])
    for each in (within, beyond):
        await fanout.backfill(site, [await commit_follow(site.database, each, ms=11)])
    chunks = await announced_chunks(site)
    assert len(chunks) == 2
    deliveries = [deliver(each, ADA, Position(NOW + 30, n)) for n, each in enumerate(chunks)]
    for _ in range(2):
        assert await pushing.push_chunk(site, deliveries) == ()

    for each in (*stayed, within, beyond):
        assert await ids_of(site, each) == [delivery.event.post_id]
    assert (await site.feeds.skeleton(left, None, 9)).hidden == {ADA}
    assert await ids_of(site, left) == []


async def test_a_range_that_a_crowd_has_joined_is_pushed_in_parts(site, monkeypatch):
    """However many follow within a range by now, few of them are in memory, and none is missed."""
    monkeypatch.setattr(pushing, "FOLLOWERS_AT_ONCE", 5)
    crowd = CROWD[:15]
    await sign_up(site.database, crowd)
    for each in crowd:
        await commit_follow(site.database, each)
    for each in crowd[:-1]:
        await build(site, each)
    delivery = await commit_post(site.database, ms=9)
    places = [(delivery.position.ms, delivery.event.post_id), (NOW + 1, 7)]

    pushed = await pushing.push_range(site, ADA, places, 0, MAX_ID)

    # Their builds have read the one post already, not the other.
    assert pushed == [Pushed(15, 14, 1, 0), Pushed(15, 14, 1, 0)]
    for each in crowd[:-1]:
        assert await ids_of(site, each) == [delivery.event.post_id, 7]
    assert (
        await pushing.push_range(site, ADA, places, crowd[-1] + 1, MAX_ID)
        == [Pushed(0, 0, 0, 0)] * 2
    )


async def test_a_chunk_that_fails_takes_no_other_with_it(site, monkeypatch):
    """The failure is told as it is, what was under way ends, and the chunks may come again."""
    crowd = CROWD[:6]
    await sign_up(site.database, crowd)
    for each in crowd:
        await commit_follow(site.database, each)
        await build(site, each)
    delivery = await commit_post(site.database, ms=9)
    deliveries = [
        deliver(
            FanoutChunk(
                post_id=delivery.event.post_id,
                published_ms=delivery.position.ms,
                first_follower_id=each,
                last_follower_id=each,
            ),
            ADA,
            Position(NOW + 30, number),
        )
        for number, each in enumerate(crowd)
    ]
    push = pushing.push

    async def failing(site, author_id, places, follower_ids):
        if crowd[1] in follower_ids:
            raise ValueError("poison")
        return await push(site, author_id, places, follower_ids)

    monkeypatch.setattr(pushing, "push", failing)
    with pytest.raises(ValueError, match="poison"):
        await pushing.push_chunk(site, deliveries)
    monkeypatch.setattr(pushing, "push", push)
    assert await pushing.push_chunk(site, deliveries) == ()

    for each in crowd:
        assert await ids_of(site, each) == [delivery.event.post_id]


async def test_a_push_paused_before_its_look_still_finds_who_left(site, monkeypatch):
    """The two reads are compared as they are packed; one follower fewer is a difference."""
    crowd = CROWD[:3]
    await sign_up(site.database, crowd)
    for each in crowd:
        await commit_follow(site.database, each)
        await build(site, each)
    delivery = await commit_post(site.database, ms=9)
    slow = Pause(monkeypatch, pushing, "push")
    pushed = pushing.push_range(site, ADA, [(NOW + 9, delivery.event.post_id)], 0, MAX_ID)

    async def leave():
        await commit_withdrawal(site.database, crowd[1], ms=20)

    await slow.during(pushed, leave)

    hidden = [(await site.feeds.skeleton(each, None, 9)).hidden for each in crowd]
    assert hidden == [frozenset(), {ADA}, frozenset()]
