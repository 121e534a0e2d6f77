"""What must stand before gateways and workers start: tables, bucket, number of partitions."""

from collections.abc import AsyncIterator

from runtime.bucket import make_bucket
from runtime.connections import open_log
from runtime.schema import bring_up
from runtime.settings import Settings

PARTITIONS_KEY = "site:partitions"


class PartitionsChanged(Exception):
    """Events of an account would be sought in another partition than they stand in."""


async def prepare(settings: Settings) -> AsyncIterator[str]:
    """Do it all; may be repeated at every start. Each answer says in a sentence what was done."""
    yield await bring_up(settings.database_url)
    yield await fix_partitions(settings)
    yield await make_bucket(settings.objects_url)


async def fix_partitions(settings: Settings) -> str:
    """Record in the log how many partitions it has, once and for all."""
    async with open_log(settings, connections=1) as log:
        await log.set(PARTITIONS_KEY, settings.partitions, nx=True)
        recorded = int(await log.get(PARTITIONS_KEY) or 0)
    if recorded != settings.partitions:
        raise PartitionsChanged(
            f"This site was begun with {recorded} partitions and keeps them for its life: "
            f"set HELIOGRAPH_PARTITIONS={recorded}."
        )
    return f"The log has {recorded} partitions."
