"""The moment of the swap: handlers commit before it or begin after it, and nothing is lost."""

import asyncpg
import pytest

from events import set_back
from events.accounts import ProfileEdited
from events.entries import TYPE
from events.ids import shard_of
from events.log import stream_key
from runtime.errors import Conflict, Unavailable
from stores import pulled_posts
from stores.checkpoints import Checkpoints
from stores.database import KEEP_SCHEMA, transaction
from tests.rebuilds.rebuilt import projecting, rebuild, rows_of, schemas_of
from workers import swapping


@pytest.fixture
def at_the_swap(monkeypatch):
    """Have something done when the lock is held and the shadow has all there is."""

    def arranged(what):
        write_down = set_back.write_down

        async def then(log, name, intent):
            await what()
            await write_down(log, name, intent)

        monkeypatch.setattr(set_back, "write_down", then)

    return arranged


async def test_nothing_is_swapped_under_a_handler(settings, log_client, members, monkeypatch):
    """Who holds on to the schema keeps it; the site is as it was, and later it is swapped."""
    monkeypatch.setattr(swapping, "TRIES", 2)
    monkeypatch.setattr(swapping, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(swapping, "PAUSE_SECONDS", 0)
    async with projecting(settings) as workers:
        await members.act(30)
        await workers.drain(50)
        before = await rows_of(settings)
        async with transaction(workers.sites["posts"].database) as db:
            await db.execute("UPDATE accounts SET posts = posts")
            with pytest.raises(Unavailable, match="no moment"):
                await rebuild(settings, log_client)
        assert await schemas_of(settings) == ["heliograph", "heliograph_next"]

        await rebuild(settings, log_client)
        assert await rows_of(settings) == before


async def test_no_handler_begins_while_it_is_swapped(settings, log_client, members, at_the_swap):
    """Neither a role's; and what is folded into a shadow is not held up, or the end never came."""
    await members.act(30)
    granted = {}

    async def look():
        for schema in ("heliograph", "heliograph_next"):
            connection = await asyncpg.connect(
                settings.database_url, server_settings={"search_path": schema}
            )
            trying = KEEP_SCHEMA.replace("pg_advisory", "pg_try_advisory")
            granted[schema] = await connection.fetchval(trying)
            await connection.close()

    at_the_swap(look)
    await rebuild(settings, log_client)

    assert granted == {"heliograph": False, "heliograph_next": True}


async def test_what_came_last_is_given_again(settings, log_client, members, at_the_swap):
    """Even when a worker has acknowledged it whose effect stayed in the old schema."""
    async with projecting(settings) as workers:
        await members.act(60)
        await workers.drain(50)
        ada = members.ids[0]
        stream = stream_key("accounts", shard_of(ada) % 2)

        async def record_and_acknowledge():
            await members.log.append(ProfileEdited(bio="the last word"), actor=ada)
            given = await log_client.xreadgroup("accounts", "frozen", {stream: ">"})
            [(_, entries)] = given.items() if isinstance(given, dict) else given
            entries = entries[0] if isinstance(given, dict) else entries
            assert [fields[TYPE] for _, fields in entries] == [b"profile.edited"]
            await log_client.xack(stream, "accounts", *(entry_id for entry_id, _ in entries))

        at_the_swap(record_and_acknowledge)
        await rebuild(settings, log_client)
        assert not told_of("the last word", await rows_of(settings))

        await workers.drain(50)

        assert told_of("the last word", await rows_of(settings))


async def test_what_no_event_tells_is_copied(settings, log_client, members, database):
    """Which posts are pulled: it stays with them, and nothing is decided of the others."""
    async with projecting(settings) as workers:
        await members.act(60)
        await workers.drain(50)
        await database.execute("UPDATE posts SET pulled = id % 2 = 0 WHERE state = 21")
        pulled = await pulled_posts.all_pulled(database)
        assert pulled
        await rebuild(settings, log_client)

        assert await pulled_posts.all_pulled(database) == pulled
        assert not await database.fetch("SELECT 1 FROM posts WHERE NOT pulled")


async def test_a_full_disk_leaves_the_site_alone(settings, log_client, members, monkeypatch):
    async with projecting(settings) as workers:
        await members.act(60)
        await workers.drain(50)
        before = await rows_of(settings)

        async def full(*_):
            raise asyncpg.DiskFullError("could not extend file")

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "keep", full)
            with pytest.raises(asyncpg.DiskFullError):
                await rebuild(settings, log_client)

        assert await rows_of(settings) == before
        await rebuild(settings, log_client)
        assert await rows_of(settings) == before


async def test_a_shadow_that_differs_is_not_swapped_in(settings, log_client, members, monkeypatch):
    """A wrong handler would agree with itself; the model does not."""
    finish = swapping.catch_up
    async with projecting(settings) as workers:
        await members.act(60)
        await workers.drain(50)
        before = await rows_of(settings)

        async def spoil(replay):
            await finish(replay)
            await replay.site.database.execute("UPDATE accounts SET bio = 'spoilt'")

        monkeypatch.setattr("workers.rebuilding.catch_up", spoil)
        with pytest.raises(Conflict, match="not what its events add up to"):
            await rebuild(settings, log_client)

        assert await rows_of(settings) == before


def told_of(word, rows):
    return any(word in row for row in rows["accounts"])
