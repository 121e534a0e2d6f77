"""How much is under way in this process, and a refusal for what would be too much.

So memory is bounded whatever comes: requests in number, uploads in number and announced bytes.
And nobody is shut out by one account: of what it holds for long, it has a small part at most.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from runtime.errors import TooMany, Unavailable

MOST_RETRY_SECONDS = 60
# The newest of those that ended counts this much in how long one takes.
WEIGHT = 1 / 16
# One account has no more than this part of the places; one at a time it always has.
SHARE = 16


class InFlight:
    """Places for things of one kind, which the refusal names."""

    def __init__(self, things: str, most: int, most_bytes: int | None = None) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.count = 0
        self.bytes = 0
        self._things = things
        self._counts: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()
        self._seconds = 1.0

    def refuse_beyond(self, announced_bytes: int = 0, whose: int | None = None) -> None:
        """When there is no place now for one more, of so many bytes, of this account."""
        if self.is_full(announced_bytes):
            detail = f"Too many {self._things} are under way."
            raise Unavailable("overloaded", detail, retry_after=self.retry_after())
        if whose is not None and self.is_share_used(announced_bytes, whose):
            detail = f"Too many {self._things} of this account are under way."
            raise TooMany("too-many-requests", detail, retry_after=self.retry_after())

    def is_full(self, announced_bytes: int = 0) -> bool:
        """Whether nobody's would be taken in now."""
        too_large = self.most_bytes is not None and self.bytes + announced_bytes > self.most_bytes
        return self.count >= self.most or too_large

    def is_share_used(self, announced_bytes: int, whose: int) -> bool:
        """Whether this account has its part of the places, or of the bytes, already."""
        if whose not in self._counts:
            return False
        of_account = self._bytes[whose] + announced_bytes
        too_large = self.most_bytes is not None and of_account > self.most_bytes // SHARE
        return self._counts[whose] >= self.most // SHARE or too_large

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
    def admit(self, announced_bytes: int = 0, whose: int | None = None) -> Iterator[None]:
        """A place for the block."""
        self.refuse_beyond(announced_bytes, whose)
        entered = self.enter(announced_bytes)
        if whose is not None:
            self._counts[whose] += 1
            self._bytes[whose] += announced_bytes
        try:
            yield
        finally:
            self.leave(entered, announced_bytes)
            if whose is not None:
                self._give_back(announced_bytes, whose)

    def _give_back(self, announced_bytes: int, whose: int) -> None:
        self._counts[whose] -= 1
        self._bytes[whose] -= announced_bytes
        if not self._counts[whose]:
            del self._counts[whose], self._bytes[whose]


REQUESTS: web.AppKey[InFlight] = web.AppKey("requests_in_flight", InFlight)
UPLOADS: web.AppKey[InFlight] = web.AppKey("uploads_in_flight", InFlight)
WAITS: web.AppKey[InFlight] = web.AppKey("waits_in_flight", InFlight)
"""Answers that `?wait=` holds back."""
