"""What an engine's end looks like to its clients, whichever moment of it they meet."""

import asyncio

import asyncpg
import pytest

from runtime.connections import open_database
from runtime.outages import is_outage
from tests.faults.proxy import proxied


async def test_a_database_that_has_said_it_ends_and_has_not_ended_is_away(settings, database):
    """The driver's own complaint about such a connection is no fault of whoever asks."""
    async with proxied(settings) as (through, proxies), await open_database(through) as pool:
        connection = await pool.acquire()
        process = await connection.fetchval("SELECT pg_backend_pid()")
        last_words, line = asyncio.Event(), proxies["database"]

        async def pass_the_last_words_alone(_piece):
            if last_words.is_set():
                await asyncio.Event().wait()
            last_words.set()

        line._pass = pass_the_last_words_alone
        await database.execute("SELECT pg_terminate_backend($1)", process)
        async with asyncio.timeout(10):
            await last_words.wait()

        await asyncio.sleep(0.05)  # of this same loop: they have reached the client by then
        with pytest.raises(asyncpg.InternalClientError) as told:
            await connection.fetchval("SELECT 1", timeout=5)
        connection.terminate()

    assert is_outage(told.value)
