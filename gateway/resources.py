"""What the app opens when it starts and closes when it ends, one function each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import web

from events.log import Log
from events.notices import follow_notices
from gateway.keys import LOG, NOTICES, PASSWORDS, READER, SETTINGS, TOKENS
from gateway.notices import Notices
from gateway.passwords import Passwords
from gateway.tokens import Tokens
from runtime.connections import open_blocking_log, open_database, open_redis
from runtime.loglines import log
from runtime.outages import is_outage

LOG_CONNECTIONS = 64
LOG_REPLY_SECONDS = 1.8  # no request waits longer than 2 s on a dead engine
READER_CONNECTIONS = 16
RETRY_SECONDS = 0.5


async def open_log(app: web.Application) -> AsyncIterator[None]:
    """The log, for appends, names and the state of commands."""
    settings = app[SETTINGS]
    client = open_redis(settings.log_url, LOG_CONNECTIONS, LOG_REPLY_SECONDS)
    app[LOG] = Log(
        client,
        partitions=settings.partitions,
        secret=settings.secret.reveal().encode(),
        replicas=settings.log_replicas,
    )
    yield
    await client.aclose()


async def open_reader(app: web.Application) -> AsyncIterator[None]:
    """Postgres under the role that can only read."""
    app[READER] = await open_database(app[SETTINGS], reader=True, connections=READER_CONNECTIONS)
    yield
    app[READER].terminate()  # only reads: nothing is lost, and a stalled server is not waited for


async def open_gate(app: web.Application) -> AsyncIterator[None]:
    """What checks who asks: tokens and passwords."""
    app[TOKENS] = Tokens(app[SETTINGS].secret.reveal().encode())
    app[PASSWORDS] = Passwords()
    yield
    app[PASSWORDS].close()


async def hear_notices(app: web.Application) -> AsyncIterator[None]:
    """Follow the notices for as long as the app runs; it serves nobody before it caught up."""
    app[NOTICES] = Notices()
    stopping = asyncio.Event()
    hearing = asyncio.create_task(hear(app, stopping), name="notices")
    yield
    stopping.set()
    hearing.cancel()
    with suppress(asyncio.CancelledError):
        await hearing


async def hear(app: web.Application, stopping: asyncio.Event) -> None:
    """Keep hearing. While something is wrong with what is heard, nobody is recognised."""
    while not stopping.is_set():
        try:
            await hear_until_stopped(app, stopping)
        except Exception as error:  # noqa: BLE001 - whatever it is, privacy rests on hearing again
            app[NOTICES].ready = False
            if is_outage(error):
                log().warning("notices.waiting", reason=str(error))
            else:
                log().error("notices.failed", exc_info=error)
            await asyncio.sleep(RETRY_SECONDS)


async def hear_until_stopped(app: web.Application, stopping: asyncio.Event) -> None:
    """Revocations first, for the log keeps them longer; the notices then add what came since."""
    notices, settings = app[NOTICES], app[SETTINGS]

    def caught_up() -> None:
        notices.ready = True

    notices.revoke(await app[LOG].revocations())
    async with open_blocking_log(settings, connections=2 * settings.partitions) as blocking:
        await follow_notices(app[LOG], blocking, stopping, notices.hear, caught_up)


RESOURCES = (open_log, open_reader, open_gate, hear_notices)
