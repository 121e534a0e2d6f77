"""What the app opens when it starts and closes when it ends, one function each."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator

from aiohttp import web

from events.history import History
from events.log import Log
from events.notices import Deaf, follow_notices, kept_notices
from gateway.caching import open_caching
from gateway.keys import LOG, NOTICES, OBJECTS, PASSWORDS, READER, SETTINGS, TOKENS
from gateway.limits import open_limits
from gateway.metadata import remember_names
from gateway.notices import Notices
from gateway.passwords import Passwords
from gateway.room import open_room
from gateway.tokens import Tokens
from gateway.watching import watch_engines
from runtime.connections import open_blocking_log, open_database, open_redis
from runtime.health import stop_watching
from runtime.loglines import log
from runtime.outages import is_outage
from runtime.reach import PATIENCE_SECONDS
from stores.archive import Archive
from stores.link import Link
from stores.objects import Objects

LOG_CONNECTIONS = 64
READER_CONNECTIONS = 16
RETRY_SECONDS = 0.5
FORGET_SECONDS = 60.0


async def open_log(app: web.Application) -> AsyncIterator[None]:
    """The log, for appends, names and the state of commands."""
    settings = app[SETTINGS]
    client = open_redis(settings.log_url, LOG_CONNECTIONS, PATIENCE_SECONDS)
    app[LOG] = Log(
        client,
        partitions=settings.partitions,
        secret=settings.secret.reveal().encode(),
        replicas=settings.log_replicas,
    )
    line = Link(client, PATIENCE_SECONDS)
    app[LOG].share(line)
    yield
    line.close()
    await client.aclose()


async def open_reader(app: web.Application) -> AsyncIterator[None]:
    """Postgres under the role that can only read."""
    app[READER] = await open_database(app[SETTINGS], reader=True, connections=READER_CONNECTIONS)
    yield
    app[READER].terminate()  # only reads: nothing is lost, and a stalled server is not waited for


async def open_objects(app: web.Application) -> AsyncIterator[None]:
    """Photos, and what has left the log."""
    async with Objects(app[SETTINGS].objects_url) as objects:
        app[OBJECTS] = objects
        app[LOG].precedents.history = History(app[LOG], Archive(objects))
        yield


async def open_gate(app: web.Application) -> AsyncIterator[None]:
    """What checks who asks: tokens, passwords, and what was revoked."""
    app[NOTICES] = Notices()
    app[TOKENS] = Tokens(app[SETTINGS].secret.reveal().encode())
    app[PASSWORDS] = Passwords()
    yield
    app[PASSWORDS].close()


async def hear_notices(app: web.Application) -> AsyncIterator[None]:
    """Follow the notices for as long as the app runs; it recognises nobody before it caught up."""
    stopping = asyncio.Event()
    tasks = [
        asyncio.create_task(hear(app, stopping), name="notices"),
        asyncio.create_task(forget(app), name="notices.forget"),
    ]
    yield
    stopping.set()
    await asyncio.gather(*map(stop_watching, tasks), return_exceptions=True)


async def hear(app: web.Application, stopping: asyncio.Event) -> None:
    """Keep hearing. While something is wrong with what is heard, nobody is recognised."""
    while not stopping.is_set():
        try:
            await hear_until_stopped(app, stopping)
        except Exception as error:  # noqa: BLE001 - whatever it is, privacy rests on hearing again
            app[NOTICES].known.clear()
            if isinstance(error, ExceptionGroup) and error.subgroup(Deaf):
                # Cards in memory may be older than they know: begin again, with nothing in it.
                log().error("notices.missed")
                signal.raise_signal(signal.SIGTERM)
                return
            if is_outage(error):
                log().warning("notices.waiting", reason=str(error))
            else:
                log().error("notices.failed", exc_info=error)
            await asyncio.sleep(RETRY_SECONDS)


async def hear_until_stopped(app: web.Application, stopping: asyncio.Event) -> None:
    """Revocations first, for the log keeps them longer; the notices then add what came since."""
    notices, settings = app[NOTICES], app[SETTINGS]

    notices.revocations.load(await app[LOG].revocations())
    async with open_blocking_log(settings, connections=2 * settings.partitions) as blocking:
        await follow_notices(app[LOG], blocking, stopping, notices.hear, notices.known.set)


async def forget(app: web.Application) -> None:
    """Once a minute, drop what the log no longer keeps."""
    while True:
        await asyncio.sleep(FORGET_SECONDS)
        try:
            await forget_once(app)
        except Exception as error:  # noqa: BLE001 - memory must not grow because of one failure
            level = log().warning if is_outage(error) else log().error
            level("notices.kept", reason=str(error))


async def forget_once(app: web.Application) -> None:
    """What is not in the stream of notices any more is in every row."""
    kept = {}
    for partition in range(app[SETTINGS].partitions):
        if found := await kept_notices(app[LOG], partition):
            kept[partition] = found
    app[NOTICES].forget_all_but(kept)
    app[NOTICES].revocations.forget_expired(time.time_ns() // 1_000_000)


RESOURCES = (
    remember_names,
    open_log,
    open_reader,
    open_gate,
    open_room,
    open_caching,
    open_limits,
    open_objects,
    watch_engines,
    hear_notices,
)
