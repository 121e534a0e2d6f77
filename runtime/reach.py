"""Bounded patience with an engine: a hang ends soon, and until it answers again nobody else waits.

While an engine is away one request at a time is let through to try it; all others are refused at
once. So it is used again as soon as it answers, and a crowd never waits for it one by one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from runtime.errors import Unavailable
from runtime.outages import is_outage

# No request waits longer than 2 s on a dead engine; what is left is for a busy machine.
PATIENCE_SECONDS = 1.5
# How long nobody tries again after a hang: a request that was just let down meets it once only.
SECONDS_AWAY = 0.5


class Reach:
    """Whether one engine answers; `Unavailable(code)` when it does not, within `seconds`."""

    def __init__(self, code: str, seconds: float = PATIENCE_SECONDS) -> None:
        self.seconds = seconds
        self._code = code
        self._listeners: list[Callable[[], None]] = []
        self._away = False
        self._away_until = 0.0
        self._trying = False
        self._answered_at = 0.0

    def when_lost(self, listener: Callable[[], None]) -> None:
        """Call `listener` at every outage: whoever answers next may be another server."""
        self._listeners.append(listener)

    @asynccontextmanager
    async def bounded(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Give what is inside no longer than that. Nothing else may be waited for inside."""
        with self.attempt():
            started = time.monotonic()
            try:
                async with asyncio.timeout(seconds or self.seconds):
                    yield
            except Exception as error:
                refusal = self.lost(error, started)
                if refusal is error:
                    raise
                raise refusal from error

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let what is inside try the engine, if anybody may now; its end well says that it answers.

        What fails inside is judged by `lost`.
        """
        self.refuse_while_away()
        trial = self._away
        self._trying = self._trying or trial
        try:
            yield
            self.answered()
        finally:
            if trial:
                self._trying = False

    def refuse_while_away(self) -> None:
        """`Unavailable` unless the engine answered last, or it is time to try it again."""
        if self._away and (self._trying or time.monotonic() < self._away_until):
            raise Unavailable(self._code, "It did not answer a moment ago.")

    def is_away(self) -> bool:
        """Whether it failed and has not answered since."""
        return self._away

    def answered(self) -> None:
        self._away = False
        self._answered_at = time.monotonic()

    def lost(self, error: Exception, started: float) -> Exception:
        """What to raise: `Unavailable` for an outage, which is remembered; else the error."""
        if isinstance(error, Unavailable):
            return error  # of another engine, or of what is inside: this one said nothing
        if not is_outage(error):
            self.answered()
            return error
        self.fell_silent(started)
        return Unavailable(self._code, "It does not answer.")

    def fell_silent(self, started: float) -> None:
        """An attempt begun then found nobody. A failure that took no time costs the next none."""
        now = time.monotonic()
        took = now - started
        for listener in self._listeners:
            listener()
        # One that others were answered beside says nothing of the engine.
        if self._answered_at < now - took / 2:
            self._away = True
            self._away_until = now + min(took, SECONDS_AWAY)
