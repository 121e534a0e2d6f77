"""Whether commands may be taken in now: room in the log, places here, and work that is not begun.

Looked at in the background, so that a request pays nothing for the answer; and asked before the
body of a request is read and before it costs an allowance.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from events.waiting import seconds_waiting
from gateway.inflight import REQUESTS, UPLOADS, WAITS, InFlight
from gateway.keys import LOG, SETTINGS
from runtime import metrics
from runtime.capacity import Capacity, is_local
from runtime.connections import open_redis
from runtime.errors import Unavailable
from runtime.health import Check, Full, stop_watching
from runtime.loglines import log
from runtime.outages import is_outage

ROLE, TOPIC = "renditions", "posts"  # what an upload waits for
REPLY_SECONDS = 1.8
LOOK_SECONDS = 5.0
RETRY_SECONDS = 60
WAITING_PART = 4  # of all places, for answers that are held back

CAPACITY: web.AppKey[Capacity] = web.AppKey("capacity", Capacity)


class Waiting:
    """How long the upload that is next in turn has waited, when last looked."""

    def __init__(self, most_seconds: float) -> None:
        self.most_seconds = most_seconds
        self.seconds = 0.0

    def refuse_when_hopeless(self) -> None:
        """`Unavailable` while what is accepted now would wait too long to be worth accepting."""
        if self.seconds > self.most_seconds:
            detail = f"Uploads wait for over {self.most_seconds / 60:.0f} minutes already."
            raise Unavailable("overloaded", detail, retry_after=RETRY_SECONDS)


WAITING: web.AppKey[Waiting] = web.AppKey("waiting", Waiting)


async def open_room(app: web.Application) -> AsyncIterator[None]:
    """Places for requests and uploads, and the two watches over what lies behind them."""
    settings = app[SETTINGS]
    app[REQUESTS] = InFlight("requests", settings.most_requests)
    app[WAITS] = InFlight("waits", max(settings.most_requests // WAITING_PART, 1))
    most_bytes = settings.most_upload_mebibytes * 2**20
    app[UPLOADS] = InFlight("uploads", settings.most_uploads, most_bytes)
    metrics.requests_in_flight.set_function(lambda: app[REQUESTS].count)
    metrics.uploads_in_flight.set_function(lambda: app[UPLOADS].count)
    metrics.uploads_in_flight_bytes.set_function(lambda: app[UPLOADS].bytes)
    app[WAITING] = Waiting(settings.most_wait_seconds)
    client = open_redis(settings.log_url, 1, REPLY_SECONDS)
    app[CAPACITY] = Capacity(client, local=is_local(settings))
    watches = [
        asyncio.create_task(app[CAPACITY].watch(), name="room.log"),
        asyncio.create_task(watch_waiting(app), name="room.uploads"),
    ]
    yield
    await asyncio.gather(*map(stop_watching, watches), return_exceptions=True)
    await client.aclose()


async def watch_waiting(app: web.Application) -> None:
    """Until cancelled. A log that does not answer changes nothing: uploads are refused for it."""
    while True:
        try:
            await look_at_waiting(app)
        except Exception as error:  # noqa: BLE001 - the watch goes on, whatever one look met
            if not is_outage(error):
                log().error("room.failed", exc_info=error)
        await asyncio.sleep(LOOK_SECONDS)


async def look_at_waiting(app: web.Application) -> None:
    async with asyncio.timeout(REPLY_SECONDS):
        app[WAITING].seconds = await seconds_waiting(app[LOG], ROLE, TOPIC)
    metrics.upload_wait_seconds.set(app[WAITING].seconds)


def check_of(app: web.Application) -> Check:
    """What `/readyz?verbose` says of the log's room; that it is full makes nobody unready."""

    async def probe() -> str:
        capacity = app[CAPACITY]
        if capacity.refusal is not None:
            raise Full(f"{capacity.refusal.detail} {capacity.measure}")
        return str(capacity.measure or "not looked at yet")

    return Check(
        name="log-room",
        probe=probe,
        degraded="commands, sign-in included, are refused (503); all reads work",
        fix_when_down="give the log memory or disk, or set the clocks; see docs/decisions/0007",
        needed=False,
    )
