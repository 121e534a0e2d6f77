"""An empty site becomes what a backup was (`restore`), a lost log what was archived (`bring-back`).

Both want a site none of whose gateways and workers run.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import ResponseError

from events import set_back
from events.chain import link_of
from events.history import head_of
from events.ids import START, Position, position_before
from events.log import Log, stream_key
from events.log_copy import put_keys_back
from events.set_back import Intent
from events.telling import Line, Progress, Table, Told
from runtime.errors import Conflict, Invalid
from runtime.schema import code_version
from runtime.settings import Settings
from runtime.site_record import RETURNING, SITE_KEY, begin_site, fingerprint, is_returning
from stores.archive import Archive
from stores.epochs import Generations
from stores.objects import Objects
from workers.backup.bringing_back import bring_back, drop_unborn, keep_keys
from workers.backup.folder import LOG, TABLES, Backup, Manifest
from workers.backup.tables import load_tables, wrapped_keys
from workers.subscriptions import SUBSCRIPTIONS, topics_of


async def restore(settings: Settings, log: Log, backup: Backup) -> AsyncIterator[Told]:
    """Put a backup back into an empty site, and hold it to the digests that were taken with it."""
    manifest = backup.manifest()
    refuse_another_site(settings, manifest)
    backup.check(manifest)
    async with (
        returning(settings, log, "restore") as again,
        Objects(settings.objects_url) as objects,
    ):
        yield Line("Loading tables.", aside=True)
        found = await load_tables(settings.database_url, backup.file(TABLES), instead=again)
        wanted = list(backup.objects())
        number = 0
        async for _ in backup.pool().put_back(objects, wanted):
            number += 1
            yield Progress(what="objects", done=number, total=len(wanted), unit="objects")
        async for count in put_keys_back(log.client, backup.file(LOG)):
            yield Progress(what="the log", done=count, unit="keys")
        async for each in return_archived(log, Archive(objects)):
            yield each
        unborn = [await drop_unborn(log, partition) for partition in range(log.partitions)]
        moved = await set_back.set_back(log, Intent(target=0, groups=manifest.groups))
        short = [each for each in manifest.groups if not await reaches_back(log, *each)]
        await raise_generation(log)
    yield Line(f"{moved} groups were set back; {sum(unborn)} names nobody has were freed.")
    for role, topic, partition, position in short:
        text = f"{role} lacks what {topic}.{partition} held from {position} on: rebuild all"
        yield Line(text, failed=True)
    async for told in compare(manifest, found):
        yield told


async def bring_log_back(settings: Settings, log: Log, since: Position) -> AsyncIterator[Told]:
    """Begin an empty log from the archive and the vault; what was never archived is lost."""
    async with (
        returning(settings, log, "bring-back"),
        Objects(settings.objects_url) as objects,
    ):
        # Before the archive says who was erased: theirs are destroyed again.
        keys = await keep_keys(log, await wrapped_keys(settings.database_url))
        async for told in return_archived(log, Archive(objects), since):
            yield told
        made = await begin_groups(log)
        await raise_generation(log)
    yield Line(f"{keys} keys of accounts were in the vault.")
    yield Line(
        f"{made} groups give again what was recorded since. Now start the site, and have tables "
        "lose what the log has lost: python -m events rebuild all"
    )


@asynccontextmanager
async def returning(settings: Settings, log: Log, command: str) -> AsyncIterator[bool]:
    """An empty log, marked so that nobody takes the half of it for the whole until the block ends.

    Whether it was begun before, and broken off: then what stands there is swept away first.
    """
    again = await is_returning(log.client)
    if not again:
        await refuse_full_log(log)
    async with log.client.pipeline(transaction=True) as pipeline:
        if again:
            pipeline.flushdb()
        pipeline.hset(SITE_KEY, RETURNING, command)
        await pipeline.execute()
    await begin_site(log.client, settings)
    yield again
    await log.client.hdel(SITE_KEY, RETURNING)


async def reaches_back(log: Log, role: str, topic: str, partition: int, position: str) -> bool:
    """Whether the stream still holds all that comes after this position of a group."""
    del role
    wanted = Position.parse(position)
    first = await log.client.xrange(stream_key(topic, partition), count=1)
    if not first:
        return await head_of(log, topic, partition) <= wanted
    link = link_of(first[0][1])
    return link is not None and link <= wanted


async def return_archived(
    log: Log, archive: Archive, since: Position = START
) -> AsyncIterator[Told]:
    """What the archive has and the log has not, in every partition."""
    entries = accounts = 0
    for partition in range(log.partitions):
        returned = None
        async for returned in bring_back(log, archive, partition, since):
            yield Progress(what="from the archive", done=entries + returned.entries)
        if returned:
            entries, accounts = entries + returned.entries, accounts + returned.accounts
    yield Line(f"{entries} events came back from the archive, which knows {accounts} accounts.")


async def begin_groups(log: Log) -> int:
    """Every group of the map, before the first entry that its stream has; how many were made."""
    made = 0
    for role in SUBSCRIPTIONS:
        for topic in topics_of(role):
            for partition in range(log.partitions):
                stream = stream_key(topic, partition)
                first = await log.client.xrange(stream, count=1)
                start = str(position_before(Position.parse(first[0][0]))) if first else "$"
                try:
                    await log.client.xgroup_create(stream, role, id=start, mkstream=True)
                    made += 1
                except ResponseError as error:
                    if not str(error).startswith("BUSYGROUP"):
                        raise
    return made


async def raise_generation(log: Log) -> None:
    """No window that is left in a cache is to be believed."""
    generations = Generations(log.client)
    await generations.raise_to(await generations.reserve())


async def compare(manifest: Manifest, found: dict[str, tuple[int, str]]) -> AsyncIterator[Told]:
    """Rows and digests then and now, table by table."""
    yield Table(
        heads=("table", "rows", "digest", "as backed up"),
        rows=tuple(
            (table, *now, "yes" if now == manifest.digests.get(table) else "NO")
            for table, now in found.items()
        ),
    )
    if manifest.schema_version != code_version():
        yield Line("Digests are of other versions of the tables, and cannot be equal.", aside=True)
    elif found != manifest.digests:
        yield Line("The tables are not those that were backed up.", failed=True)
    else:
        yield Line("Restored: every table is as it was backed up.")


def refuse_another_site(settings: Settings, manifest: Manifest) -> None:
    if manifest.partitions != settings.partitions:
        wanted = f"HELIOGRAPH_PARTITIONS={manifest.partitions}"
        raise Invalid("other-site", f"The backup is of a site begun with {wanted}: set it.")
    if manifest.secret != fingerprint(settings):
        detail = (
            "The backup is of a site with another secret, without which nothing can be unsealed: "
            "set HELIOGRAPH_SECRET or HELIOGRAPH_SECRET_FILE, or put it into secrets/site of var/."
        )
        raise Invalid("other-site", detail)


async def refuse_full_log(log: Log) -> None:
    for partition in range(log.partitions):
        if await log.client.exists(f"head:{{{partition}}}"):
            raise Conflict("not-empty", "The log is not empty: it is somebody's.")
