"""A shadow becomes the site's own schema: one step for whoever reads, and nothing lost on the way.

Handlers hold on to their schema until they commit (stores/database.py). Here it is taken from them
for a moment, in which the shadow is given the last events that they may have folded, and both are
renamed. Whatever an old transaction did is then in the new schema too, acknowledged or not.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg

from events import set_back
from events.ids import Position
from events.log import Log
from events.replay import Replay
from events.wanted import Stream, heads_of
from runtime.errors import Unavailable
from runtime.schema import LIVE
from runtime.shadow import OLD
from stores.database import SWAPPING
from stores.epochs import Generations

INTENT = "schema"
# Handlers queue behind whoever wants the lock: rather let go and try again than hold them up.
LOCK_SECONDS = 2.0
FOLD_SECONDS = 5.0
TRIES = 20
PAUSE_SECONDS = 1.0


class Swapped(NamedTuple):
    """What became of the schema that was the site's own, and what that cost the others."""

    old_schema: str
    """Empty where there was none, as after the loss of the database."""
    held_seconds: float
    groups_set_back: int


async def swap(
    connection: asyncpg.Connection, replay: Replay, schema: str, *, generation: int = 0
) -> Swapped:
    """Make the shadow the site's own. `Unavailable` if the moment for it does not come."""
    for _ in range(TRIES):
        try:
            old_schema, held_seconds = await _rename(connection, replay, schema, generation)
        except (asyncpg.LockNotAvailableError, TimeoutError):
            await asyncio.sleep(PAUSE_SECONDS)
            await catch_up(replay)
        else:
            moved = await finish_swap(replay.log, connection)
            return Swapped(old_schema, held_seconds, moved)
    raise Unavailable(
        "swap-refused", f"Handlers left no moment for the swap in {TRIES} tries; {schema} stays."
    )


async def finish_swap(log: Log, db: Any) -> int:
    """Do what is written down to follow a swap, if it took place; how many groups were set back.

    Whoever swapped may have died before it. Twice does no harm.
    """
    # A question to the log; to the database only in the rare case that there is something to do.
    intent = await set_back.written_down(log, INTENT)
    if intent is None or intent.target != await identity_of(db, LIVE):
        return 0
    moved = await set_back.set_back(log, intent)
    if intent.generation:
        await Generations(log.client).raise_to(intent.generation)
    await set_back.strike_out(log, INTENT)
    return moved


async def identity_of(db: Any, schema: str) -> int | None:
    """What stays of a schema when it is renamed."""
    found: int | None = await db.fetchval("SELECT to_regnamespace($1)::oid::bigint", schema)
    return found


async def _rename(
    connection: asyncpg.Connection, replay: Replay, schema: str, generation: int
) -> tuple[str, float]:
    is_there = await identity_of(connection, LIVE) is not None
    old_schema = f"{OLD}{time.time_ns() // 1_000_000}" if is_there else ""
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout TO {int(LOCK_SECONDS * 1000)}")
        await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", SWAPPING, LIVE)
        began = time.monotonic()
        async with asyncio.timeout(FOLD_SECONDS):
            await catch_up(replay)
        target = await identity_of(connection, schema)
        assert target is not None  # noqa: S101 - the replay has just written into it
        intent = set_back.intent_of(target, reached_by(replay), generation=generation)
        await set_back.write_down(replay.log, INTENT, intent)
        await connection.execute(f"DROP TABLE {schema}.replay_checkpoints")
        if old_schema:
            await copy_local(connection, schema)
            await connection.execute(f"ALTER SCHEMA {LIVE} RENAME TO {old_schema}")
        await connection.execute(f"ALTER SCHEMA {schema} RENAME TO {LIVE}")
        await connection.execute(f"COMMENT ON SCHEMA {LIVE} IS NULL")
    return old_schema, time.monotonic() - began


async def copy_local(connection: asyncpg.Connection, schema: str) -> None:
    """What stands in columns that no event tells of; where it says no more than none, not that."""
    await connection.execute(
        f"""
        UPDATE {schema}.posts AS new
        SET pulled = true
        FROM {LIVE}.posts AS old
        WHERE old.state = 21 AND old.pulled AND new.shard = old.shard AND new.id = old.id
        """  # noqa: S608 - a schema's name that was looked at
    )


def reached_by(replay: Replay) -> Mapping[Stream, Position]:
    return {stream: replay.reached(stream) for stream in replay.streams}


async def catch_up(replay: Replay) -> None:
    """Fold what there is now."""
    async for _ in replay.run(await heads_of(replay.log, replay.streams)):
        continue
