import asyncio
import itertools
import random

import pytest

from events.accounts import ProfileEdited
from events.graph import FollowAccepted
from stores.accounts import account_by_id
from stores.follows import holds, wish_of
from tests.workers.histories import (
    accepted,
    announcements,
    assert_counted,
    deliver,
    dump,
    forget,
    happened,
    new_site,
    registered,
    settle_aloud,
    wished,
    withdrawn,
)
from workers.graph import open_doors, record_wishes


@pytest.fixture
async def site(database, log_client, cache_client):
    return new_site(database, log_client, cache_client)


@pytest.fixture
async def ada(site):
    opened = registered("ada", 1)
    await deliver(site, opened)
    return opened.actor


@pytest.fixture
async def bob(site):
    opened = registered("bob", 2)
    await deliver(site, opened)
    return opened.actor


def privacy(account, private, moment):
    return happened(ProfileEdited(private=private), account, moment)


async def verdicts(site):
    """(followee, follower, wish) of every acceptance announced so far."""
    return [
        (each.actor, each.event.follower_id, each.event.wish_version)
        for each in await announcements(site.log)
    ]


async def test_a_public_account_accepts_at_once(site, ada, bob):
    """One announcement, however often the wish is delivered; the follow holds once it is folded."""
    wish = wished(bob, ada, 3)
    await deliver(site, wish)
    await deliver(site, wish, wish)

    [verdict] = await announcements(site.log)
    assert (verdict.actor, verdict.cause) == (ada, wish.address)
    assert verdict.event == FollowAccepted(follower_id=bob, wish_version=wish.id)
    assert not await holds(site.database, bob, ada)

    await deliver(site, verdict)
    assert await holds(site.database, bob, ada)
    assert (await account_by_id(site.database, ada)).followers == 1
    assert (await account_by_id(site.database, bob)).following == 1


async def test_a_verdict_already_folded_is_not_announced_again(site, ada, bob):
    """Long after the log forgot the cause, the row still shows that its effect exists."""
    wish = wished(bob, ada, 3)
    await deliver(site, wish, accepted(wish, 4))
    await site.log.client.flushall()

    await deliver(site, wish)

    assert await verdicts(site) == []


async def test_a_private_account_is_asked(site, ada, bob):
    """The wish stands and waits; nothing is announced."""
    wish = wished(bob, ada, 4)
    await deliver(site, privacy(ada, True, 3))
    await deliver(site, wish)

    assert await verdicts(site) == []
    edge = await wish_of(site.database, bob, ada)
    assert (edge.wish, edge.wish_version, edge.accepted, edge.holds) == (True, wish.id, None, False)


async def test_going_private_ends_no_follow(site, ada, bob):
    """Who followed before follows still, also after wishing it once more."""
    wish = wished(bob, ada, 3)
    await deliver(site, wish, accepted(wish, 4))
    await deliver(site, privacy(ada, True, 5))
    await deliver(site, wished(bob, ada, 6))

    assert await holds(site.database, bob, ada)
    assert (await account_by_id(site.database, ada)).followers == 1


async def test_who_left_a_private_account_has_to_ask_again(site, ada, bob):
    """Also when the new wish arrives before the withdrawal that went ahead of it."""
    first, again = wished(bob, ada, 3), wished(bob, ada, 6)
    await deliver(site, first, accepted(first, 4))
    await deliver(site, privacy(ada, True, 4))
    await site.log.client.flushall()

    await deliver(site, again)
    await deliver(site, withdrawn(bob, ada, 5))

    edge = await wish_of(site.database, bob, ada)
    assert (edge.wish, edge.holds) == (True, False)
    assert await verdicts(site) == []


async def test_going_public_accepts_every_waiting_wish_once(site, ada, bob):
    """Those that were withdrawn, or hold already, get no verdict."""
    cyd, dan = registered("cyd", 3), registered("dan", 4)
    old, waiting = wished(cyd.actor, ada, 5), wished(bob, ada, 7)
    dropped = [wished(dan.actor, ada, 8), withdrawn(dan.actor, ada, 9)]
    await deliver(site, cyd, dan)
    await deliver(site, old, accepted(old, 6))
    await deliver(site, privacy(ada, True, 6))
    await deliver(site, waiting, *dropped)
    await site.log.client.flushall()

    opening = privacy(ada, False, 10)
    assert await deliver(site, opening) == [opening]  # the register comes first
    assert not await deliver(site, opening)
    assert not await deliver(site, opening)

    assert await verdicts(site) == [(ada, bob, waiting.id)]
    [verdict] = await announcements(site.log)
    assert verdict.cause == opening.address


async def test_a_door_closed_again_lets_nobody_in(site, ada, bob):
    """An opening that arrives behind a later closing announces nothing."""
    await deliver(site, privacy(ada, True, 3))
    await deliver(site, wished(bob, ada, 4))
    opening = privacy(ada, False, 5)
    await deliver(site, privacy(ada, True, 6), opening)

    assert not await open_doors(site, [opening])
    assert await verdicts(site) == []


async def test_no_wish_slips_between_writing_and_opening(site, ada):
    """Wishes and an opening handled at the same time: every wish is accepted by one of them."""
    fans = [registered(f"fan{nth}", 10 + nth) for nth in range(40)]
    wishes = [wished(fan.actor, ada, 100 + nth) for nth, fan in enumerate(fans)]
    opening = privacy(ada, False, 90)
    await deliver(site, *fans)
    await deliver(site, privacy(ada, True, 80))

    async def open_up():
        while await deliver(site, opening):
            pass

    await asyncio.gather(*(record_wishes(site, [each]) for each in wishes), open_up())

    assert {wish for _, _, wish in await verdicts(site)} == {wish.id for wish in wishes}


async def test_a_late_verdict_on_an_old_wish_ends_no_follow(site):
    """Follow, leave, follow: the second acceptance counts, though the first was announced after."""
    ada, bob = registered("ada", 1), registered("bob", 2)
    first, leaving = wished(bob.actor, ada.actor, 3), withdrawn(bob.actor, ada.actor, 4)
    second = wished(bob.actor, ada.actor, 5)
    history = [first, leaving, second, accepted(second, 6), accepted(first, 7)]

    for order in list(itertools.permutations(history))[::3]:
        await forget(site)
        await deliver(site, ada, bob)
        for each in order:
            assert not await deliver(site, each)

        edge = await wish_of(site.database, bob.actor, ada.actor)
        assert (edge.holds, edge.accepted_wish) == (True, second.id)
        assert_counted(await dump(site))


async def test_leaving_beats_a_verdict_that_comes_late(site, ada, bob):
    """An acceptance folded after the withdrawal changes nothing."""
    wish = wished(bob, ada, 3)
    await deliver(site, wish)
    await deliver(site, withdrawn(bob, ada, 4))
    await deliver(site, *await announcements(site.log))

    assert not await holds(site.database, bob, ada)
    assert_counted(await dump(site))


async def test_nobody_follows_themselves(site, ada):
    """Such a wish, and its withdrawal, are done without effect."""
    assert not await deliver(site, wished(ada, ada, 3), withdrawn(ada, ada, 4))

    assert await wish_of(site.database, ada, ada) is None
    assert await verdicts(site) == []


async def test_an_edge_waits_for_both_its_ends(site, ada):
    """Counters stand on both accounts, so nothing is written before both are known."""
    cyd = registered("cyd", 3)
    wish, asked = wished(cyd.actor, ada, 4), wished(ada, cyd.actor, 5)
    verdict, leaving = accepted(wish, 6), withdrawn(ada, cyd.actor, 7)
    early = [verdict, wish, asked, leaving]

    assert await deliver(site, *early) == early
    assert await wish_of(site.database, cyd.actor, ada) is None

    await deliver(site, cyd)
    assert not await deliver(site, *early)
    assert_counted(await dump(site))


async def test_workers_side_by_side_neither_block_nor_miscount(site):
    """Batches over the same few accounts, many at a time: no deadlock, and counters that add up."""
    people = [registered(f"p{nth}", nth + 1) for nth in range(12)]
    await deliver(site, *people)
    chance = random.Random(7)
    history = []
    for moment in range(100, 700):
        follower, followee = chance.sample([each.actor for each in people], 2)
        kind = chance.choice([wished, wished, withdrawn])
        history.append(kind(follower, followee, moment))
    chance.shuffle(history)
    batches = [history[at : at + 25] for at in range(0, len(history), 25)]

    await asyncio.gather(*(deliver(site, *batch) for batch in batches))
    await settle_aloud(site, [])

    tables = await dump(site)
    assert_counted(tables)
    assert all(row["holds"] == row["wish"] for row in tables["following"])
