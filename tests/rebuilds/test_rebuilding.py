"""Tables made again from the log are those that the site had, and nobody notices."""

import asyncio

import asyncpg

from runtime.schema import bring_up
from tests.rebuilds.rebuilt import at_work, projecting, rebuild, rows_of, schemas_of
from tests.runtime.test_schema import catalogue, scratch


async def test_rebuilt_tables_hold_what_they_held(settings, log_client, members):
    """Row for row, whatever the members did; and what is delivered again changes nothing."""
    async with projecting(settings) as workers:
        await members.act(300)
        await workers.drain(50)
        before = await rows_of(settings)

        await rebuild(settings, log_client)

        assert await rows_of(settings) == before
        assert before["posts"]
        assert before["followers"]
        assert members.gone
        await workers.drain(50)
        assert await rows_of(settings) == before
        await members.act(50)
        await workers.drain(50)
        assert await rows_of(settings) != before


async def test_the_new_schema_is_as_a_fresh_one(settings, log_client, members, engines):
    """To the last grant and name, so that the next upgrade finds what it expects."""
    await members.act(50)
    await rebuild(settings, log_client)
    [old] = [each for each in await schemas_of(settings) if each != "heliograph"]
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute(f"DROP SCHEMA {old} CASCADE")
    finally:
        await connection.close()

    async with scratch(engines, "fresh") as fresh:
        await bring_up(fresh)
        assert catalogue(fresh) == catalogue(settings.database_url)


async def test_an_empty_database_is_filled_from_the_log(settings, log_client, members):
    """The rows are gone, and the groups far ahead of them."""
    async with projecting(settings) as workers:
        await members.act(200)
        await workers.drain(50)
        before = await rows_of(settings)
        connection = await asyncpg.connect(settings.database_url)
        try:
            await connection.execute("DROP SCHEMA heliograph CASCADE; TRUNCATE vault.account_keys")
            await connection.execute("DROP SCHEMA vault CASCADE; DROP SCHEMA storage CASCADE")
            await bring_up(settings.database_url)
            await rebuild(settings, log_client)

            assert await rows_of(settings) == before
            keys = await connection.fetchval("SELECT count(*) FROM vault.account_keys")
        finally:
            await connection.close()
    assert keys == len(members.ids)


async def test_a_shadow_that_is_not_swapped_in_is_kept(settings, log_client, members):
    async with projecting(settings) as workers:
        await members.act(100)
        await workers.drain(50)
        before = await rows_of(settings)

        told = await rebuild(settings, log_client, swap=False)

        assert "heliograph_next" in told[-1].text
        assert await rows_of(settings, "heliograph_next") == before
        assert await schemas_of(settings) == ["heliograph", "heliograph_next"]


async def test_commands_flow_during_a_rebuild(settings, log_client, members):
    """Workers go on, commands are recorded; afterwards everything is there, once."""
    async with projecting(settings) as workers:
        await members.act(300)
        async with at_work(workers):
            enough = asyncio.Event()
            acting = asyncio.create_task(members.act_until(enough))
            for number in range(3):
                done_before = members.actions
                await rebuild(settings, log_client, schema=f"heliograph_n{number}")
                assert members.actions > done_before
            enough.set()
            await acting
        await workers.drain(50)
        live = await rows_of(settings)

        await rebuild(settings, log_client, swap=False)

        assert await rows_of(settings, "heliograph_next") == live
        assert len(live["accounts"]) == len(members.ids) + len(members.gone)


async def test_a_shadow_is_held_against_a_site_that_went_on(settings, log_client, members, ask):
    """Whoever verifies folds it on first; what a hand changed in it is still found."""
    async with projecting(settings) as workers:
        await members.act(40)
        await workers.drain(100)
        await rebuild(settings, log_client, swap=False)
        await members.act(40)
        await workers.drain(100)
        assert (await ask("verify", "--against", "next"))[0] == 0

        connection = await asyncpg.connect(settings.database_url)
        try:
            await connection.execute("UPDATE heliograph_next.accounts SET bio = 'forged'")
        finally:
            await connection.close()
        assert (await ask("verify", "--against", "next"))[0] == 1
