"""Turns at an engine that bears only so much at once: who waits, how long, and who is refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from events.ids import shard_of
from runtime.errors import Unavailable
from runtime.metrics import feed_turns_waiting

WAITING_SECONDS = 1.0
# As many as have their turn within the second they wait at most, with something to spare. Beyond it
# one hears so at once, instead of a second later.
MOST_WAITING = 256
# A crowd that is refused together is not to come back together.
RETRY_SECONDS = 4


class Turns:
    """So many at once. Others wait in order, a bounded number of them for a bounded time."""

    def __init__(self, lane: str, at_once: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._gauge = feed_turns_waiting.labels(lane)

    @property
    def taken(self) -> bool:
        """Whether whoever came now would have to wait."""
        return self._free.locked()

    @asynccontextmanager
    async def turn(self, viewer_id: int = 0) -> AsyncIterator[None]:
        """`Unavailable` for whom there is none soon."""
        if self.taken and self._waiting >= MOST_WAITING:
            raise overloaded(viewer_id)
        self._wait(1)
        try:
            async with asyncio.timeout(WAITING_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise overloaded(viewer_id) from None
        finally:
            self._wait(-1)
        try:
            yield
        finally:
            self._free.release()

    def _wait(self, more: int) -> None:
        self._waiting += more
        self._gauge.set(self._waiting)


def overloaded(viewer_id: int) -> Unavailable:
    retry_after = 1 + shard_of(viewer_id) % RETRY_SECONDS
    detail = "Too many feeds are being put together."
    return Unavailable("overloaded", detail, retry_after=retry_after)
