"""Many calls of server-side functions, so much at a time that other commands pass between them.

A server answers all it has received of one connection before it turns to the next. So what is sent
at once is bounded by the work in it, and a second trip is under way while the first is answered:
the server never waits, and whoever reads a feed waits for few trips at most.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

Call = tuple[str, list[bytes], list[Any]]
"""Function, keys, arguments."""

# A window costs the server some 10 us, an entry of a merge half of that.
WORK_PER_TRIP = 160
CALLS_PER_TRIP = 64


def trips_of(calls: Iterable[Call]) -> Iterator[list[Call]]:
    """The calls, in order, divided by what they cost; one that costs more travels alone."""
    trip: list[Call] = []
    work = 0
    for call in calls:
        _, keys, arguments = call
        weight = len(keys) + len(arguments)
        if trip and (work + weight > WORK_PER_TRIP or len(trip) == CALLS_PER_TRIP):
            yield trip
            trip, work = [], 0
        trip.append(call)
        work += weight
    if trip:
        yield trip


async def overlapped(
    trips: Iterable[list[Call]], send: Callable[[list[Call]], Coroutine[Any, Any, list[Any]]]
) -> list[Any]:
    """All replies, in order; while one trip is waited for, the next is on its way already."""
    replies: list[Any] = []
    ahead: asyncio.Task[list[Any]] | None = None
    try:
        for trip in trips:
            behind, ahead = ahead, asyncio.create_task(send(trip), name="trip to the cache")
            if behind is not None:
                replies += await behind
        if ahead is not None:
            replies += await ahead
    finally:
        if ahead is not None and not ahead.done():
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
    return replies
