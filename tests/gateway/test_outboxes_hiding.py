"""What is not to be seen is in no feed, though an outbox has it; and engines that are away."""

from functools import partial

import pytest

from events.accounts import AccountErased, ProfileEdited
from events.graph import Unfollowed
from events.posts import PostDeleted
from gateway.keys import FEEDS
from stores.feed_keys import list_key, window_key
from tests.gateway.feeding import ADA, BOB, EVE, NOW, follow, ids_of, notice, read
from tests.gateway.pulled import a_second_later, publish_and_fan_out, site_of
from tests.workers.fanning import NOW as FOLLOWS_BEGAN
from tests.workers.fanning import commit_withdrawal
from workers.fanout import hide_author

# Later than any follow here: the clocks of the two kinds of made-up sites differ.
LEAVING_MS = NOW - FOLLOWS_BEGAN + 1_000


@pytest.fixture
async def client(open_client):
    return await open_client()


@pytest.fixture
def site(database, cache_client, log_client):
    return site_of(database, cache_client, log_client)


@pytest.fixture
def fan_out(site):
    return partial(publish_and_fan_out, site)


async def test_whoever_is_left_is_not_shown(client, database, site, fan_out):
    """By the notice, then by what fan-out makes of it, and still when window and list are new."""
    await follow(database)
    assert await ids_of(client) == []
    post = await fan_out(pulled=True)
    a_second_later(client)
    assert await ids_of(client) == [post]

    notice(client, Unfollowed(followee_id=ADA), BOB)
    assert await ids_of(client) == []
    withdrawn = await commit_withdrawal(database, BOB, ADA, ms=LEAVING_MS)
    assert await hide_author(site, [withdrawn]) == []
    for lost in (window_key, list_key):
        await site.feeds._cache.delete(lost(site.feeds._names, BOB))
        assert await ids_of(client) == []


async def test_another_gateway_hides_who_was_left_without_the_notice(
    open_client, database, site, fan_out
):
    """A list that named the author is gone with the follow, and a new window does not hide."""
    first = await open_client()
    await follow(database)
    assert await ids_of(first) == []
    post = await fan_out(pulled=True)
    a_second_later(first)
    assert await ids_of(first) == [post]

    await hide_author(site, [await commit_withdrawal(database, BOB, ADA, ms=LEAVING_MS)])
    await site.feeds._cache.delete(window_key(site.feeds._names, BOB))
    second = await open_client()
    for _ in range(2):  # of Postgres, then of the window that was built
        assert await ids_of(second) == []


async def test_deleted_private_and_erased_count_as_for_all(client, database, fan_out):
    await follow(database)
    await follow(database, followee=EVE, ms=2)
    assert await ids_of(client) == []
    kept = await fan_out(EVE, ms=4, pulled=True)
    gone, other = await fan_out(ms=5, pulled=True), await fan_out(ms=6, pulled=True)
    a_second_later(client)
    notice(client, PostDeleted(post_id=gone), ADA)
    assert await ids_of(client) == [other, kept]

    notice(client, ProfileEdited(private=True), ADA, ms=70)
    assert await ids_of(client) == [other, kept]
    notice(client, Unfollowed(followee_id=ADA), BOB, ms=80)
    assert await ids_of(client) == [kept]
    notice(client, AccountErased(), EVE, ms=90)
    assert await ids_of(client) == []


async def test_without_postgres_what_is_known_is_shown(client, open_client, database, fan_out):
    """With the list and outbox in the cache all; without the list, less, and that is said."""
    await follow(database)
    assert await ids_of(client) == []
    pushed, pulled = await fan_out(ms=5, pulled=False), await fan_out(ms=6, pulled=True)
    a_second_later(client)
    assert await ids_of(client) == [pulled, pushed]

    other = await open_client(database_reader_url="postgresql://127.0.0.1:1/none")
    assert await ids_of(other) == [pulled, pushed]
    await client.app[FEEDS]._cache.delete(list_key(client.app[FEEDS]._names, BOB))
    response, body = await read(other)
    assert [int(each["id"]) for each in body["items"]] == [pushed]
    assert "metadata" in response.headers["Heliograph-Degraded"]
