"""Table `storage.passes`: how far the collector has come through the bucket, one pass at a time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from runtime.connections import CHECKOUT_SECONDS
from stores.database import Database

PASS_EVERY = timedelta(days=1)
FIRST, LAST = "00" * 32, "ff" * 32

# Any constant will do, as long as every collector uses the same.
_LOCK = 0x436F_6C6C_6563


class Pass(NamedTuple):
    """One that is under way, or was broken off."""

    begun_at: datetime
    through: str
    """Every photo up to this one was looked at."""
    tally_json: str


@asynccontextmanager
async def alone(pool: "asyncpg.Pool[Any]") -> AsyncIterator[bool]:
    """Whether no other pass is under way; none begins while the block runs."""
    async with pool.acquire(timeout=CHECKOUT_SECONDS) as connection:
        yield await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
        # Unlocked as the connection goes back to the pool, which resets it.


async def is_due(db: Database) -> bool:
    """Whether the last pass ended a day ago, or there was none."""
    return bool(
        await db.fetchval(
            "SELECT NOT EXISTS (SELECT FROM storage.passes WHERE ended_at > now() - $1::interval)",
            PASS_EVERY,
        )
    )


async def go_on(db: Database) -> Pass:
    """The pass that was broken off, or else a new one; for who is alone."""
    row = await db.fetchrow(
        """
        WITH broken_off AS (
            SELECT begun_at, through, tally FROM storage.passes WHERE ended_at IS NULL
        ), begun AS (
            INSERT INTO storage.passes (begun_at, through, tally)
            SELECT now(), $1, '{}' WHERE NOT EXISTS (TABLE broken_off)
            RETURNING begun_at, through, tally
        )
        TABLE broken_off UNION ALL TABLE begun
        """,
        bytes.fromhex(FIRST),
    )
    return Pass(row["begun_at"], row["through"].hex(), row["tally"])


async def keep(db: Database, under_way: Pass) -> None:
    """It came so far."""
    await db.execute(
        "UPDATE storage.passes SET through = $2, tally = $3 WHERE begun_at = $1",
        under_way.begun_at,
        bytes.fromhex(under_way.through),
        under_way.tally_json,
    )


async def end(db: Database, under_way: Pass) -> None:
    """It came to its end."""
    await db.execute(
        "UPDATE storage.passes SET ended_at = now() WHERE begun_at = $1", under_way.begun_at
    )
