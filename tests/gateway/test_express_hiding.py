"""What the express way remembers is not shown a moment longer than a notice allows."""

import time

import pytest

from events.accounts import AccountErased, PasswordChanged, ProfileEdited, SessionsRevoked
from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import Position, make_id, shard_of
from events.posts import PostDeleted
from gateway.keys import FEEDS, WRITTEN
from stores import edges, publications
from stores.edges import Wish
from tests.gateway.expressing import express, ordinary, pages, warm
from tests.gateway.feeding import ADA, BOB, EVE, NOW, follow, ids_of, notice, opening, publish, read

DAY_SECONDS = 86_400


@pytest.fixture
async def client(settings, log_client, reader_database, database):
    async with opening(settings, log_client, reader_database, database) as opened:
        yield await opened()


@pytest.fixture
async def posts(client, database):
    """Ada's, newest first; Bob and Eve follow her, and their pages are in memory."""
    await follow(database)
    await follow(database, EVE)
    made = [await publish(database, ms=ms) for ms in range(2, 6)][::-1]
    for each in (BOB, EVE):
        assert await warm(client, each) == made
    return made


def twice(client, event, actor, **more):
    """As notices may be delivered."""
    notice(client, event, actor, **more)
    return notice(client, event, actor, **more)


async def test_a_deleted_post(client, database, posts):
    """Gone by the notice alone, on the way that is fast, and for good."""
    twice(client, PostDeleted(post_id=posts[1]), ADA)
    left = [posts[0], *posts[2:]]
    _, body = await express(client)
    assert [int(each["id"]) for each in body["items"]] == left

    await publications.write_deletions(database, [posts[1]])
    assert await ids_of(client, EVE) == await ids_of(client) == left


async def test_a_page_is_filled_up(client, posts):
    """Others take the place of what is not shown, slice after slice, without leaving the way."""
    twice(client, PostDeleted(post_id=posts[0]), ADA)
    twice(client, PostDeleted(post_id=posts[2]), ADA)
    fast, body = await express(client, limit=2)
    _, same = await ordinary(client, limit=2)

    assert [int(each["id"]) for each in body["items"]] == [posts[1], posts[3]]
    assert body == same
    assert fast.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("written", [False, True])
async def test_an_edited_profile(client, database, posts, written):
    """The old name is not taken out of memory; the new one is, once the row has it."""
    version = twice(client, ProfileEdited(display_name="New"), ADA)
    if not written:
        served = pages(client, "served")
        await read(client)
        assert pages(client, "served") == served, "memory knows only the old name"
    await database.execute(
        "UPDATE accounts SET display_name = 'New', display_name_version = $1 WHERE id = $2",
        version,
        ADA,
    )
    assert await warm(client) == posts
    _, body = await express(client, EVE)
    assert {each["author"]["display_name"] for each in body["items"]} == {"New"}


async def test_an_author_gone_private(client, database, posts):
    """Who follows reads on, by addresses of a private account; who does not any more stops."""
    withdrawn = Wish(EVE, ADA, False, make_id(Position(NOW + 40, 0), shard_of(EVE)))
    await edges.write_wishes_of_followers(database, [withdrawn])
    _, before = await express(client)
    version = twice(client, ProfileEdited(private=True), ADA)
    await database.execute(
        "UPDATE accounts SET private = true, private_version = $1 WHERE id = $2", version, ADA
    )

    assert await ids_of(client, EVE) == []
    assert await warm(client) == posts
    _, body = await express(client)
    assert photo_of(body) != photo_of(before)
    assert await ids_of(client, EVE) == [], "what Bob may see is not for all"


async def test_an_author_gone_public_again(client, database, posts):
    """The latest word counts, in whatever order it is heard."""
    twice(client, ProfileEdited(private=False), ADA, ms=60)
    version = notice(client, ProfileEdited(private=False), ADA, ms=60)
    twice(client, ProfileEdited(private=True), ADA, ms=50)
    await database.execute("UPDATE accounts SET private_version = $1 WHERE id = $2", version, ADA)
    withdrawn = Wish(EVE, ADA, False, make_id(Position(NOW + 40, 0), shard_of(EVE)))
    await edges.write_wishes_of_followers(database, [withdrawn])

    assert await warm(client, EVE) == posts


async def test_an_unfollowed_author(client, posts):
    """Gone for who left, at once, and back with the next follow; others read on."""
    twice(client, Unfollowed(followee_id=ADA), BOB, ms=50)
    _, body = await express(client)
    assert body == {"items": [], "next": None}
    assert await warm(client, EVE) == posts

    wish = twice(client, FollowRequested(followee_id=ADA), BOB, ms=60)
    twice(client, FollowAccepted(follower_id=BOB, wish_version=wish), ADA, ms=61)
    _, body = await express(client)
    assert [int(each["id"]) for each in body["items"]] == posts


async def test_a_hidden_author(client, posts):
    """What fan-out notes in the viewer's window comes with the slice."""
    await client.app[FEEDS].hide([(BOB, ADA)])
    _, body = await express(client)
    assert body == {"items": [], "next": None}
    await client.app[FEEDS].unhide([(BOB, ADA)])
    assert await warm(client) == posts


async def test_an_erased_author(client, posts):
    """Gone, and nothing of what was said is remembered."""
    twice(client, AccountErased(), ADA)

    assert client.app[WRITTEN].posts.values() == []
    assert await ids_of(client) == await ids_of(client, EVE) == []


@pytest.mark.parametrize(
    "event",
    [SessionsRevoked(), PasswordChanged(password_hash="x"), AccountErased()],
    ids=["signed out everywhere", "new password", "erased"],
)
async def test_an_ended_session(client, posts, event):
    """A token that was good a moment ago is refused with the next read; others are not."""
    later = int(time.time() * 1000) - NOW + 60_000
    await express(client)
    twice(client, event, BOB, ms=later)
    response, body = await read(client)

    assert (response.status, body["code"]) == (401, "revoked-token")
    assert await warm(client, EVE) == posts


async def test_addresses_that_end(client, posts):
    """A new day brings new addresses, and writes no post that stands still."""
    written, now = client.app[WRITTEN], time.time()
    today, again, tomorrow = (
        written.take(posts, written.expiries(each)) for each in (now, now, now + DAY_SECONDS)
    )

    assert [each.item for each in today] == [each.item for each in again]
    assert all(one is other for one, other in zip(today, again, strict=True))
    for one, other in zip(today, tomorrow, strict=True):
        ends = other.author.expires
        same_but_mac = one.item.replace(b"e=%d" % (ends - DAY_SECONDS), b"e=%d" % ends)
        assert other.item == same_but_mac.replace(mac_in(one.item), mac_in(other.item))


def mac_in(item):
    return item.partition(b"&s=")[2].partition(b'"')[0]


def photo_of(body):
    return body["items"][0]["photos"][0]["renditions"][0]["url"]
