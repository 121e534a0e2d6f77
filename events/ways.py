"""How a command gets to the log server and its answer back.

Over a connection of its own, or one that many share: there, what is sent in one turn of the loop
travels together.
"""

from collections.abc import Awaitable
from typing import Any, Protocol

import hiredis
from redis.exceptions import (
    BusyLoadingError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from runtime.errors import Unavailable
from runtime.functions import Client

REPLICA_MS = 1_000

# As redis-py names them, for whoever tells an outage from a wrong command.
_REFUSALS: dict[str, type[Exception]] = {
    "OOM": OutOfMemoryError,
    "LOADING": BusyLoadingError,
    "READONLY": ReadOnlyError,
    "MASTERDOWN": MasterDownError,
    "NOPERM": NoPermissionError,
}


class Wire(Protocol):
    """A connection whose replies come in the order of commands."""

    def send(self, command: tuple[Any, ...]) -> Awaitable[Any]: ...


class Line(Protocol):
    """Connects when need be; `ConnectionError` of redis-py when it cannot."""

    async def connected(self) -> Wire: ...


class Shared:
    """One connection for all. An answer that is lost is lost to all who wait for one."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def call(self, command: tuple[Any, ...]) -> Any:
        return await self.exchange(await self.connected(), command)

    async def connected(self) -> Wire:
        return await self._line.connected()

    async def exchange(self, wire: Wire, command: tuple[Any, ...]) -> Any:
        reply = await wire.send(command)
        if isinstance(reply, hiredis.ReplyError):
            raise refusal_of(str(reply))
        return reply

    async def release(self, wire: Wire) -> None:
        """It is everybody's."""


class Pooled:
    """A connection for each command; with replicas, which have to confirm it."""

    def __init__(self, client: Client, replicas: int) -> None:
        self._pool, self._replicas = client.connection_pool, replicas

    async def connected(self) -> Any:
        return await self._pool.get_connection()

    async def exchange(self, connection: Any, command: tuple[Any, ...]) -> Any:
        """Send, and read every answer; a connection that owes an answer is never reused."""
        commands = [command, ("WAIT", self._replicas, REPLICA_MS)] if self._replicas else [command]
        whole = False
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            reply = await _answer(connection)
            confirmed = await _answer(connection) if self._replicas else 0
            whole = True
        finally:
            if not whole:
                await connection.disconnect(nowait=True)
        if isinstance(reply, ResponseError):
            raise reply
        if confirmed < self._replicas:
            raise unknown()
        return reply

    async def release(self, connection: Any) -> None:
        await self._pool.release(connection)


def refusal_of(text: str) -> Exception:
    """What the server refused with, as the error that redis-py makes of it."""
    return _REFUSALS.get(text.partition(" ")[0], ResponseError)(text)


def unknown() -> Unavailable:
    detail = "The command may or may not have been recorded; repeat it with the same key."
    return Unavailable("unknown-outcome", detail)


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
