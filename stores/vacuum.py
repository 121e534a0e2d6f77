"""Takes out of the cache what nobody can read any more, a page of keys at a time.

Expiry does most of it. What it would leave for days: names of an earlier run of the server, which
a promoted replica has in numbers, those of an earlier generation of feeds, and hidden sets whose
window is gone.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from redis.exceptions import ResponseError

from runtime.errors import Conflict
from runtime.functions import Client, Functions, is_unknown_function
from stores.census import PAGE_KEYS, Census, Kind, Present, present_of

FUNCTIONS = Functions(Path(__file__).with_name("vacuum.lua"))


class Vacuum:
    """One walk over all keys. It may be broken off at any time, and made twice at once.

    A window that is read is never among what goes: its name is not one of those.
    """

    def __init__(self, cache: Client, log: Client, present: Present) -> None:
        """`present`: learned so long ago that no process believes in an earlier one."""
        self.census = Census(present)
        self.removed: Counter[Kind] = Counter()
        self._cache = cache
        self._log = log
        self._cursor = 0

    async def step(self) -> bool:
        """Look at the next page, count it and free what can be; whether there are more.

        `Conflict` when other names are read by now: then what is left over is to be asked anew.
        """
        self._cursor, keys = await self._cache.scan(self._cursor, count=PAGE_KEYS)
        found = self.census.count(keys)
        await self.census.weigh(self._cache, found)
        if Kind.UNREAD in found:
            if await present_of(self._cache, self._log) != self.census.present:
                raise Conflict("cache-changed", "Names changed under the vacuum.")
            self.removed[Kind.UNREAD] += await self._cache.unlink(*found[Kind.UNREAD])
        if Kind.HIDDEN in found:
            self.removed[Kind.HIDDEN] += await self._forget_needless(found[Kind.HIDDEN])
        return self._cursor != 0

    async def _forget_needless(self, hidden: Sequence[bytes]) -> int:
        """One call each, for only the server knows at one moment what both keys hold."""
        try:
            return await self._trip(hidden)
        except ResponseError as error:
            if not is_unknown_function(error):
                raise
        await FUNCTIONS.load(self._cache)
        return await self._trip(hidden)

    async def _trip(self, hidden: Sequence[bytes]) -> int:
        async with self._cache.pipeline(transaction=False) as pipeline:
            for key in hidden:
                window = b"feed" + key.removeprefix(b"hidden")
                pipeline.execute_command("FCALL", FUNCTIONS.name("needless"), 2, window, key)
            return sum(await pipeline.execute())
