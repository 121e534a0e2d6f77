"""Asking Postgres under the reading role, or the log for names, without ever waiting long."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from aiohttp import web

from gateway.answers import degrade
from gateway.keys import CACHE_REACH, LOG, READER, READER_REACH
from gateway.paths import unknown_account
from stores.database import reading
from stores.lru import Lru

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

NAMES: web.AppKey[Lru[str, int]] = web.AppKey("names", Lru)
NAMES_BYTES = 8 * 2**20


def metadata(
    request: web.Request,
) -> AbstractAsyncContextManager["PoolConnectionProxy[Record]"]:
    """One connection for the whole block; Postgres away, stalled or full is `Unavailable`.

    Nothing but Postgres may be waited for inside.
    """
    return reading(request.app[READER], request.app[READER_REACH])


def declare_absences(request: web.Request) -> None:
    """Name the parts that are away now, in an answer that would have been made with them."""
    for part, reach in (("metadata", READER_REACH), ("cache", CACHE_REACH)):
        if request.app[reach].is_away():
            degrade(request, part)


async def remember_names(app: web.Application) -> AsyncIterator[None]:
    """A name never comes to mean anybody else: whom it means is asked once."""
    app[NAMES] = Lru(NAMES_BYTES)
    yield


async def account_named(request: web.Request, username: str) -> int:
    """The id behind a username, by the log alone; NotFound when nobody has the name any more."""
    names = request.app[NAMES]
    account_id = names.get(username)
    if account_id is None:
        account_id = await request.app[LOG].resolve(username)
        if account_id is None:
            raise unknown_account()
        names.put(username, account_id, len(username))
    if await request.app[LOG].wrapped_key(account_id) is None:
        raise unknown_account()
    return account_id
