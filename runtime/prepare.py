"""What must stand before gateways and workers start: tables, bucket, number of partitions."""

from collections.abc import AsyncIterator
from enum import Enum

import asyncpg

from runtime.bucket import make_bucket
from runtime.connections import CONNECT_SECONDS, open_log
from runtime.schema import bring_up, database_version
from runtime.settings import Settings
from runtime.site_record import begin_site, hold_to_site, is_returning

LOG_LOST = (
    "The log is empty, and the database is not: begun anew, it would give names and positions a "
    "second time. Bring it back from the archive:\n"
    "  python -m runtime engines python -m events bring-back"
)
TABLES_LOST = (
    "The database is empty, and the log is not: the tables are made again from it.\n"
    "  python -m events rebuild all"
)


class Lost(Enum):
    """What is missing of a site that was in use."""

    NOTHING = "nothing"
    TABLES = "tables"
    LOG = "log"


class LogLost(Exception):
    """The site must not go on; the text says what to do."""


async def prepare(settings: Settings) -> AsyncIterator[str]:
    """Do it all; may be repeated at every start. Each answer says in a sentence what was done."""
    yield await begin_tables(settings)
    yield await begin_log(settings)
    yield await make_bucket(settings.objects_url)


async def begin_tables(settings: Settings) -> str:
    """Bring the tables up to this code, unless they are lost. `LogLost` when the log is."""
    match await losses(settings):
        case Lost.LOG:
            raise LogLost(LOG_LOST)
        case Lost.TABLES:
            return TABLES_LOST
        case _:
            return await bring_up(settings.database_url)


async def losses(settings: Settings) -> Lost:
    """Tables and log come from each other: one without the other was lost."""
    connection = await asyncpg.connect(settings.database_url, timeout=CONNECT_SECONDS)
    try:
        has_tables = await database_version(connection) is not None
        has_people = has_tables and await connection.fetchval(
            "SELECT EXISTS (SELECT FROM heliograph.accounts)"
        )
    finally:
        await connection.close()
    async with open_log(settings, connections=1) as log:
        heads = [f"head:{{{partition}}}" for partition in range(settings.partitions)]
        has_events = any([await log.exists(head) for head in heads])
        if await is_returning(log):
            return Lost.NOTHING  # yet: `begin_log` says what is to be done first
    if has_people and not has_events:
        return Lost.LOG
    return Lost.TABLES if has_events and not has_tables else Lost.NOTHING


async def begin_log(settings: Settings) -> str:
    """Record in the log what a site keeps for its life, once and for all, and hold it to that."""
    async with open_log(settings, connections=1) as log:
        await begin_site(log, settings)
        await hold_to_site(log, settings)
    return f"The log has {settings.partitions} partitions."
