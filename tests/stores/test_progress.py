"""Figures of a fan-out: each part once, however often it is done."""

import pytest

from stores.feeds import Feeds
from stores.progress import LARGE_SECONDS, SMALL_SECONDS, Fanouts, Note, Plan, key_of
from stores.pushes import Pushed

POST = 77
PUSH = Plan(pulled=False, followers=900, parts=2)


@pytest.fixture
def feeds(cache_client, log_client):
    return Feeds(cache_client, log_client)


@pytest.fixture
def fanouts(feeds):
    return Fanouts(feeds)


async def test_parts_add_up(fanouts):
    """As far as they have come; a part that is done again counts as it was met last."""
    assert await fanouts.of(POST) is None
    await fanouts.note([Note(POST, PUSH)])
    assert await fanouts.of(POST) == (PUSH, 0, Pushed(0, 0, 0, 0))
    await fanouts.note([Note(POST, None, "0", Pushed(500, 100, 390, 10))])
    await fanouts.note([Note(POST, None, "501", Pushed(400, 50, 350, 0))])
    await fanouts.note([Note(POST, None, "501", Pushed(400, 0, 345, 5)), Note(POST, PUSH)])

    found = await fanouts.of(POST)
    assert found == (PUSH, 2, Pushed(900, 100, 735, 15))
    assert found.written == 150


async def test_it_is_forgotten_in_time(fanouts, feeds, cache_client):
    """Sooner where nothing is estimated from it; a part without a plan is no fan-out."""
    small = Plan(pulled=False, followers=3, parts=1)
    await fanouts.note([Note(1, small, "all", Pushed(3, 1, 2, 0)), Note(2, PUSH)])
    await fanouts.note([Note(3, None, "0", Pushed(1, 1, 0, 0))])
    epoch = (await feeds.current_names()).epoch

    left = [await cache_client.ttl(key_of(epoch, post_id)) for post_id in (1, 2, 3)]
    assert 0 < left[0] <= SMALL_SECONDS
    assert min(left[1:]) > LARGE_SECONDS - 60
    assert await fanouts.of(3) is None


async def test_a_pulled_post_is_written_nowhere(fanouts):
    """Its figures are of a sample."""
    plan = Plan(pulled=True, followers=2_000, parts=1)
    await fanouts.note([Note(POST, plan, "sample", Pushed(100, 30, 70, 0))])
    found = await fanouts.of(POST)
    assert (found.plan, found.written, found.met.absent) == (plan, 0, 70)
