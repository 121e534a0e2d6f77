"""How much is under way in this process, and a refusal for what would be too much.

So memory is bounded whatever comes: requests in number, uploads in number and announced bytes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from runtime.errors import Unavailable

MOST_RETRY_SECONDS = 60
# The newest of those that ended counts this much in how long one takes.
WEIGHT = 1 / 16


class InFlight:
    """Places for things of one kind, which the refusal names."""

    def __init__(self, things: str, most: int, most_bytes: int | None = None) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.count = 0
        self.bytes = 0
        self._things = things
        self._seconds = 1.0

    def refuse_beyond(self, announced_bytes: int = 0) -> None:
        """`Unavailable` when there is no place now for one more, of so many bytes."""
        full = self.count >= self.most
        if self.most_bytes is not None:
            full = full or self.bytes + announced_bytes > self.most_bytes
        if full:
            detail = f"Too many {self._things} are under way."
            raise Unavailable("overloaded", detail, retry_after=self.retry_after())

    def retry_after(self) -> int:
        """How long one takes at present: by then those that are under way have left."""
        return min(MOST_RETRY_SECONDS, int(self._seconds) + 1)

    def enter(self, announced_bytes: int = 0) -> float:
        """Take a place, or be refused; whoever has one gives what this returns to `leave`."""
        self.refuse_beyond(announced_bytes)
        self.count += 1
        self.bytes += announced_bytes
        return time.monotonic()

    def leave(self, entered: float, announced_bytes: int = 0) -> None:
        self.count -= 1
        self.bytes -= announced_bytes
        self._seconds += (time.monotonic() - entered - self._seconds) * WEIGHT

    @contextmanager
    def admit(self, announced_bytes: int = 0) -> Iterator[None]:
        """A place for the block."""
        entered = self.enter(announced_bytes)
        try:
            yield
        finally:
            self.leave(entered, announced_bytes)


REQUESTS: web.AppKey[InFlight] = web.AppKey("requests_in_flight", InFlight)
UPLOADS: web.AppKey[InFlight] = web.AppKey("uploads_in_flight", InFlight)
