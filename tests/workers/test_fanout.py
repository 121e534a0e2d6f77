"""What fan-out promises, delivery by delivery: no window has a hole or a double."""

import pytest

from events.graph import FollowAccepted, Unfollowed
from events.ids import Position, make_id
from events.posts import PostPublished
from stores import publications
from tests.workers.fanning import (
    ADA,
    BOB,
    EVE,
    NOW,
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


@pytest.fixture
async def site(database, cache_client, log_client):
    return await site_of(database, cache_client, log_client)


async def test_a_post_reaches_its_followers_windows(site):
    """Followers with a window get it; the others will read it from Postgres."""
    await commit_follow(site.database)
    await build(site)
    delivery = await commit_post(site.database)

    assert await fanout.plan_fanout(site, [delivery, delivery]) == []
    assert await fanout.plan_fanout(site, [delivery]) == []

    assert await ids_of(site) == [delivery.event.post_id]
    assert await ids_of(site, EVE) is None


async def test_a_post_without_its_row_comes_later(site):
    """Fan-out may hear of a publication before the row is committed; a deleted post is done."""
    await commit_follow(site.database)
    await build(site)
    known = await commit_post(site.database, ms=1)
    unknown = deliver(
        PostPublished(post_id=known.event.post_id + 1, photos=()), ADA, known.position
    )
    newer = deliver(known.event, ADA, Position(NOW + 2, 0))

    assert await fanout.plan_fanout(site, [known, unknown, newer]) == [unknown, newer]

    await publications.write_deletions(site.database, [known.event.post_id])
    gone = await commit_post(site.database, ms=3)
    early = await commit_post(site.database, ms=4)
    await publications.write_deletions(site.database, [gone.event.post_id, early.event.post_id])
    await publications.set_deletion_moments(site.database, [(early.event.post_id, NOW + 3)])
    assert await fanout.plan_fanout(site, [known, gone, early]) == []
    assert await ids_of(site) == [known.event.post_id]


async def test_many_followers_are_divided_into_chunks(site, monkeypatch):
    """Every follower is in exactly one chunk, and planning again after some left leaves no gap."""
    monkeypatch.setattr(fanout, "FOLLOWERS_PER_CHUNK", 3)
    followers = [make_id(Position(NOW, n), 200 + n) for n in range(10, 18)]
    await sign_up(site.database, followers)
    for each in followers:
        await commit_follow(site.database, each)
        await build(site, each)
    await site.database.execute("UPDATE accounts SET followers = 8 WHERE id = $1", ADA)
    delivery = await commit_post(site.database, ms=9)

    for _ in range(2):
        assert await fanout.plan_fanout(site, [delivery]) == []
    chunks = await announced_chunks(site)
    ranges = sorted((each.first_follower_id, each.last_follower_id) for each in chunks)
    assert [sum(first <= each <= last for first, last in ranges) for each in followers] == [1] * 8
    assert len(ranges) == 3

    await commit_withdrawal(site.database, followers[0], ms=20)
    await fanout.plan_fanout(site, [delivery])
    for chunk in await announced_chunks(site):
        await pushing.push_chunk(site, [deliver(chunk, ADA, Position(NOW + 30, 0))])
    for each in followers[1:]:
        assert await ids_of(site, each) == [delivery.event.post_id]


async def test_a_follow_brings_earlier_posts(site):
    """They stand in their place among the others; whoever has no window reads Postgres."""
    await commit_follow(site.database, BOB, EVE)
    old = await commit_post(site.database, ADA, ms=1)
    between = await commit_post(site.database, EVE, ms=2)
    new = await commit_post(site.database, ADA, ms=3)
    await build(site)

    accepted = await commit_follow(site.database, BOB, ADA, ms=4)
    assert await fanout.backfill(site, [accepted]) == []

    assert await ids_of(site) == [each.event.post_id for each in (new, between, old)]


async def test_a_follow_not_yet_folded_comes_later(site):
    """A verdict waits for its row and its wish; one that a later wish overtook is done."""
    folded = await commit_follow(site.database, ms=4)
    wish = folded.event.wish_version

    def verdict(wish_version, ms):
        event = FollowAccepted(follower_id=BOB, wish_version=wish_version)
        return deliver(event, ADA, Position(NOW + ms, 2))

    overtaken, on_time = verdict(wish - 1, 3), verdict(wish - 1, 9)
    newer, coming = verdict(wish, 9), verdict(wish + 1, 9)
    batch = [folded, overtaken, on_time, newer, coming]
    assert await fanout.backfill(site, batch) == [newer, coming]

    unknown = deliver(Unfollowed(followee_id=EVE), BOB, Position(NOW, 2))
    oneself = deliver(Unfollowed(followee_id=BOB), BOB, Position(NOW, 2))
    assert await fanout.hide_author(site, [unknown, oneself]) == [unknown]


async def test_a_prolific_followee_ends_the_window_higher(site):
    """A backfill that could not read everything must not pretend that it did."""
    posts = [await commit_post(site.database, EVE, ms=ms) for ms in range(10, 35)]
    await build(site)
    accepted = await commit_follow(site.database, BOB, EVE, ms=40)
    await fanout.backfill(site, [accepted])

    window = await site.feeds.skeleton(BOB, None, 100)
    newest = [each.event.post_id for each in reversed(posts)]
    assert [post_id for _, post_id in window.entries] == newest[: len(window.entries)]
    assert window.floor == NOW + 15


async def test_an_unfollowed_author_is_hidden_until_followed_again(site):
    """In whatever order the deliveries come, the window ends as the rows say."""
    accepted = await commit_follow(site.database)
    post = await commit_post(site.database)
    await build(site)
    withdrawn = await commit_withdrawal(site.database)

    assert await fanout.hide_author(site, [withdrawn]) == []
    assert (await site.feeds.skeleton(BOB, None, 9)).hidden == {ADA}

    again = await commit_follow(site.database, ms=7)
    for each in ([again], [accepted], [again, accepted]):
        assert await fanout.backfill(site, each) == []
        assert await fanout.hide_author(site, [withdrawn]) == []
        assert (await site.feeds.skeleton(BOB, None, 9)).hidden == frozenset()
    assert await ids_of(site) == [post.event.post_id]
