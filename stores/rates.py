"""How much of an allowance is left: counted for the whole site in the cache, one trip a question.

By GCRA, which keeps one number for each allowance and forgets nothing at the turn of a minute
(https://brandur.org/rate-limiting). While the cache is away, and for what is asked too often to
travel, each process counts for itself, in the same way.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from runtime.errors import Unavailable
from runtime.functions import Functions, is_unknown_function
from runtime.reach import Reach
from stores.link import Link
from stores.lru import Lru

FUNCTIONS = Functions(Path(__file__).with_name("rates.lua"))
SECOND = 1_000_000
# Nobody waits longer than this for a cache that hangs: what decides then is at hand.
CALL_SECONDS = 0.25
# Of some ten thousand accounts or addresses; whoever is forgotten has a whole allowance again.
REMEMBERED_BYTES = 16 * 2**20
ENTRY_BYTES = 120


class Allowance(NamedTuple):
    """`key` may take `most` in any `seconds`, and all of them at once."""

    key: str | int
    most: int
    seconds: int


class Left(NamedTuple):
    """What is left of an allowance, after what was asked for was taken or refused."""

    most: int
    remaining: int
    whole_in: int
    """Microseconds until all of it is back."""
    wait: int
    """Microseconds until one could be taken; 0 when it could be now."""


class Taken(NamedTuple):
    """One of each allowance was taken, or of none."""

    granted: bool
    left: Sequence[Left]
    shared: bool = True
    """Whether it was counted for the whole site."""


class Rates:
    """Allowances in the cache, and in this process's memory. `close` ends the connection."""

    def __init__(self, cache: Redis, reach: Reach) -> None:
        """`reach`: of the cache, shared by all who ask it."""
        self._cache = cache
        self._link = Link(cache, CALL_SECONDS)
        self._reach = reach
        # When each is whole again, in a box: to count moves nothing in the memory.
        self._whole: Lru[str | int, list[int]] = Lru(REMEMBERED_BYTES)

    async def take(self, *allowances: Allowance) -> Taken:
        """Take one of each, whichever gateway asks; the keys of a call share a {hash tag}."""
        try:
            async with self._reach.bounded(CALL_SECONDS):
                granted, *numbers = await self._ask(allowances)
        except (Unavailable, ResponseError):
            # An answer that refuses, too: a replica, or one that is full.
            return self.take_here(*allowances)._replace(shared=False)
        left = [Left(each.most, *numbers[3 * n : 3 * n + 3]) for n, each in enumerate(allowances)]
        return Taken(bool(granted), left)

    def take_here(self, *allowances: Allowance) -> Taken:
        """As `take`, by what this process alone has counted."""
        left = [self._look(each) for each in allowances]
        if any(each.wait for each in left):
            return Taken(granted=False, left=left)
        return Taken(granted=True, left=[self.take_one_here(each) for each in allowances])

    def take_one_here(self, allowance: Allowance) -> Left:
        """Take one if none has to be waited for; about 1 us, for what is asked all the time."""
        key, most, seconds = allowance
        now, period = time.monotonic_ns() // 1_000, seconds * SECOND
        step = period // most
        box = self._whole.get(key)
        if box is None:
            box = [now]
            self._whole.put(key, box, ENTRY_BYTES)
        before = max(box[0], now)
        wait = before + step - now - period
        if wait > 0:
            return Left(most, (now + period - before) // step, before - now, wait)
        box[0] = whole = before + step
        return Left(most, (now + period - whole) // step, whole - now, 0)

    def give_back_here(self, allowance: Allowance) -> None:
        """Undo one `take_one_here`: what it was taken for is going to take one again."""
        key, most, seconds = allowance
        box = self._whole.get(key)
        if box is not None:
            box[0] -= seconds * SECOND // most

    def close(self) -> None:
        self._link.close()

    def _look(self, allowance: Allowance) -> Left:
        """What is left while nothing is taken."""
        key, most, seconds = allowance
        now, period = time.monotonic_ns() // 1_000, seconds * SECOND
        step = period // most
        whole = max((self._whole.get(key) or [now])[0], now)
        wait = max(whole + step - now - period, 0)
        return Left(most, (now + period - whole) // step, whole - now, wait)

    async def _ask(self, allowances: Sequence[Allowance]) -> list[int]:
        keys = [str(each.key) for each in allowances]
        arguments = [n for each in allowances for n in (each.most, each.seconds * SECOND)]
        command: tuple[str | int, ...] = (
            "FCALL",
            FUNCTIONS.name("take"),
            len(keys),
            *keys,
            *arguments,
        )
        try:
            return list(await self._link.call(*command))
        except ResponseError as error:
            if not is_unknown_function(error):
                raise
        await FUNCTIONS.load(self._cache)
        return list(await self._link.call(*command))
