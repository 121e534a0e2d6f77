"""The role as a whole: what is away postpones it, what is archived leaves the log."""

import asyncio

from events.accounts import AccountRegistered
from events.claims import ensure_group
from events.entries import open_entries
from events.history import History
from events.ids import shard_of
from events.log import stream_key
from events.trimming import archived
from stores.archive import Archive
from stores.objects import Objects
from tests.archiving import at, moments, run
from workers import archiving
from workers.archive import ROUND_SECONDS, UNREADY_SECONDS, Trimmer, keep_archive, one_round
from workers.archiving import Keeper
from workers.house import workers_of
from workers.site import Library

STREAM = stream_key("posts", 3)
ALL = list(range(1, 13))


async def test_storage_that_is_away_is_no_fault(settings, log, keeper, append, kept):
    """Nothing is recorded meanwhile, and it goes on by itself."""
    await append(*run(1, 2))
    async with Objects("http://key:secret@127.0.0.1:1/bucket") as nowhere:
        library = Library(log=log, archive=Archive(nowhere))
        poor = Keeper(library, 3, lease_seconds=60, seal_seconds=0)
        assert await one_round([poor], Trimmer(0)) == UNREADY_SECONDS
        assert await archived(log, "posts", 3) is None
        await poor.leave()

    assert await one_round([keeper()], Trimmer(0)) == ROUND_SECONDS
    assert await kept() == [[1, 2]]


async def test_what_is_archived_may_leave_the_log(log, log_client, library, append, kept):
    """As far as every role of the map has come; and the whole history can still be read."""
    await append(*run(*ALL))
    for role in workers_of("posts"):
        await ensure_group(log_client, STREAM, role)
        await log_client.xgroup_setid(STREAM, role, str(at(9)))
    every = [Keeper(library, n, lease_seconds=60, seal_seconds=0) for n in range(8)]

    await one_round(every, Trimmer(0))
    assert moments(await log_client.xrange(STREAM)) == [10, 11, 12]
    assert await kept() == [ALL]
    pages = History(log, library.archive).pages("posts", 3)
    assert [moment async for page in pages for moment in moments(page)] == ALL


async def test_a_topic_whose_archive_stands_still_is_not_trimmed(log, log_client, library, append):
    """What is wrong with it may need what is left in the stream."""
    await append(*run(1, 2, 3), *run(9, after=8))
    for role in workers_of("posts"):
        await ensure_group(log_client, STREAM, role)
        await log_client.xgroup_setid(STREAM, role, "$")

    await one_round([Keeper(library, 3, lease_seconds=60, seal_seconds=0)], Trimmer(0))
    assert await archived(log, "posts", 3) == at(3)
    assert moments(await log_client.xrange(STREAM)) == [1, 2, 3, 9]


async def test_the_role_runs_until_it_is_told_to_stop(settings, log, archive, monkeypatch):
    """Every partition of every topic, on its own; and leaves at once to whoever comes next."""
    monkeypatch.setattr(archiving, "SEAL_SECONDS", 0.0)
    names = ("ada", "bob", "cyd", "dan")
    accounts = [(await log.register(AccountRegistered(username=name))).id for name in names]
    stopping = asyncio.Event()
    working = asyncio.create_task(keep_archive(settings, stopping, lambda: True))
    try:
        async with asyncio.timeout(20):
            waiting = {shard_of(account) % 8 for account in accounts}
            while waiting:
                waiting = {n for n in waiting if await archived(log, "accounts", n) is None}
    finally:
        stopping.set()
        await working

    assert not [key async for key in log.client.scan_iter("archiving:*")]
    found = [
        delivery.event.username
        for partition in range(8)
        async for page in History(log, archive).pages("accounts", partition)
        for delivery in await open_entries(log, "accounts", partition, page)
    ]
    assert sorted(found) == sorted(names)
