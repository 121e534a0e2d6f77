import pytest

from events.graph import FollowAccepted, FollowRequested, Unfollowed
from events.ids import MAX_ID
from stores.accounts import STRANGERS, viewer_relations
from stores.edges import Verdict, write_verdicts_of_followees, write_verdicts_to_followers
from stores.follows import (
    follower_counts,
    follower_range_bounds,
    followers_page,
    following_page,
    holding_followers,
    holds,
    waiting_wishes,
    wish_of,
)
from tests.workers.histories import deliver, happened, new_site, registered

ADA = registered("ada", 1)
FANS = [registered(f"fan{nth}", 2 + nth) for nth in range(7)]
WISHES = [
    happened(FollowRequested(followee_id=ADA.actor), fan.actor, 100 + nth)
    for nth, fan in enumerate(FANS)
]
HOLDING = sorted(fan.actor for fan in FANS[:5])


@pytest.fixture
async def reader(database, reader_database, log_client, cache_client):
    """Seven wish to follow Ada, six were accepted, one of them left: five follow, one waits."""
    site = new_site(database, log_client, cache_client)
    await deliver(site, ADA, *FANS)
    await deliver(site, *WISHES)
    for nth, wish in enumerate(WISHES[:6]):
        verdict = FollowAccepted(follower_id=wish.actor, wish_version=wish.id)
        await deliver(site, happened(verdict, ADA.actor, 200 + nth))
    await deliver(site, happened(Unfollowed(followee_id=ADA.actor), FANS[5].actor, 300))
    return reader_database


async def test_an_edge_tells_what_holds(reader):
    """Followed, left, waiting and never wished are told apart."""
    assert await holds(reader, FANS[0].actor, ADA.actor)
    assert not await holds(reader, FANS[5].actor, ADA.actor)
    assert not await holds(reader, FANS[6].actor, ADA.actor)
    assert not await holds(reader, ADA.actor, FANS[0].actor)

    left = await wish_of(reader, FANS[5].actor, ADA.actor)
    assert (left.wish, left.accepted_wish) == (False, WISHES[5].id)
    assert left.withdrawn_version > left.accepted_wish
    assert await wish_of(reader, ADA.actor, FANS[0].actor) is None


async def test_both_lists_page_newest_wish_first(reader):
    """No entry twice, none missing, whatever the size of a page."""
    expected = [(wish.actor, wish.id) for wish in reversed(WISHES[:5])]
    assert await followers_page(reader, ADA.actor, None, 30) == expected
    first = await followers_page(reader, ADA.actor, None, 3)
    assert first + await followers_page(reader, ADA.actor, first[-1][1], 3) == expected
    assert await followers_page(reader, ADA.actor, expected[-1][1], 3) == []

    assert await following_page(reader, FANS[2].actor, None, 30) == [(ADA.actor, WISHES[2].id)]
    assert await following_page(reader, FANS[2].actor, WISHES[2].id, 30) == []
    assert await following_page(reader, FANS[5].actor, None, 30) == []


async def test_fan_out_reads_followers_by_ranges(reader):
    """The bounds cut all who follow now into ranges that miss nobody and name nobody twice."""
    assert await follower_counts(reader, [ADA.actor, 77]) == {ADA.actor: 5}
    assert await follower_range_bounds(reader, FANS[0].actor, 2) == []

    for every in (1, 2, 3, 5, 9):
        bounds = await follower_range_bounds(reader, ADA.actor, every)
        ranges = [
            await holding_followers(reader, ADA.actor, first, last)
            for first, last in zip([0, *(bound + 1 for bound in bounds)], bounds, strict=False)
        ]
        assert [each for one in ranges for each in one] == HOLDING
        assert [len(one) for one in ranges[:-1]] == [every] * (len(ranges) - 1)
        lowest = await holding_followers(reader, ADA.actor, 0, MAX_ID, every)
        assert list(lowest) == HOLDING[:every]


async def test_only_what_has_no_verdict_waits(reader):
    """Neither who follows nor who left is asked about again."""
    assert await waiting_wishes(reader, ADA.actor, 0, 10) == [(FANS[6].actor, WISHES[6].id)]
    assert await waiting_wishes(reader, ADA.actor, WISHES[6].id, 10) == []


async def test_a_refused_wish_waits_no_more(reader, database):
    """Neither does it hold; who made it may wish again."""
    fan = FANS[6].actor
    refusal = Verdict(fan, ADA.actor, False, WISHES[6].id, WISHES[6].id + 1)
    await write_verdicts_to_followers(database, [refusal])
    await write_verdicts_of_followees(database, [refusal])

    assert await waiting_wishes(reader, ADA.actor, 0, 10) == []
    assert await viewer_relations(reader, fan, [ADA.actor]) == {ADA.actor: STRANGERS}
