"""While somebody reads history, the log keeps it: a hold on the trim, renewed until he is done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from events.log import Log
from events.trimming import hold, release
from runtime.outages import is_outage

HOLD_SECONDS = 600.0
"""Of whoever dies: then the log may go on."""


@asynccontextmanager
async def holding(log: Log, name: str) -> AsyncIterator[None]:
    """Nothing of any topic is trimmed inside."""
    await hold(log, name, HOLD_SECONDS)
    renewing = asyncio.create_task(_renew(log, name), name=f"hold {name}")
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        try:
            await release(log, name)
        except Exception as error:
            if not is_outage(error):
                raise


async def _renew(log: Log, name: str) -> None:
    while True:
        await asyncio.sleep(HOLD_SECONDS / 4)
        try:
            await hold(log, name, HOLD_SECONDS)
        except Exception as error:
            if not is_outage(error):
                raise
