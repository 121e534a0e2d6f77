"""The collector as a process: a pass a day, one now, what one would do, or a photo restored."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from runtime.connections import open_database, open_log
from runtime.errors import Conflict
from runtime.health import stop_watching
from runtime.loglines import log as log_line
from runtime.outages import is_outage
from runtime.settings import Settings
from runtime.shadow import drop_expired
from stores import passes
from stores.ledger import Standing
from stores.objects import Objects
from workers.collecting import SWEPT, Tally, collect
from workers.process import log_of
from workers.site import Storeroom

LOOK_SECONDS = 600.0
POSTPONED_SECONDS = 60.0
UNREADY_SECONDS = 1.0

STEPS = {
    Standing.REFERENCED: "shown by a post",
    Standing.KEPT: "shown by none, restored by an operator",
    Standing.YOUNG: "shown by none, stored within a day",
    Standing.MARKED: "shown by none: into quarantine",
    Standing.QUARANTINED: "in quarantine",
    Standing.DUE: "quarantine is over, or of an erased account",
    SWEPT: "swept",
}


@asynccontextmanager
async def open_storeroom(settings: Settings) -> AsyncIterator[Storeroom]:
    """The engines the collector works with; none of them needs to be up yet."""
    async with AsyncExitStack() as stack:
        yield Storeroom(
            log=log_of(settings, await stack.enter_async_context(open_log(settings))),
            database=await stack.enter_async_context(await open_database(settings)),
            objects=await stack.enter_async_context(Objects(settings.objects_url)),
        )


async def collect_daily(
    settings: Settings, stopping: asyncio.Event, may_collect: Callable[[], bool]
) -> None:
    """Make a pass a day after the last one ended, whoever made that; until told to stop."""
    async with open_storeroom(settings) as site:
        collecting = asyncio.create_task(_collect_daily(site, may_collect), name="collect")
        told = asyncio.create_task(stopping.wait(), name="collect until")
        await asyncio.wait({collecting, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        await stop_watching(collecting)


async def _collect_daily(site: Storeroom, may_collect: Callable[[], bool]) -> None:
    while True:
        wait_seconds = UNREADY_SECONDS
        try:
            if may_collect():
                for schema in await drop_expired(site.database):
                    log_line().info("schema.dropped", schema=schema)
                if await passes.is_due(site.database):
                    await collect(site)
                wait_seconds = LOOK_SECONDS
        except Exception as error:
            if not (is_outage(error) or isinstance(error, Conflict)):
                raise
            wait_seconds = POSTPONED_SECONDS
            log_line().warning("collecting.postponed", reason=f"{type(error).__name__}: {error}")
        await asyncio.sleep(wait_seconds)


def table(tally: Tally) -> Iterator[str]:
    """Counts and bytes of every step."""
    yield f"{'photos':>12} {'objects':>12} {'bytes':>18}"
    for step, meaning in STEPS.items():
        if step != SWEPT or tally.photos[SWEPT]:
            counts = f"{tally.photos[step]:>12,} {tally.objects[step]:>12,}"
            yield f"{counts} {tally.bytes[step]:>18,}  {step}: {meaning}"
