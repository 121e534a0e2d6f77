"""Whoever rebuilds may die anywhere: the site is as it was, or as it should be, and it goes on."""

import asyncpg
import pytest

from events import set_back
from events.ids import Position
from events.log import stream_key
from events.wanted import Stream
from runtime.errors import Conflict
from stores.checkpoints import Checkpoints
from stores.epochs import Generations
from tests.rebuilds.rebuilt import projecting, rebuild, rows_of, schemas_of
from workers import rebuilding, swapping
from workers.process import log_of
from workers.shadowing import TABLES_AND_FEEDS, alone


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@pytest.fixture
def dies_at(monkeypatch):
    """Have a function end its caller's life at its n-th call, before it does anything."""

    def arranged(owner, name, number=1, *, after=False):
        function, calls = getattr(owner, name), 0

        async def deadly(*arguments, **named):
            nonlocal calls
            calls += 1
            if calls == number and after:
                await function(*arguments, **named)
            if calls == number:
                raise Killed
            return await function(*arguments, **named)

        monkeypatch.setattr(owner, name, deadly)

    return arranged


BEFORE_THE_SWAP = [
    pytest.param(Checkpoints, "keep", 1, id="nothing kept"),
    pytest.param(Checkpoints, "keep", 3, id="accounts folded"),
    pytest.param(Checkpoints, "keep", 6, id="in the midst"),
    pytest.param(rebuilding, "finish_shadow", 1, id="folded, no indexes"),
    pytest.param(rebuilding, "swap", 1, id="complete"),
    pytest.param(set_back, "write_down", 1, id="locked"),
    pytest.param(swapping, "_rename", 1, id="before the lock"),
]


@pytest.mark.parametrize(("owner", "name", "number"), BEFORE_THE_SWAP)
async def test_before_the_swap_the_site_is_as_it_was(
    settings, log_client, members, dies_at, monkeypatch, owner, name, number
):
    """The next run goes on with what there is, and ends with what there should be."""
    async with projecting(settings) as workers:
        await members.act(150)
        await workers.drain(50)
        before = await rows_of(settings)
        dies_at(owner, name, number)
        with pytest.raises(Killed):
            await rebuild(settings, log_client)
        monkeypatch.undo()

        assert await rows_of(settings) == before
        assert await schemas_of(settings) == ["heliograph", "heliograph_next"]
        told = await rebuild(settings, log_client)
        assert "gone on with" in told[0].text
        assert await rows_of(settings) == before


async def test_after_the_swap_a_worker_does_the_rest(
    settings, log_client, members, dies_at, monkeypatch
):
    """Groups go back and the feeds' generation is raised, by whoever looks next; once."""
    log = log_of(settings, log_client)
    async with projecting(settings) as workers:
        await members.act(150)
        await workers.drain(50)
        before = await rows_of(settings)
        dies_at(swapping, "finish_swap")
        with pytest.raises(Killed):
            await rebuild(settings, log_client)
        monkeypatch.undo()
        intent = await set_back.written_down(log, swapping.INTENT)
        assert intent
        # As if the shadow had been further behind than it was.
        behind = intent.groups[0][:3]
        await set_back.write_down(
            log,
            swapping.INTENT,
            set_back.intent_of(
                intent.target, {Stream(*behind): Position(0, 0)}, generation=intent.generation
            ),
        )
        database = workers.sites["posts"].database

        assert await swapping.finish_swap(log, database) == 1

        assert await set_back.written_down(log, swapping.INTENT) is None
        assert await Generations(log_client).read() == intent.generation
        [group] = [
            each
            for each in await log_client.xinfo_groups(stream_key(*behind[1:]))
            if each["name"].decode() == behind[0]
        ]
        assert group["last-delivered-id"] == b"0-0"
        await workers.drain(50)
        assert await rows_of(settings) == before
        assert await swapping.finish_swap(log, database) == 0


async def test_what_is_written_down_waits_for_its_swap(settings, log_client, members, dies_at):
    """A swap that did not take place is followed by nothing."""
    log = log_of(settings, log_client)
    async with projecting(settings) as workers:
        await members.act(60)
        await workers.drain(50)
        dies_at(set_back, "write_down", after=True)
        with pytest.raises(Killed):
            await rebuild(settings, log_client)

        assert await set_back.written_down(log, swapping.INTENT)
        assert await swapping.finish_swap(log, workers.sites["posts"].database) == 0
        assert await Generations(log_client).read() == 0


async def test_one_rebuild_at_a_time(settings, log_client, members):
    await members.act(20)
    async with alone(settings, TABLES_AND_FEEDS):
        with pytest.raises(Conflict, match="Another run"):
            await rebuild(settings, log_client)
    await rebuild(settings, log_client)


async def test_a_shadow_of_another_version_is_refused(settings, log_client, members):
    """Half of it would be of tables that this code does not know."""
    await members.act(20)
    await rebuild(settings, log_client, swap=False)
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute("UPDATE heliograph_next.schema_version SET version = 1")
    finally:
        await connection.close()

    with pytest.raises(Conflict, match="of version 1"):
        await rebuild(settings, log_client)
