"""Taking a connection to Postgres under the reading role, without ever waiting long for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.keys import READER
from gateway.problems import ENGINE_ERRORS
from runtime.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

ACQUIRE_SECONDS = 1.0


@asynccontextmanager
async def metadata(request: web.Request) -> AsyncIterator["PoolConnectionProxy[Record]"]:
    """One connection; Postgres being away, slow or full is `Unavailable`, at most 2 s later."""
    try:
        async with request.app[READER].acquire(timeout=ACQUIRE_SECONDS) as connection:
            yield connection
    except ENGINE_ERRORS as error:
        raise Unavailable("metadata-unavailable", "the metadata does not answer") from error
