"""A site of two partitions with members in it, and ways to lose it."""

import asyncpg
import pytest
from redis.asyncio import Redis

from events.catalogue import ARCHIVED
from events.ids import END, START
from runtime.schema import bring_up
from tests.rebuilds.rebuilt import Members, projecting
from workers.process import log_of


@pytest.fixture
async def settings(settings):
    yield settings.replace(partitions=2)
    await bring_up(settings.database_url)


@pytest.fixture
async def log(settings, log_client):
    return log_of(settings, log_client)


@pytest.fixture
async def members(log, archive, objects):
    for kind in ("originals/", "photos/", "staging/"):
        await objects.delete([each.key async for each in objects.list(kind)])
    return Members(log)


@pytest.fixture
async def workers(settings, members):
    async with projecting(settings) as opened:
        yield opened


@pytest.fixture
def archived(log, archive):
    """Have everything recorded so far archived, in segments of a few."""

    async def archived():
        for topic in ARCHIVED:
            for partition in range(log.partitions):
                newest = await archive.last(topic, partition)
                after = START if newest is None else type(START).parse(newest.last)
                entries = await log.page(topic, partition, after, END, 10_000)
                for first in range(0, len(entries), 20):
                    await archive.add(topic, partition, entries[first : first + 20])

    return archived


@pytest.fixture
def lose_log(settings):
    async def lose():
        for url in (settings.log_url, settings.cache_url):
            async with Redis.from_url(url) as client:
                await client.flushall()

    return lose


@pytest.fixture
def lose_all(settings, objects, lose_log):
    async def lose():
        await lose_log()
        await objects.delete([each.key async for each in objects.list("")])
        connection = await asyncpg.connect(settings.database_url)
        try:
            await connection.execute("DROP SCHEMA heliograph, vault, storage CASCADE")
        finally:
            await connection.close()

    return lose
