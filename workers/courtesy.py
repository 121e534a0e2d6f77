"""Gives way where cores are scarce: what is large then takes a bounded part of them.

That its worker is nice helps little: the servers that work for it are not. Whether anybody waits
for a core, the kernel says; where it does not, nobody is thought to.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PRESSURE = Path("/proc/pressure/cpu")
# Of the time between two looks, when one core or another was waited for: from so much on it is
# crowded, and then until it is as little as the large alone cause, who then take less.
CROWDED = 0.5
CALM = 0.2
LOOK_SECONDS = 0.05
# A million in less than 15 s, and less than a core of all servers together.
WINDOWS_A_SECOND = 80_000
# What a busy machine kept it from doing a moment ago, it may catch up with.
CATCHING_UP_SECONDS = 0.2


class Courtesy:
    """Of one process, to whoever works on the same machine."""

    def __init__(
        self, pressure: Path = PRESSURE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pressure, self._clock = pressure, clock
        self._due = 0.0
        self._crowded = False
        self._looked_at, self._waited = clock(), self._seconds_waited()

    async def give_way(self, windows: int) -> None:
        """After so many were pushed: wait, if somebody does, until it was no more than its part."""
        now = self._clock()
        self._due = max(self._due, now - CATCHING_UP_SECONDS) + windows / WINDOWS_A_SECOND
        if self.is_crowded() and self._due > now:
            await asyncio.sleep(self._due - now)

    def is_crowded(self) -> bool:
        """Whether somebody waited for a core for much of the last moments."""
        now = self._clock()
        if (seconds := now - self._looked_at) >= LOOK_SECONDS:
            waited = self._seconds_waited()
            most = CALM if self._crowded else CROWDED
            self._crowded = waited - self._waited > most * seconds
            self._looked_at, self._waited = now, waited
        return self._crowded

    def _seconds_waited(self) -> float:
        """Since the machine began, as far as it is known."""
        with suppress(OSError, ValueError):
            some = self._pressure.read_text(encoding="ascii").partition("\n")[0]
            return int(some.rpartition("total=")[2]) / 1e6
        return 0.0
