import pytest

from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import EPOCH_MS
from events.posts import PostDeleted, PostPublished
from stores.pulls import feed_pull, recent_of_author
from tests.workers.histories import deliver, happened, new_site, registered, rendered

ADA, BOB, CYD, VIEWER = (registered(name, at) for at, name in enumerate(("a", "b", "c", "v"), 1))


@pytest.fixture
async def site(database, log_client, cache_client):
    """The viewer follows Ada and Bob, and no longer Cyd."""
    site = new_site(database, log_client, cache_client)
    await deliver(site, ADA, BOB, CYD, VIEWER)
    for nth, followee in enumerate((ADA, BOB, CYD)):
        wish = happened(FollowRequested(followee_id=followee.actor), VIEWER.actor, 10 + nth)
        verdict = FollowAccepted(follower_id=VIEWER.actor, wish_version=wish.id)
        await deliver(site, wish, happened(verdict, followee.actor, 20 + nth))
    await deliver(site, happened(Unfollowed(followee_id=CYD.actor), VIEWER.actor, 30))
    return site


async def publish(site, author, moment):
    """A post of this author, published at this moment, as a feed names it."""
    post_id = happened(PostPublished(post_id=0, photos=()), author, moment - 1).id
    event = PostPublished(post_id=post_id, photos=(rendered(),))
    await deliver(site, happened(event, author, moment))
    return EPOCH_MS + moment, post_id, author


async def test_a_feed_can_be_read_to_its_end(site, reader_database):
    """Newest publication first over all who are followed, ties by id, none twice, none missing."""
    posts = [
        await publish(site, author, moment)
        for moment in range(100, 120, 2)
        for author in (ADA.actor, BOB.actor, CYD.actor, VIEWER.actor)
    ]
    deleted = posts.pop(0)
    await deliver(site, happened(PostDeleted(post_id=deleted[1]), deleted[2], 200))
    followed = (ADA.actor, BOB.actor)
    expected = sorted((each for each in posts if each[2] in followed), reverse=True)

    assert await feed_pull(reader_database, VIEWER.actor, None, 100) == expected
    for limit in (1, 3, 7):
        paged, before = [], None
        while page := await feed_pull(reader_database, VIEWER.actor, before, limit):
            paged += page
            before = page[-1][:2]
        assert paged == expected


async def test_whoever_follows_nobody_has_an_empty_feed(site, reader_database):
    """Own posts are not in it."""
    await publish(site, ADA.actor, 100)

    assert await feed_pull(reader_database, ADA.actor, None, 10) == []


async def test_the_newest_of_one_author(site, reader_database):
    """Those above a moment, at most so many, newest first."""
    posts = [(await publish(site, ADA.actor, moment))[:2] for moment in (100, 102, 104)]
    await publish(site, BOB.actor, 103)

    recent = await recent_of_author(reader_database, ADA.actor, EPOCH_MS + 100, 10)
    assert recent == [posts[2], posts[1]]
    assert await recent_of_author(reader_database, ADA.actor, 0, 1) == [posts[2]]
