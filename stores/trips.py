"""Many calls of server-side functions, so much at a time that other commands pass between them.

A server answers all it has received of one connection before it turns to the next. So what is sent
at once is bounded by the work in it, and a second trip is under way while the first is answered:
the server never waits, and whoever reads a feed waits for few trips at most.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeGuard

import hiredis
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from runtime.functions import Functions, is_unknown_function
from stores.link import Link

Call = tuple[str, list[bytes], list[Any]]
"""Function, keys, arguments."""

# A window costs the server some 10 us, an entry of a merge half of that.
WORK_PER_TRIP = 160
CALLS_PER_TRIP = 64


# Of all in this process: one is being answered, and one is at hand while another's answer is read.
TRIPS_AT_ONCE = 3


class Trips:
    """To the server of a client, over its link where there is one: that costs a tenth."""

    def __init__(self, functions: Functions, cache: Redis, link: Link | None) -> None:
        self._functions, self._cache, self._link = functions, cache, link
        self._turns = asyncio.Semaphore(TRIPS_AT_ONCE)

    async def replies(self, calls: Iterable[Call]) -> list[Any]:
        """Of all calls, in order; each of them may be made twice."""
        return await overlapped(trips_of(calls), self._in_turn)

    async def _in_turn(self, calls: list[Call]) -> list[Any]:
        async with self._turns:
            return await self._sent(calls)

    async def _sent(self, calls: list[Call]) -> list[Any]:
        if self._link is None:
            return await self._functions.call_all(self._cache, calls)
        replies = await self._over(self._link, calls)
        if any(map(is_unknown_function, filter(is_refusal, replies))):
            await self._functions.load(self._cache)
            replies = await self._over(self._link, calls)
        for each in filter(is_refusal, replies):
            raise each
        return replies

    async def _over(self, link: Link, calls: list[Call]) -> list[Any]:
        """All replies; what the server refuses is one."""
        wire, name = await link.connected(), self._functions.name
        replies = await asyncio.gather(
            *(
                wire.send(("FCALL", name(each), len(keys), *keys, *arguments))
                for each, keys, arguments in calls
            )
        )
        refused = hiredis.ReplyError
        return [ResponseError(str(each)) if isinstance(each, refused) else each for each in replies]


def is_refusal(reply: Any) -> TypeGuard[ResponseError]:
    return isinstance(reply, ResponseError)


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
