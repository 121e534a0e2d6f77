"""`python -m events backup FOLDER`: a site in use, copied so that it can be put back.

In this order, so that what is put back goes on without a gap: where groups stand, then tables (they
have at least what was done by then), then the log (it has at least what tables have), then objects.
"""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from events.log import Log
from events.log_copy import copy_keys
from events.set_back import undone_from
from events.telling import Line, Progress, Table, Told
from events.wanted import Stream
from events.work import FanoutChunk
from runtime.schema import code_version
from runtime.settings import Settings
from runtime.site_record import fingerprint
from stores.objects import Objects
from workers.backup.folder import (
    LOG,
    OBJECTS,
    TABLES,
    Backup,
    Manifest,
    age_days,
    backups_in,
    broken_off,
)
from workers.backup.pool import sha256_of
from workers.backup.tables import dump_tables
from workers.holding import holding
from workers.subscriptions import EFFECTS, SUBSCRIPTIONS, topics_of

BROKEN_OFF_DAYS = 2.0
"""Longer than any backup takes: one without a manifest by then will never have one."""


async def make_backup(settings: Settings, log: Log, folder: Path) -> AsyncIterator[Told]:
    """Tells as it goes. Broken off, it leaves a folder that is no backup, and harms none."""
    began, backup = time.monotonic(), Backup.new(folder)
    # What groups are to be given again must still be in the log when it is copied.
    async with holding(log, f"backup {backup.path.name}"):
        groups = await undone_from(log, projected(log.partitions))
        yield Line("Dumping tables.", aside=True)
        digests = await dump_tables(settings.database_url, backup.file(TABLES))
        async for count in copy_keys(log.client, log.partitions, backup.file(LOG)):
            yield Progress(what="copying the log", done=count, unit="keys")
        heads = await heads_of_partitions(log)

    number = size_bytes = 0
    pool = backup.pool()
    async with Objects(settings.objects_url) as objects:
        with backup.file(OBJECTS).open("wb") as lines:
            async for kept in pool.copy(objects):
                lines.write(msgspec.json.encode(kept) + b"\n")
                number, size_bytes = number + 1, size_bytes + kept.size_bytes
                yield Progress(what="copying objects", done=number, unit="objects")

    backup.finish(
        Manifest(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            partitions=log.partitions,
            secret=fingerprint(settings),
            schema_version=code_version(),
            groups=tuple((*stream, str(position)) for stream, position in groups.items()),
            heads=heads,
            digests=digests,
            objects=number,
            object_bytes=size_bytes,
            files={name: sha256_of(backup.file(name)) for name in (TABLES, LOG, OBJECTS)},
        )
    )
    yield Table(
        heads=("table", "rows", "digest"),
        rows=tuple((table, rows, digest) for table, (rows, digest) in digests.items()),
    )
    yield Line(
        f"{backup.path}: {number} objects of {size_bytes / 1e6:,.1f} MB, "
        f"in {time.monotonic() - began:.1f} s. The site's secret is not in it: keep that elsewhere."
    )


def drop_expired(folder: Path, keep_days: float) -> Line | None:
    """Remove backups older than that, and objects that no other lists.

    What people erased is in backups until then: the promise is 30 days.
    """
    expired = [each.path for each in backups_in(folder) if age_days(each) > keep_days]
    expired += broken_off(folder, older_than_days=min(keep_days, BROKEN_OFF_DAYS))
    for path in expired:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    kept = backups_in(folder)
    if not kept:
        return None
    wanted = {kept.key for each in kept for kept in each.objects()}
    freed = kept[-1].pool().prune(wanted)
    if not expired and not freed:
        return None
    return Line(
        f"{len(expired)} removed that were older than {keep_days:g} days or broken off, and "
        f"{freed / 1e6:,.1f} MB of objects that no other holds."
    )


def projected(partitions: int) -> list[Stream]:
    """Every stream whose effects stand in tables, as each role reads it."""
    return [
        Stream(role, topic, partition)
        for role in SUBSCRIPTIONS.keys() - EFFECTS
        for topic in topics_of(role)
        if topic != FanoutChunk.TOPIC
        for partition in range(partitions)
    ]


async def heads_of_partitions(log: Log) -> dict[str, str]:
    """Of each partition the last position of all, as far as there is one."""
    heads = {}
    for partition in range(log.partitions):
        if head := await log.client.hget(f"head:{{{partition}}}", "head"):
            heads[str(partition)] = head.decode()
    return heads
