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
        self._whole: Lru[str | int, int] = Lru(REMEMBERED_BYTES)

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
        now = time.monotonic_ns() // 1_000
        found = [self._look(each, now) for each in allowances]
        granted = not any(wait for _, _, wait in found)
        left = []
        for (key, most, seconds), (before, step, wait) in zip(allowances, found, strict=True):
            whole = before + step if granted else before
            if granted:
                self._whole.put(key, whole, ENTRY_BYTES)
            left.append(Left(most, (now + seconds * SECOND - whole) // step, whole - now, wait))
        return Taken(granted, left)

    def close(self) -> None:
        self._link.close()

    def _look(self, allowance: Allowance, now: int) -> tuple[int, int, int]:
        """When it is whole, how far one of it puts that off, and how long to wait before."""
        key, most, seconds = allowance
        period = seconds * SECOND
        step = period // most
        whole = max(self._whole.get(key) or 0, now)
        return whole, step, max(whole + step - now - period, 0)

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
