"""While an engine is away, reading pauses and nothing is used up; then everything is done."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from events.consumer import Limits
from runtime import connections
from runtime.connections import open_cache, open_database, open_log
from runtime.errors import NotFound
from stores import signing
from stores.objects import Objects
from tests.faults.proxy import proxied

ONE_ATTEMPT = Limits(batch=100, in_flight=400, lease_seconds=60, attempts=1)


@pytest.fixture
async def lines(settings, monkeypatch):
    """Every engine behind a line that can fail, and patience for tests."""
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(connections, "REPLY_SECONDS", 0.2)
    monkeypatch.setattr(signing, "_SILENCE_SECONDS", 0.2)
    async with proxied(settings) as (through, proxies), AsyncExitStack() as stack:
        log = await stack.enter_async_context(open_log(through))
        cache = await stack.enter_async_context(open_cache(through))
        database = await stack.enter_async_context(await open_database(through))
        objects = await stack.enter_async_context(Objects(through.objects_url))

        async def read_object():
            try:
                await objects.read("nothing")
            except NotFound:
                return

        asking = {
            "log": log.ping,
            "cache": cache.ping,
            "database": lambda: database.fetchval("SELECT 1"),
            "objects": read_object,
        }
        yield asking, proxies


@pytest.mark.parametrize("fault", ["refuse", "stall"])
@pytest.mark.parametrize("engine", ["log", "cache", "database", "objects"])
async def test_an_engine_that_is_away_is_waited_for(
    lines, reader, delete, dead, pending, new_clock, engine, fault
):
    """Stopped or silent, it splits no batch and uses up not even the only attempt there is."""
    asking, proxies = lines
    batches, done, clock = [], [], new_clock()

    async def handle(_site, batch):
        batches.append(len(batch))
        await asking[engine]()
        done.extend(each.event.post_id for each in batch)
        return ()

    await delete(1, 2, 3)
    one = reader(handle, clock=clock, limits=ONE_ATTEMPT, state=lambda: "degraded")
    if fault == "refuse":
        await proxies[engine].refuse()
    else:
        proxies[engine].stall()
    for _ in range(2):
        await one.step()
        clock.now += 5
    assert (batches, done, await dead()) == ([3, 3], [], {})

    await proxies[engine].heal()
    async with asyncio.timeout(5):
        while not done:  # of what was silent for long, another moment is not asked
            clock.now += 5
            await one.step()
    assert (done, await dead(), await pending()) == ([1, 2, 3], {}, 0)


async def test_reading_rests_while_an_engine_is_away(lines, reader, delete, new_clock):
    """A reader that runs does not call a dead engine as fast as it can."""
    asking, proxies = lines
    calls, called, stopping = [], asyncio.Event(), asyncio.Event()

    async def handle(_site, batch):
        calls.append(len(batch))
        called.set()
        await asking["cache"]()
        stopping.set()
        return ()

    await delete(1)
    await proxies["cache"].refuse()
    one = reader(handle, clock=asyncio.get_running_loop().time)
    running = asyncio.create_task(one.run(stopping))
    async with asyncio.timeout(10):
        await called.wait()
        await proxies["cache"].heal()
        await running
    assert len(calls) == 2
