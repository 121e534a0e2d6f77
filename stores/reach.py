"""Bounded patience with an engine: a hang ends soon, and for a moment nobody waits again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from runtime.errors import Unavailable
from runtime.outages import is_outage

# Long enough that a crowd does not wait on a dead engine one by one, short enough to be back soon.
SECONDS_AWAY = 0.5


class Reach:
    """Whether one engine answers; `Unavailable(code)` when it does not, within `seconds`."""

    def __init__(
        self, code: str, seconds: float, on_outage: Callable[[], None] = lambda: None
    ) -> None:
        self.seconds = seconds
        self._code = code
        self._on_outage = on_outage
        self._away_until = 0.0

    @asynccontextmanager
    async def bounded(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Give what is inside no longer than that."""
        if self.is_away():
            raise Unavailable(self._code, "it did not answer a moment ago")
        try:
            async with asyncio.timeout(seconds or self.seconds):
                yield
        except Exception as error:
            refusal = self.lost(error)
            if refusal is error:
                raise
            raise refusal from error

    def is_away(self) -> bool:
        """Whether it failed a moment ago."""
        return time.monotonic() < self._away_until

    def lost(self, error: Exception) -> Exception:
        """What to raise: `Unavailable` for an outage, which is remembered; else the error."""
        if not is_outage(error):
            return error
        self._away_until = time.monotonic() + SECONDS_AWAY
        self._on_outage()
        return Unavailable(self._code, "it does not answer")
