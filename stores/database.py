"""What statements run on: the pool, one of its connections, or a transaction on one."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import asyncpg

from events.ids import shard_of
from runtime.connections import CHECKOUT_SECONDS, borrowed, leave_demoted
from runtime.reach import Reach

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

SWAPPING = 0x4865_6C69
"""With the hash of a schema's name, the lock on what that name means (workers/swapping.py)."""
KEEP_SCHEMA = f"SELECT pg_advisory_xact_lock_shared({SWAPPING}, hashtext(current_schema()))"


class Database(Protocol):
    """A pool or a connection of asyncpg, either of which a statement can be given to."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...

    async def fetchrow(self, query: str, *args: Any) -> Any: ...

    async def fetchval(self, query: str, *args: Any) -> Any: ...

    async def execute(self, query: str, *args: Any) -> str: ...


@asynccontextmanager
async def reading(
    pool: "asyncpg.Pool[asyncpg.Record]", reach: Reach
) -> AsyncIterator["PoolConnectionProxy[asyncpg.Record]"]:
    """One connection for the whole block, for somebody who waits.

    Postgres away, stalled or full is `Unavailable`, soon. Nothing else may be waited for inside.
    """
    async with reach.bounded(), borrowed(pool) as connection:
        yield connection


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncIterator[Database]:
    """One transaction on a connection of the pool, committed when the block ends well.

    Until then no rebuild swaps its schema away: that look costs 25 us here and 30 us of the server.
    """
    try:
        async with pool.acquire(timeout=CHECKOUT_SECONDS) as connection, connection.transaction():
            await connection.execute(KEEP_SCHEMA)
            yield connection
    except asyncpg.ReadOnlySQLTransactionError:
        await leave_demoted(pool)
        raise


def shards_of(ids: Iterable[int]) -> list[int]:
    """The shard of each id, as the array that goes with it."""
    return [shard_of(each) for each in ids]


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows, at least one, turned into the arrays that `unnest` makes rows of again."""
    return [list(column) for column in zip(*rows, strict=True)]
