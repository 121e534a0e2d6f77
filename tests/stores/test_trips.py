"""Trips promise: all replies in order, little on the way at once, and nothing left behind."""

import asyncio
from itertools import pairwise

import pytest

from stores.trips import CALLS_PER_TRIP, WORK_PER_TRIP, overlapped, trips_of


def calls_of(*sizes):
    return [("push", [b"window"] * size, [256, number, 7]) for number, size in enumerate(sizes)]


def work_of(trip):
    return sum(len(keys) + len(arguments) for _, keys, arguments in trip)


@pytest.mark.parametrize(
    "sizes", [(), (1,), (128,) * 5, (60,) * 9, (1,) * 500, (5, 500, 5), (0,) * 3, (157, 1, 157)]
)
def test_trips_are_divided_by_their_work(sizes):
    """Every call once and in order; a trip has more than the bound only if it is a single call."""
    calls = calls_of(*sizes)
    trips = list(trips_of(calls))

    assert [call for trip in trips for call in trip] == calls
    for trip in trips:
        assert 0 < len(trip) <= CALLS_PER_TRIP
        assert len(trip) == 1 or work_of(trip) <= WORK_PER_TRIP
    for one, following in pairwise(trips):
        full = work_of(one) + work_of(following[:1]) > WORK_PER_TRIP
        assert full or len(one) == CALLS_PER_TRIP


class Server:
    """Answers when told to, and knows what is on its way to it."""

    def __init__(self):
        self.waiting = {}
        self.arrived = asyncio.Condition()

    async def send(self, trip):
        [(_, _, arguments)] = trip
        number = arguments[1]
        reply = self.waiting[number] = asyncio.get_running_loop().create_future()
        async with self.arrived:
            self.arrived.notify_all()
        try:
            return [await reply]
        finally:
            del self.waiting[number]

    async def until_waiting(self, *numbers):
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: set(self.waiting) == set(numbers))


def single(count):
    return [[call] for call in calls_of(*[1] * count)]


async def test_one_trip_is_ahead_of_another():
    """The next is at hand while one is answered, and no third; replies keep their order."""
    server = Server()
    all_of_it = asyncio.create_task(overlapped(single(4), server.send))

    await server.until_waiting(0, 1)
    server.waiting[1].set_result("b")
    server.waiting[0].set_result("a")
    await server.until_waiting(2, 3)
    server.waiting[3].set_result("d")
    server.waiting[2].set_result("c")

    assert await all_of_it == ["a", "b", "c", "d"]
    assert await overlapped([], server.send) == []


async def test_a_trip_that_fails_calls_the_next_one_back():
    """The failure itself is raised, and nothing goes on behind anybody's back."""
    server = Server()
    all_of_it = asyncio.create_task(overlapped(single(3), server.send))

    await server.until_waiting(0, 1)
    server.waiting[0].set_exception(ValueError("broken"))

    with pytest.raises(ValueError, match="broken"):
        await all_of_it
    assert server.waiting == {}


async def test_whoever_stops_waiting_leaves_nothing_on_its_way():
    """As when the cache is silent for too long."""
    server = Server()
    all_of_it = asyncio.create_task(overlapped(single(3), server.send))

    await server.until_waiting(0, 1)
    all_of_it.cancel()

    with pytest.raises(asyncio.CancelledError):
        await all_of_it
    assert server.waiting == {}
