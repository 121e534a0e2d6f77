"""What commands that ask open beside the log: the archive, for whatever streams no longer hold."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from events.past import Past
from events.telling import Desk
from stores.archive import Archive
from stores.objects import Objects


@asynccontextmanager
async def opened_past(desk: Desk) -> AsyncIterator[Past]:
    """Object storage is asked for nothing that a stream still has, and need not be up for that."""
    async with Objects(desk.settings.objects_url) as objects:
        yield Past(desk.log, Archive(objects))
