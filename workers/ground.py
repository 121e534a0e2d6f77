"""Opens what verifying works with, for a command or the nightly process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from events.history import History
from events.log import Log
from runtime.connections import CONNECT_SECONDS, open_cache
from runtime.settings import Settings
from stores.archive import Archive
from stores.objects import Objects
from workers.looking import Ground

# A digest of a large table takes its time, and nobody waits for it but the one who asked.
STATEMENT_SECONDS = 3_600


@asynccontextmanager
async def open_ground(settings: Settings, log: Log) -> AsyncIterator[Ground]:
    """With a session of its own; what is laid out in it goes when it ends."""
    async with AsyncExitStack() as stack:
        objects = await stack.enter_async_context(Objects(settings.objects_url))
        cache = await stack.enter_async_context(open_cache(settings))
        connection = await asyncpg.connect(
            settings.database_url,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            server_settings={"search_path": "heliograph", "application_name": "heliograph verify"},
        )
        stack.push_async_callback(connection.close)
        yield Ground(log, History(log, Archive(objects)), connection, cache)
