"""Feeds of those who follow somebody whose posts are pulled: as everybody else's."""

from contextlib import AsyncExitStack
from functools import partial

import pytest

from events.ids import Position, make_id
from gateway.keys import FEEDS
from gateway.outboxes import OUTBOXES, RENEWALS_AT_ONCE
from stores.feed_keys import list_key, outbox_keys, window_key
from stores.profiles import NewAccount, add_accounts
from tests.gateway.feeding import ADA, BOB, EVE, NOW, all_pages, follow, ids_of
from tests.gateway.pulled import a_second_later, publish_and_fan_out, site_of
from tests.gateway.serving import until


@pytest.fixture
async def client(open_client):
    return await open_client()


@pytest.fixture
def site(database, cache_client, log_client):
    return site_of(database, cache_client, log_client)


@pytest.fixture
def fan_out(site):
    return partial(publish_and_fan_out, site)


async def test_pulled_posts_stand_among_the_pushed(client, database, fan_out):
    """In their order, of one author and of several, ties of a millisecond too, page by page."""
    await follow(database)
    await follow(database, followee=EVE, ms=2)
    assert await ids_of(client) == []
    posts = [
        await fan_out(author, ms // 3, sequence=ms, pulled=ms % 2 == 0)
        for ms, author in zip(range(30, 90), [ADA, EVE, EVE] * 20, strict=True)
    ]
    a_second_later(client)

    assert await ids_of(client, limit=100) == posts[::-1]
    for limit in (1, 7, 30):
        assert await all_pages(client, limit) == posts[::-1]


async def test_a_pulled_post_is_shown_within_a_second_or_so(client, database, fan_out):
    """Nobody has to come back for it, and no other gateway has to be told."""
    await follow(database)
    first = await fan_out(ms=1, pulled=True)
    assert await ids_of(client) == [first]
    second = await fan_out(ms=2, pulled=True)

    shown = []
    while shown != [second, first]:
        shown = await ids_of(client)
        assert shown in ([first], [second, first])


async def test_who_follows_nobody_on_the_roll_sees_nothing_of_it(client, database, fan_out):
    """Neither do they who followed once."""
    await follow(database, followee=EVE)
    assert await ids_of(client) == []
    pushed = await fan_out(EVE, ms=5, pulled=False)
    await fan_out(ADA, ms=6, pulled=True)
    a_second_later(client)
    assert await ids_of(client) == [pushed]


async def test_a_new_author_on_the_roll_is_found_by_who_followed_before(
    client, database, fan_out, cache_client
):
    """Lists name those of the roll as it was; of whoever joined since the rows are asked."""
    for followee in (ADA, EVE):
        await follow(database, followee=followee)
    assert await ids_of(client) == []
    ours = await fan_out(ADA, ms=5, pulled=True)
    a_second_later(client)
    assert await ids_of(client) == [ours]
    theirs = await fan_out(EVE, ms=6, pulled=True)
    a_second_later(client)

    assert await ids_of(client) == [theirs, ours]
    text = await cache_client.get(list_key(client.app[FEEDS]._names, BOB))
    assert set(text.partition(b":")[2].split(b",")) == {b"%d" % ADA, b"%d" % EVE}


async def test_when_somebody_joins_the_roll_not_everybody_asks_at_once(client, database, fan_out):
    """While some do, others are shown what their lists know, and the rest a little later."""
    for followee in (ADA, EVE):
        await follow(database, followee=followee)
    assert await ids_of(client) == []
    ours = await fan_out(ADA, ms=5, pulled=True)
    a_second_later(client)
    assert await ids_of(client) == [ours]
    theirs = await fan_out(EVE, ms=6, pulled=True)
    a_second_later(client)
    async with AsyncExitStack() as others:
        for _ in range(RENEWALS_AT_ONCE):
            await others.enter_async_context(client.app[OUTBOXES].renewals)
        assert await ids_of(client) == [ours]
    assert await ids_of(client) == [theirs, ours]


async def test_below_an_outbox_postgres_goes_on(client, database, site, fan_out, monkeypatch):
    """More is pulled than an outbox holds, more is pushed than a window holds."""
    monkeypatch.setattr(client.app[FEEDS], "cap", 10)
    site.feeds.cap = 10
    await follow(database)
    await follow(database, followee=EVE, ms=2)
    assert await ids_of(client) == []
    posts = [await fan_out(ADA, ms, pulled=True) for ms in range(10, 40)]
    posts += [await fan_out(EVE, ms, pulled=ms % 2 == 0) for ms in range(40, 70)]
    a_second_later(client)

    assert await all_pages(client, 7) == posts[::-1]


@pytest.mark.parametrize("what", ["outbox", "roll", "list", "window", "all"])
async def test_whatever_the_cache_loses_is_built_anew(
    client, database, fan_out, cache_client, what
):
    """Also between two pages."""
    await follow(database)
    assert await ids_of(client) == []
    posts = [await fan_out(ADA, ms, pulled=ms % 3 > 0) for ms in range(10, 40)]
    names = client.app[FEEDS]._names
    keys = {
        "outbox": [outbox_keys(names, ADA)[0]],
        "roll": [names.roll],
        "list": [list_key(names, BOB)],
        "window": [window_key(names, BOB)],
    }
    keys["all"] = [key for each in keys.values() for key in each]

    async def lose():
        await cache_client.delete(*keys[what])
        a_second_later(client)

    a_second_later(client)
    assert await all_pages(client, 4, between=lose) == posts[::-1]
    posts.append(await fan_out(ADA, ms=50, pulled=True))
    a_second_later(client)
    assert await ids_of(client, limit=3) == posts[:-4:-1]


async def test_a_member_who_follows_7500_people(client, database, fan_out):
    """Sixty of whom are on the roll: one page has the newest of all, and the next ones the rest."""
    people = [make_id(Position(NOW, 10 + n % 1_000), n % 8_192) for n in range(7_500)]
    await add_accounts(database, [NewAccount(each, f"v{each}", "", "") for each in people])
    await database.execute(
        """
        INSERT INTO following (shard, follower_id, followee_id, wish, wish_version, accepted,
                               accepted_wish)
        SELECT $1, $2, each, true, 1, true, 1 FROM unnest($3::bigint[]) AS each
        """,
        BOB >> 10 & 8_191,
        BOB,
        people,
    )
    assert await ids_of(client) == []
    posts = [await fan_out(people[n * 100], ms=n + 1, sequence=n, pulled=True) for n in range(60)]
    a_second_later(client)

    assert await ids_of(client, limit=100) == posts[::-1]
    assert await all_pages(client, 9) == posts[::-1]


async def test_gateways_whose_memory_is_full_forget_and_go_on(
    client, database, fan_out, monkeypatch
):
    monkeypatch.setattr("gateway.outboxes.MOST_PLACES", 3)
    await follow(database)
    assert await ids_of(client) == []
    for ms in range(10, 20):
        post = await fan_out(ms=ms, pulled=True)
        a_second_later(client)
        assert (await ids_of(client))[0] == post
    await until(lambda: len(client.app[OUTBOXES].boxes) == 1)
