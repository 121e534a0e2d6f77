"""Which run of the cache server, and which rebuild of feeds, a key belongs to.

What an earlier run or generation left behind is never read.
"""

import asyncio
import time

from redis.asyncio import Redis

from runtime.errors import Unavailable
from runtime.outages import is_outage

EPOCH_DIGITS = 8
# A promoted replica may lack the last writes of its primary; this is how long it may be believed.
SECONDS_BELIEVED = 2.0
GENERATION = "feeds:generation"
RESERVED = "feeds:reserved"
# A log that hangs delays a read by no more than this, and only one read in two seconds.
GENERATION_SECONDS = 0.25


class Epochs:
    """Knows the cache server's present run, by the first digits of its `run_id`."""

    def __init__(self, cache: Redis) -> None:
        self._cache = cache
        self._known = ""
        self._until = 0.0

    async def current(self) -> str:
        """The epoch, asked again when it was learned a while ago or `doubt` was cast on it."""
        if time.monotonic() < self._until:
            return self._known
        return await self.read()

    async def read(self) -> str:
        """The epoch as the server says it now."""
        server = await self._cache.info("server")
        self._known = str(server["run_id"])[:EPOCH_DIGITS]
        self._until = time.monotonic() + SECONDS_BELIEVED
        return self._known

    def doubt(self) -> None:
        """A connection failed: whoever answers next may be another server."""
        self._until = 0.0


class Generations:
    """Knows the generation of feeds, raised in the log when rebuilt feeds are swapped in."""

    def __init__(self, log: Redis) -> None:
        self._log = log
        self._known: int | None = None

    async def read(self) -> int:
        """The generation as the log says it now."""
        self._known = int(await self._log.get(GENERATION) or 0)
        return self._known

    async def believed(self) -> int:
        """The log being away ends no feed: the last generation known stands."""
        try:
            async with asyncio.timeout(GENERATION_SECONDS):
                return await self.read()
        except Exception as error:
            if not is_outage(error):
                raise
            if self._known is None:
                raise Unavailable("feeds-unavailable", "The log does not answer.") from error
            return self._known

    async def reserve(self) -> int:
        """A generation that no key was ever named by.

        What a rebuild that broke off left behind under its own may have holes.
        """
        while (reserved := int(await self._log.incr(RESERVED))) <= await self.read():
            continue
        return reserved

    async def raise_to(self, generation: int) -> None:
        """From now on this is the generation, unless a later one already is."""
        if generation > await self.read():
            await self._log.set(GENERATION, generation)
            self._known = generation
