"""What is not to be seen is not in a feed, from the moment it is heard of."""

import pytest

from events.accounts import ProfileEdited
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import Position, make_id, shard_of
from events.posts import PostDeleted
from gateway.keys import CARDS, FEEDS
from stores import edges, publications
from stores.edges import Wish
from tests.gateway.feeding import ADA, BOB, EVE, NOW, follow, ids_of, notice, publish, read


@pytest.fixture
async def client(open_client):
    return await open_client()


async def test_deleted_posts_are_not_shown(client, database):
    """Neither by the notice alone nor by the row alone; the page is filled up with others."""
    await follow(database)
    posts = [await publish(database, ms=ms) for ms in range(6)]
    assert len(await ids_of(client)) == 6

    notice(client, PostDeleted(post_id=posts[5]), ADA)
    await publications.write_deletions(database, [posts[4]])
    client.app[CARDS].forget_post(posts[4], deleted=2**62)

    assert await ids_of(client, limit=2) == [posts[3], posts[2]]


async def test_an_unfollowed_author_is_gone_at_once(client, database):
    """The notice hides before fan-out does, `hidden` does after the notice is forgotten."""
    await follow(database)
    post_id = await publish(database)
    assert await ids_of(client) == [post_id]

    notice(client, Unfollowed(followee_id=ADA), BOB, ms=50)
    assert await ids_of(client) == []

    again = notice(client, FollowRequested(followee_id=ADA), BOB, ms=60)
    notice(client, FollowAccepted(follower_id=BOB, wish_version=again), ADA, ms=61)
    assert await ids_of(client) == [post_id]

    await client.app[FEEDS].hide([(BOB, ADA)])
    assert await ids_of(client) == []


async def test_a_private_authors_posts_need_the_follow(client, database):
    """Gone private by notice: who follows keeps reading, who does not any more stops."""
    await follow(database)
    await follow(database, EVE)
    post_id = await publish(database)
    assert await ids_of(client) == await ids_of(client, EVE) == [post_id]
    withdrawn = Wish(EVE, ADA, False, make_id(Position(NOW + 40, 0), shard_of(EVE)))
    await edges.write_wishes_of_followers(database, [withdrawn])

    notice(client, ProfileEdited(private=True), ADA)

    assert await ids_of(client) == [post_id]
    assert await ids_of(client, EVE) == []
    _, body = await read(client)
    assert "/media/" in body["items"][0]["photos"][0]["renditions"][0]["url"]


async def test_an_edited_profile_is_never_shown_old_again(client, database):
    """Heard before the row is written, it is read again until it has the edit."""
    await follow(database)
    await publish(database)
    await ids_of(client)
    version = notice(client, ProfileEdited(display_name="New"), ADA)
    _, body = await read(client)
    assert body["items"][0]["author"]["display_name"] == "A name"

    await database.execute(
        "UPDATE accounts SET display_name = 'New', display_name_version = $1 WHERE id = $2",
        version,
        ADA,
    )
    for _ in range(2):
        _, body = await read(client)
        assert body["items"][0]["author"]["display_name"] == "New"
