"""Connections wait for a bounded time, and never send a command twice by themselves."""

import asyncio
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from runtime.connections import open_blocking_log, open_database, open_log


async def test_a_lost_reply_is_not_a_second_append(settings, engines):
    """redis-py's own repeats would append an event twice; the caller repeats, with its key."""
    received = []

    async def lose_the_reply(reader, writer):
        while data := await reader.read(65536):
            received.append(data.count(b"XADD"))
            if received[-1]:
                break
            writer.write(b"+OK\r\n" * data.count(b"*"))
        writer.close()

    path = str(engines.place.sockets / "loses.sock")
    async with await asyncio.start_unix_server(lose_the_reply, path) as server:
        async with open_log(settings.replace(log_url=f"unix://{path}")) as log:
            with pytest.raises(RedisConnectionError):
                await log.xadd("events", {"n": 1})
        server.close()

    assert sum(received) == 1


async def test_a_blocking_reader_outlasts_the_reply_time_of_others(settings, log_client):
    """A read that blocks for longer than a reply may take ends with nothing, not with an error."""
    async with open_blocking_log(settings) as log:
        assert await log.xread({"nothing": "0"}, block=5500) in ([], {}, None)


async def test_a_pool_opens_without_its_database(settings):
    """A process starts before PostgreSQL does, and finds it when it is there."""
    nowhere = settings.replace(database_url="postgresql://127.0.0.1:1/none")
    async with await open_database(nowhere) as pool:
        started = time.monotonic()
        with pytest.raises(OSError, match="failed"):
            await pool.fetchval("SELECT 1")

    assert time.monotonic() - started < 3


async def test_every_connection_finds_the_tables(database):
    assert await database.fetchval("SHOW search_path") == "heliograph"
