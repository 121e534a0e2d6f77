"""A replay into a shadow, with all it needs open; one at a time into each."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import asyncpg

from events.history import History
from events.log import Log
from events.replay import Replay
from events.wanted import EVERYTHING, Wanted
from runtime.connections import CONNECT_SECONDS, open_database
from runtime.errors import Conflict
from runtime.schema import LIVE
from runtime.settings import Settings
from runtime.shadow import REBUILDING, make_shadow
from stores.archive import Archive
from stores.checkpoints import Checkpoints, NoCheckpoints
from stores.objects import Objects
from workers.holding import holding
from workers.site import KeysAlone, Replaying
from workers.subscriptions import REPLAYED

TABLES_AND_FEEDS = "tables and feeds"
"""Feeds are read from tables: nobody builds them while those are being replaced."""
CONNECTIONS = 8


class Shadow(NamedTuple):
    """A replay and the schema it fills; `connection` is for what takes long or must be alone."""

    schema: str
    is_new: bool
    replay: Replay
    connection: asyncpg.Connection


@asynccontextmanager
async def open_shadow(
    settings: Settings,
    log: Log,
    schema: str,
    *,
    wanted: Wanted = EVERYTHING,
    rate: float | None = None,
    strict: bool = False,
) -> AsyncIterator[Shadow]:
    """Make the shadow, or find what an earlier run made of it. Of the live schema: as it is."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(alone(settings, schema))
        await stack.enter_async_context(holding(log, f"replay into {schema}"))
        history = await stack.enter_async_context(open_history(settings, log))
        is_new = schema != LIVE and await make_shadow(connection, schema)
        pool = await open_database(settings, schema=schema, connections=CONNECTIONS)
        database = await stack.enter_async_context(pool)
        checkpoints: Checkpoints | NoCheckpoints = NoCheckpoints()
        if schema != LIVE:
            checkpoints = Checkpoints(database, str(wanted))
            await checkpoints.begin()
        site = Replaying(log=KeysAlone(log.partitions, log.wrapped_keys), database=database)
        replay = Replay(
            log, history, REPLAYED, site, checkpoints, wanted=wanted, rate=rate, strict=strict
        )
        yield Shadow(schema, is_new, replay, connection)


@asynccontextmanager
async def open_history(settings: Settings, log: Log) -> AsyncIterator[History]:
    """Archive and streams as one sequence."""
    async with Objects(settings.objects_url) as objects:
        yield History(log, Archive(objects))


@asynccontextmanager
async def alone(settings: Settings, what: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of one's own, for whoever rebuilds this; `Conflict` while another does.

    The server lets go when the connection ends, however that comes.
    """
    connection = await asyncpg.connect(
        settings.database_url,
        timeout=CONNECT_SECONDS,
        server_settings={"search_path": LIVE, "application_name": "heliograph rebuild"},
    )
    try:
        if not await connection.fetchval(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", REBUILDING, what
        ):
            raise Conflict("rebuilding-already", f"Another run is at work on {what}.")
        yield connection
    finally:
        await connection.close()
