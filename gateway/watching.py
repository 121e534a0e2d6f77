"""Asking each engine once a second whether it answers, so that requests seldom find out by waiting.

It also ends an outage where nobody asks, and lets answers say truly what they were made without.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from gateway.keys import CACHE, CACHE_REACH, LOG, OBJECTS, READER, READER_REACH
from runtime.health import stop_watching
from runtime.loglines import log
from runtime.outages import is_outage
from stores.database import reading

EVERY_SECONDS = 1.0


async def watch_engines(app: web.Application) -> AsyncIterator[None]:
    """One task an engine: one that hangs must not keep another from being asked."""
    questions = {
        "database": ask_database,
        "cache": ask_cache,
        "log": ask_log,
        "objects": ask_objects,
    }
    tasks = [
        asyncio.create_task(keep_asking(name, app, question), name=f"engines.{name}")
        for name, question in questions.items()
    ]
    yield
    await asyncio.gather(*map(stop_watching, tasks))


async def keep_asking(
    name: str, app: web.Application, question: Callable[[web.Application], Awaitable[None]]
) -> None:
    """Until cancelled. What the answer was, the engine's reach remembers for all."""
    while True:
        try:
            await question(app)
        except Exception as error:  # noqa: BLE001 - the watch goes on, whatever one look met
            if not is_outage(error):
                log().error("engines.failed", engine=name, exc_info=error)
        await asyncio.sleep(EVERY_SECONDS)


async def ask_database(app: web.Application) -> None:
    async with reading(app[READER], app[READER_REACH]) as connection:
        await connection.fetchval("SELECT 1")


async def ask_cache(app: web.Application) -> None:
    async with app[CACHE_REACH].bounded():
        await app[CACHE].ping()


async def ask_log(app: web.Application) -> None:
    # With the patience of a command: a log that is only being restarted turns nobody away.
    await app[LOG].ask(app[LOG].client.ping)


async def ask_objects(app: web.Application) -> None:
    await app[OBJECTS].alive()
