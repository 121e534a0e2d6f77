"""Which run of the cache server a key belongs to: what an earlier run left behind is never read."""

import time

from redis.asyncio import Redis

EPOCH_DIGITS = 8
# A promoted replica may lack the last writes of its primary; this is how long it may be believed.
SECONDS_BELIEVED = 2.0


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
