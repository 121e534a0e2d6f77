"""Asking Postgres under the reading role, or the log for names, without ever waiting long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.keys import LOG, READER
from gateway.paths import unknown_account
from runtime.errors import HeliographError, Unavailable
from runtime.outages import is_outage

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

SECONDS = 1.8  # no request waits longer than 2 s on a dead engine


@asynccontextmanager
async def metadata(request: web.Request) -> AsyncIterator["PoolConnectionProxy[Record]"]:
    """One connection for the whole block; Postgres away, stalled or full is `Unavailable`."""
    pool = request.app[READER]
    try:
        async with asyncio.timeout(SECONDS):
            connection = await pool.acquire()
            try:
                yield connection
            except asyncio.CancelledError:
                connection.terminate()  # else releasing it would wait for a stalled server
                raise
            finally:
                await pool.release(connection)
    except HeliographError:
        raise
    except Exception as error:
        if not is_outage(error):
            raise
        raise Unavailable("metadata-unavailable", "The metadata does not answer now.") from error


async def account_named(request: web.Request, username: str) -> int:
    """The id behind a username, by the log alone; NotFound when nobody has the name."""
    account_id = await resolve(request, username)
    if account_id is None:
        raise unknown_account()
    return account_id


async def resolve(request: web.Request, username: str) -> int | None:
    """The id behind a username, or None."""
    try:
        async with asyncio.timeout(SECONDS):
            return await request.app[LOG].resolve(username)
    except Exception as error:
        if isinstance(error, HeliographError) or not is_outage(error):
            raise
        raise Unavailable("log-unavailable", "Names cannot be looked up now.") from error
