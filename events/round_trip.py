"""One durable call to the log: sent whole, answered or not, and repeated only because it may be.

Every append carries a key, so a call whose answer was lost is simply made again. A log that is
being restarted is waited for; one that was silent for all of somebody's patience makes nobody else
wait until it answers again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from events.ways import Line, Pooled, Shared, unknown
from runtime.errors import Unavailable
from runtime.functions import Client, Functions, is_unknown_function
from runtime.reach import PATIENCE_SECONDS, Reach

T = TypeVar("T")
PAUSE_SECONDS = 0.1

LOST = (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError)


class RoundTrip:
    """Calls functions on the log server; with replicas, waits until they have the write too."""

    def __init__(self, client: Client, functions: Functions, *, replicas: int = 0) -> None:
        self._client = client
        self._functions = functions
        self._replicas = replicas
        self._shared: Shared | None = None
        self._way: Shared | Pooled = Pooled(client, replicas)
        self.reach = Reach("log-unavailable", PATIENCE_SECONDS)

    def share(self, line: Line) -> None:
        """From now on go over this line to the client's server, as whoever asks all the time does.

        But what replicas confirm has a connection of its own: all others would wait for it too.
        """
        self._shared = Shared(line)
        if not self._replicas:
            self._way = self._shared

    async def one(self, *command: str | int) -> Any:
        """The answer to one command that changes nothing; `Unavailable("log-unavailable")`."""
        if self._shared is None:
            return await self.ask(lambda: self._client.execute_command(*command))
        return await self.ask(partial(self._shared.call, command))

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer to something that changes nothing; `Unavailable("log-unavailable")`."""
        async with self.reach.bounded():
            while True:
                try:
                    return await question()
                except LOST:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def call(
        self, function: str, *, keys: list[Any], arguments: Callable[[], list[Any]]
    ) -> list[bytes]:
        """The function's reply. Only for calls that are safe to repeat.

        `arguments` are made when a connection is at hand: a clock read while waiting for one would
        be old by the time it is compared.

        `Unavailable("log-unavailable")` when it was surely not recorded, `("unknown-outcome")` when
        it may have been, `("log-full")` when the server takes no more.
        """
        with self.reach.attempt():
            return await self._patiently(self._functions.name(function), keys, arguments)

    async def _patiently(
        self, name: str, keys: list[Any], arguments: Callable[[], list[Any]]
    ) -> list[bytes]:
        started = time.monotonic()
        deadline = started + PATIENCE_SECONDS
        perhaps_recorded = False
        while True:
            unloaded = False
            try:
                connection = await self._connected(deadline)
            except LOST:
                if time.monotonic() + PAUSE_SECONDS > deadline:
                    self.reach.fell_silent(started)
                    raise (unknown() if perhaps_recorded else _unreached()) from None
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.05)):
                    command = ("FCALL", name, len(keys), *keys, *arguments())
                    return list(await self._way.exchange(connection, command))
            except LOST:
                perhaps_recorded = True
                if time.monotonic() + PAUSE_SECONDS > deadline:
                    self.reach.fell_silent(started)
                    raise unknown() from None
                await asyncio.sleep(PAUSE_SECONDS)
            except ResponseError as error:
                unloaded = is_unknown_function(error)
                if not unloaded:
                    self.reach.answered()
                    # What an earlier attempt did is not undone by this one being refused.
                    raise (unknown() if perhaps_recorded else _refusal(error)) from error
            finally:
                await self._way.release(connection)
            if unloaded:  # only now: whoever loads needs a connection too
                await self._load(deadline, perhaps_recorded=perhaps_recorded)

    async def _load(self, deadline: float, *, perhaps_recorded: bool) -> None:
        """A server that has lost the functions may be full or gone as well."""
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.05)):
                await self._functions.load(self._client)
        except LOST:
            return  # the call itself is tried again, while there is time
        except ResponseError as error:
            raise (unknown() if perhaps_recorded else _refusal(error)) from error

    async def _connected(self, deadline: float) -> Any:
        async with asyncio.timeout(max(deadline - time.monotonic(), 0.05)):
            return await self._way.connected()


def _unreached() -> Unavailable:
    return Unavailable("log-unavailable", "The log cannot be reached; nothing was recorded.")


def _refusal(error: ResponseError) -> Unavailable:
    """The server answered and refused: full, read-only, or still loading."""
    if isinstance(error, OutOfMemoryError) or str(error).startswith("MISCONF"):
        return Unavailable("log-full", "The log takes no more for now.", retry_after=10)
    return Unavailable("log-unavailable", "The log cannot take this now.", retry_after=5)
