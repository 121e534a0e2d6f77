"""Allowances, counted in the cache and in memory, are one and the same."""

import asyncio

import pytest

from runtime.reach import Reach
from stores.rates import SECOND, Allowance, Rates

DAY = 86_400


@pytest.fixture
def rates(cache_client):
    rates = Rates(cache_client, Reach("cache-unavailable"))
    yield rates
    rates.close()


@pytest.fixture(params=["shared", "here"])
def take(rates, request):
    """Take of an allowance, as the whole site counts it or as one process does."""

    async def shared(*allowances):
        taken = await rates.take(*allowances)
        assert taken.shared
        return taken

    async def here(*allowances):
        return rates.take_here(*allowances)

    return {"shared": shared, "here": here}[request.param]


async def test_all_of_an_allowance_may_be_taken_at_once(take):
    """And not one more; each answer says what is left. No rounding loses one of seven."""
    ada = Allowance("ada", most=7, seconds=DAY)
    taken = [await take(ada) for _ in range(8)]

    assert [each.granted for each in taken] == [True] * 7 + [False]
    assert [each.left[0].remaining for each in taken] == [6, 5, 4, 3, 2, 1, 0, 0]
    assert {each.left[0].most for each in taken} == {7}
    assert [each.left[0].wait > 0 for each in taken] == [False] * 7 + [True]


async def test_what_is_refused_costs_nothing(take):
    """Whoever keeps asking waits no longer than whoever waits."""
    ada = Allowance("ada", most=2, seconds=DAY)
    for _ in range(2):
        await take(ada)
    first = (await take(ada)).left[0]
    for _ in range(50):
        last = (await take(ada)).left[0]

    assert last.wait <= first.wait <= DAY * SECOND / 2
    assert last.whole_in <= first.whole_in <= DAY * SECOND


async def test_it_comes_back_evenly(take):
    """One is there again when the answer said so, and only one."""
    ada = Allowance("ada", most=4, seconds=1)
    for _ in range(4):
        await take(ada)
    refused = await take(ada)
    assert not refused.granted
    assert 0 < refused.left[0].wait <= SECOND / 4

    await asyncio.sleep(refused.left[0].wait / SECOND)
    assert (await take(ada)).granted
    await asyncio.sleep(1.01)
    assert [(await take(ada)).granted for _ in range(3)] == [True] * 3


async def test_one_of_each_or_of_none(take):
    """What one allowance refuses is not taken from the other."""
    narrow, wide = Allowance("{ada}:here", 1, DAY), Allowance("{ada}", 3, DAY)
    assert (await take(narrow, wide)).granted
    for _ in range(5):
        refused = await take(narrow, wide)
        assert not refused.granted
        assert [each.wait > 0 for each in refused.left] == [True, False]

    assert [(await take(wide)).granted for _ in range(3)] == [True, True, False]


async def test_everybody_has_their_own(take):
    await take(Allowance("ada", 1, DAY))

    assert (await take(Allowance("bob", 1, DAY))).granted
    assert not (await take(Allowance("ada", 1, DAY))).granted


async def test_a_lowered_allowance_holds_nobody_for_longer_than_its_own_time(rates):
    """What was taken when there was more to take is forgotten within the shorter time."""
    for _ in range(5):
        await rates.take(Allowance("ada", 5, DAY))
    lowered = await rates.take(Allowance("ada", 1, 60))

    assert not lowered.granted
    assert lowered.left[0].wait <= 60 * SECOND


async def test_nothing_is_kept_of_who_has_all_of_it_again(rates, cache_client):
    """A key lives for as long as something is missing."""
    await rates.take(Allowance("ada", 10, DAY), Allowance("bob", 1, 60))

    assert DAY / 10 - 5 <= await cache_client.ttl("ada") <= DAY / 10
    assert 55 <= await cache_client.ttl("bob") <= 60


async def test_a_server_that_lost_the_function_is_told_it_again(rates, cache_client):
    await rates.take(Allowance("ada", 2, DAY))
    await cache_client.function_flush()

    taken = await rates.take(Allowance("ada", 2, DAY))
    assert (taken.granted, taken.shared, taken.left[0].remaining) == (True, True, 0)


async def test_a_cache_that_refuses_decides_nothing(rates, cache_client):
    """Full, and evicting nothing: each process counts for itself, and nobody is let through."""
    await cache_client.config_set("maxmemory-policy", "noeviction")
    before = (await cache_client.config_get("maxmemory"))["maxmemory"]
    try:
        await rates.take(Allowance("ada", 9, DAY))
        await cache_client.config_set("maxmemory", 1)
        taken = [await rates.take(Allowance("ada", 2, DAY)) for _ in range(3)]
    finally:
        await cache_client.config_set("maxmemory", before)
        await cache_client.config_set("maxmemory-policy", "allkeys-lru")

    assert [(each.granted, each.shared) for each in taken] == [
        (True, False), (True, False), (False, False),
    ]  # fmt: skip


def test_memory_is_bounded(cache_client, monkeypatch):
    """A crowd of addresses is forgotten rather than kept."""
    monkeypatch.setattr("stores.rates.REMEMBERED_BYTES", 100_000)
    rates = Rates(cache_client, Reach("cache-unavailable"))
    for number in range(2_000):
        rates.take_here(Allowance(number, 1, DAY))

    assert len(rates._whole) < 250
    assert not rates.take_here(Allowance(1_999, 1, DAY)).granted
