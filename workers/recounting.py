"""`rebuild counters`: counters that are what the rows say, mended while the site goes on."""

from collections.abc import AsyncIterator

from events.ids import SHARDS
from events.log import Log
from events.people import People
from events.telling import Line, Progress, Table, Told
from runtime.connections import open_database
from runtime.settings import Settings
from stores.database import transaction
from stores.recounts import Drift, lock_shards, recount
from workers.shadowing import alone

# One transaction each: so long those who move counters of these accounts wait.
SHARDS_AT_ONCE = 16
MOST_SHOWN = 50


async def rebuild_counters(settings: Settings, log: Log) -> AsyncIterator[Told]:
    """Tells what had drifted, and mends it in place."""
    drifts: list[Drift] = []
    accounts = drifted = 0
    async with alone(settings, "counters"), await open_database(settings) as database:
        for first in range(0, SHARDS, SHARDS_AT_ONCE):
            last = first + SHARDS_AT_ONCE - 1
            async with transaction(database) as db:
                accounts += await lock_shards(db, first, last)
                found = await recount(db, first, last)
            drifted += len(found)
            drifts += found[: MOST_SHOWN - len(drifts)]
            yield Progress(what="counting", done=last + 1, total=SHARDS, unit="shards")
    if drifts:
        people, heads = People(log), ("account", "counter", "was", "is")
        rows = [row for each in drifts for row in rows_of(await people.called(each[0]), each)]
        yield Table(heads=heads, rows=tuple(rows))
    if drifted > len(drifts):
        yield Line(f"and {drifted - len(drifts)} accounts more", aside=True)
    yield Line(f"{accounts:,} accounts were counted again; {drifted:,} had drifted.", aside=True)


def rows_of(account: str, drift: Drift) -> list[tuple[str, str, int, int]]:
    """A row for each counter that was wrong."""
    names = ("posts", "followers", "following")
    return [
        (account, name, was, now)
        for name, was, now in zip(names, drift.was, drift.now, strict=True)
        if was != now
    ]
