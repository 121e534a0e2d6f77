"""Outboxes, the roll of who has one, and lists of who follows them, as cache and rows keep them."""

import pytest

from events.ids import EPOCH_MS, Position, make_id
from stores.feed_keys import list_key, outbox_keys
from stores.feeds import Feeds
from stores.outboxes import Outboxes, listed

NOW = EPOCH_MS + 10_000_000_000
ADA, EVE, BOB = (make_id(Position(NOW, n), 100 + n) for n in (1, 2, 3))


@pytest.fixture
def outboxes(cache_client, log_client):
    return Outboxes(Feeds(cache_client, log_client, cap=20))


@pytest.fixture
async def names(outboxes):
    return await outboxes._feeds.current_names()


@pytest.fixture
async def roll(outboxes):
    token = await outboxes.begin_roll()
    await outboxes.finish_roll(token, [ADA])
    return await outboxes.roll(None)


def post(ms):
    return NOW + ms, make_id(Position(NOW + ms, 0), 5)


async def test_an_outbox_is_a_window_of_its_author(outboxes):
    """Absent it says nothing; built, it has what was read and what was pushed meanwhile."""
    assert await outboxes.slices([ADA]) == [None]
    await outboxes.push(ADA, [post(1)])
    assert await outboxes.slices([ADA]) == [None]

    token = await outboxes.begin_build(ADA)
    assert await outboxes.begin_build(ADA) is None
    await outboxes.push(ADA, [post(2)])
    assert await outboxes.slices([ADA]) == [None]
    await outboxes.finish_build(ADA, token, [post(1)], 0)

    assert await outboxes.slices([ADA, EVE]) == [(0, [post(2), post(1)], frozenset(), b""), None]


async def test_an_outbox_ends_at_its_floor(outboxes):
    """More posts than it holds raise it, and what is pushed below is left to Postgres."""
    await outboxes.finish_build(ADA, await outboxes.begin_build(ADA), [], 0)
    await outboxes.push(ADA, [post(ms) for ms in range(1, 24)])

    [found] = await outboxes.slices([ADA])
    assert found.entries == [post(ms) for ms in range(23, 3, -1)]
    assert found.floor == NOW + 3
    await outboxes.push(ADA, [post(3)])
    assert await outboxes.slices([ADA]) == [found]


async def test_the_roll_tells_who_joined_and_whose_outbox_changed(outboxes, roll):
    """Whoever knows the roll is told that nothing changed, or all of it again."""
    assert await outboxes.roll(roll) is roll
    await outboxes.push(EVE, [post(1)])
    second = await outboxes.roll(roll)
    assert second.newest == second.joined[EVE] == second.changed[EVE] > roll.newest
    await outboxes.push(ADA, [post(1), post(2)])
    third = await outboxes.roll(second)

    assert third.id == roll.id
    assert third.newest == second.newest
    assert third.changed[ADA] > second.changed[EVE] == third.changed[EVE]
    assert third.joined == second.joined


async def test_who_enters_while_the_roll_is_made_is_on_it(outboxes):
    """Between the token and the end Postgres is read: what it just missed enters by itself."""
    assert await outboxes.roll(None) is None
    token = await outboxes.begin_roll()
    assert await outboxes.begin_roll() is None
    await outboxes.push(EVE, [post(1)])
    assert await outboxes.roll(None) is None
    await outboxes.finish_roll("another", [BOB])
    await outboxes.finish_roll(token, [ADA, EVE])

    made = await outboxes.roll(None)
    assert made.changed.keys() == {ADA, EVE}
    assert made.newest == max(made.joined.values())


async def test_nothing_is_left_of_who_is_dropped(outboxes, roll, names, cache_client):
    """Outbox, place on the roll, and the list of whom they followed."""
    await outboxes.finish_build(ADA, await outboxes.begin_build(ADA), [post(1)], 0)
    await outboxes.finish_list(ADA, await outboxes.begin_list(ADA, b""), roll, [EVE])
    await outboxes.drop(ADA)

    assert await cache_client.keys("*") == [names.roll]
    changed = await outboxes.roll(roll)
    assert (changed.changed, changed.seq > roll.seq) == ({}, True)


async def test_a_list_counts_unless_a_follow_changed_while_it_was_read(
    outboxes, roll, names, cache_client
):
    """Neither one that was begun before a follow changed, nor one of another roll, is believed."""
    token = await outboxes.begin_list(BOB, b"")
    await outboxes.forget_lists([BOB, EVE])
    await outboxes.finish_list(BOB, token, roll, [ADA])
    assert await cache_client.get(list_key(names, BOB)) is None

    token = await outboxes.begin_list(BOB, b"")
    assert listed(await cache_client.get(list_key(names, BOB)), roll) == (0, [])
    await outboxes.finish_list(BOB, token, roll, [ADA, EVE])
    text = await cache_client.get(list_key(names, BOB))
    assert listed(text, roll) == (roll.seq, [ADA, EVE])
    assert listed(text, roll._replace(id=b"another")) == (0, [])

    assert await outboxes.begin_list(BOB, b"") is None
    assert await outboxes.begin_list(BOB, text)


async def test_windows_bring_the_list_along(outboxes, roll):
    """In the same trip, where it is asked for."""
    feeds = outboxes._feeds
    await feeds.finish_build(BOB, await feeds.begin_build(BOB), [post(1)], truncated=False)
    assert (await feeds.skeleton(BOB, None, 9, followed=True)).followed == b""
    await outboxes.finish_list(BOB, await outboxes.begin_list(BOB, b""), roll, [ADA])

    for before in (None, post(9), (0, 0)):
        found = await feeds.skeleton(BOB, before, 9, followed=True)
        assert listed(found.followed, roll) == (roll.seq, [ADA])
    assert (await feeds.skeleton(BOB, None, 9)).followed == b""


async def test_keys_of_another_type_are_made_anew(outboxes, names, cache_client):
    """Whatever stands there: it is lost, as an evicted one is."""
    for key in (names.roll, outbox_keys(names, ADA)[0], list_key(names, BOB)):
        await cache_client.delete(key)
        await cache_client.lpush(key, "strange")
    await outboxes.push(ADA, [post(1)])

    assert await outboxes.slices([ADA]) == [None]
    assert await outboxes.roll(None) is None
    assert await outboxes.begin_roll()
    assert await outboxes.begin_list(BOB, b"")
