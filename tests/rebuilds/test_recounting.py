"""Counters are put right in place, and what was wrong is told."""

import asyncio

from events.telling import Table
from tests.rebuilds.rebuilt import at_work, projecting, rows_of
from workers.process import log_of
from workers.recounting import rebuild_counters


async def recounted(settings, log_client):
    told = [each async for each in rebuild_counters(settings, log_of(settings, log_client))]
    return [row for each in told if isinstance(each, Table) for row in each.rows]


async def test_what_had_drifted_is_mended(settings, log_client, members):
    async with projecting(settings) as workers:
        await members.act(150)
        await workers.drain(50)
        right = await rows_of(settings)
        await workers.sites["posts"].database.execute(
            "UPDATE accounts SET posts = posts + 3, following = 99 WHERE id = $1", members.ids[1]
        )

        drifted = await recounted(settings, log_client)

        assert await rows_of(settings) == right
        assert {(row[0].partition(" ")[0], row[1]) for row in drifted} == {
            ("member1", "posts"),
            ("member1", "following"),
        }
        assert await recounted(settings, log_client) == []


async def test_counters_that_move_are_not_counted_wrong(settings, log_client, members):
    """Whoever counts and whoever moves a counter wait for each other."""
    async with projecting(settings) as workers, at_work(workers):
        await members.act(20)
        enough = asyncio.Event()
        acting = asyncio.create_task(members.act_until(enough))
        for _ in range(3):
            assert await recounted(settings, log_client) == []
        enough.set()
        await acting
