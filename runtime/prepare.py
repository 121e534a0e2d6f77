"""What must stand before gateways and workers start: tables, bucket, number of partitions."""

from collections.abc import AsyncIterator

from runtime.bucket import make_bucket
from runtime.connections import open_log
from runtime.schema import bring_up
from runtime.settings import Settings
from runtime.site_record import begin_site, hold_to_site


async def prepare(settings: Settings) -> AsyncIterator[str]:
    """Do it all; may be repeated at every start. Each answer says in a sentence what was done."""
    yield await bring_up(settings.database_url)
    yield await begin(settings)
    yield await make_bucket(settings.objects_url)


async def begin(settings: Settings) -> str:
    """Record in the log what a site keeps for its life, once and for all, and hold it to that."""
    async with open_log(settings, connections=1) as log:
        await begin_site(log, settings)
        await hold_to_site(log, settings)
    return f"The log has {settings.partitions} partitions."
