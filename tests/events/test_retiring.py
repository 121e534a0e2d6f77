"""Consumers that are gone are forgotten, once nothing is left in their names."""

import asyncio

import pytest

from events.ids import shard_of
from events.log import stream_key
from events.trimming import retire_consumers


@pytest.fixture
def names(log_client, ada):
    """Who is known in the group."""

    async def of_group():
        stream = stream_key("posts", shard_of(ada) % 8)
        return sorted(
            each["name"].decode() for each in await log_client.xinfo_consumers(stream, "posts")
        )

    return of_group


@pytest.fixture
def retire(log):
    """With every silence long enough, but what a test says."""

    async def among_posts(silent_seconds=0.0):
        return await retire_consumers(log, "posts", ["posts"], silent_seconds)

    return among_posts


async def test_only_who_holds_nothing_is_retired(reader, delete, recording, names, retire, pending):
    """What a dead consumer still holds is taken over first; its name goes after that."""
    seen = []
    await delete(1, 2)
    dead, other = reader(None, "dead"), reader(recording(seen), "other")
    await dead.claims.catch_up()
    await dead.claims.read_new(1, None)
    await other.step()

    assert (await retire(), await names()) == (["other"], ["dead"])
    assert await pending() == 1

    other.claims.lease_seconds = 0
    other.claims._reclaim_at = 0
    await other.step()
    assert (seen, await retire(), await names()) == ([2, 1], ["dead", "other"], [])


async def test_nobody_who_was_heard_of_is_retired(reader, delete, recording, names, retire):
    """Within the bound even an idle consumer stays."""
    await delete(1)
    await reader(recording([])).step()
    assert (await retire(60.0), await names()) == ([], ["one"])


async def test_a_reader_that_was_retired_goes_on(reader, delete, recording, names, retire, pending):
    """Even in the middle of a blocking read, it is known again with the next event."""
    seen, stopping = [], asyncio.Event()
    one = reader(recording(seen), clock=asyncio.get_running_loop().time)
    running = asyncio.create_task(one.run(stopping))
    async with asyncio.timeout(10):
        while not await retire():
            pass
        await delete(1)
        while not seen or await pending():
            pass
        stopping.set()
        await running
    assert (seen, await names()) == ([1], ["one"])


async def test_without_a_group_there_is_nobody_to_retire(retire, delete):
    """A stream that no worker has read yet, and no stream at all."""
    assert await retire() == []
    await delete(1)
    assert await retire() == []
