"""So many events a second and no more, of all that share one pace."""

import asyncio
import time


class Pace:
    """`await pace.take(n)` returns when n more may come; without a rate, at once."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._due = 0.0

    async def take(self, count: int) -> None:
        if not self.rate:
            return
        now = time.monotonic()
        wait = self._due - now
        self._due = max(self._due, now) + count / self.rate
        if wait > 0:
            await asyncio.sleep(wait)
