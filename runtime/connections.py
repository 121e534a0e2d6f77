"""How every process connects: finite waits, no hidden repeats, nothing opened before it is used."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import asyncpg
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, ConnectCallbackT
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.maint_notifications import MaintNotificationsConfig

from runtime.settings import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

CONNECT_SECONDS = 2
REPLY_SECONDS = 5
STATEMENT_SECONDS = 30
UNNOTICED = ("CLIENT", "NO-TOUCH", "ON")
# How long a caller may wait for a free connection before it is overload.
CHECKOUT_SECONDS = 5


def open_log(settings: Settings, *, connections: int = 32) -> Redis:
    """The log for appends and short commands.

    A command is sent once: redis-py's own repeats would append an event twice.
    """
    return open_redis(settings.log_url, connections, REPLY_SECONDS)


def open_blocking_log(settings: Settings, *, connections: int = 8) -> Redis:
    """The log for readers that block on the server; each brings its own time-out.

    A reply time-out here would strand entries that were already delivered.
    """
    return open_redis(settings.log_url, connections, None)


def open_cache(settings: Settings, *, connections: int = 32, for_readers: bool = False) -> Redis:
    """The cache. What people read stays in it longest, and only `for_readers` counts as that.

    Would pushes count, members who are gone kept their windows for those they follow who post a
    lot, and others who come every day lost theirs.
    """
    greeting = None if for_readers else unnoticed
    return open_redis(settings.cache_url, connections, REPLY_SECONDS, greeting)


async def unnoticed(connection: AbstractConnection) -> None:
    """Greet the server, and have it forget at once that we were at a key."""
    await connection.on_connect()
    await connection.send_command(*UNNOTICED)
    with suppress(ResponseError):  # not allowed to us: then everything counts
        await connection.read_response()


def open_redis(
    url: str,
    connections: int,
    reply_seconds: float | None,
    greeting: ConnectCallbackT | None = None,
) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=CHECKOUT_SECONDS,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=reply_seconds,
        retry=Retry(NoBackoff(), 0),
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
        decode_responses=False,
        redis_connect_func=greeting,
    )
    return Redis.from_pool(pool)


async def open_database(
    settings: Settings, *, reader: bool = False, connections: int = 8, schema: str = "heliograph"
) -> asyncpg.Pool:
    """A pool on the primary; `reader` takes the role that can only read.

    What goes into another schema than the site's own can be made again: it waits for no disk.
    No connection is opened yet, so a process can start before PostgreSQL does. `acquire` waits for
    ever unless told otherwise: pass `timeout=CHECKOUT_SECONDS`.
    """
    return await asyncpg.create_pool(
        settings.database_reader_url if reader else settings.database_url,
        min_size=0,
        max_size=connections,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS,
        server_settings={
            "search_path": schema,
            "application_name": "heliograph",
            "synchronous_commit": "on" if schema == "heliograph" else "off",
        },
        # Reading leaves nothing behind that a trip would have to clear away after every statement.
        reset=left_as_it_is if reader else None,
    )


async def left_as_it_is(_: asyncpg.Connection) -> None:
    """Transactions are ended all the same."""


@asynccontextmanager
async def borrowed(
    pool: "asyncpg.Pool[asyncpg.Record]",
) -> AsyncIterator["PoolConnectionProxy[asyncpg.Record]"]:
    """A connection of the pool for somebody who stops waiting, by cancelling the block.

    Given back in the usual way after that, it would first wait for a stalled server to answer.
    """
    connection = await pool.acquire()
    try:
        yield connection
    except asyncio.CancelledError:
        connection.terminate()
        raise
    finally:
        await pool.release(connection)


async def leave_demoted(pool: asyncpg.Pool) -> None:
    """After a failover, connections may stay on a server that has become read-only: drop them."""
    await pool.expire_connections()
