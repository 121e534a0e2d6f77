"""What a consumer holds, through crashes, freezes and restarts, over a real stream."""

import asyncio

import pytest

from events.consumer import Limits
from events.ids import shard_of
from events.log import stream_key
from events.status import status_of

ATTEMPTS = 3  # what the reader of these tests has


async def test_what_was_pending_at_a_crash_comes_first_in_the_next_life(
    reader,
    delete,
    pending,
    recording,
    new_clock,
):
    """The same consumer finds its own pending entries before anything new, and nobody waits."""
    seen, clock = [], new_clock()

    async def crash(_site, _batch):
        raise SystemExit

    await delete(1)
    dying = reader(crash)
    with pytest.raises(SystemExit):
        await dying.step()
    await delete(2)

    alive = reader(recording(seen), clock=clock)
    await alive.step()
    await alive.step()

    assert (seen, await pending()) == ([1, 2], 0)


async def test_a_dead_consumers_work_is_taken_over_after_its_lease(
    reader,
    delete,
    pending,
    recording,
    new_clock,
):
    """Not before: a living consumer keeps what it holds by renewing."""
    seen, clock = [], new_clock()
    dying, other = reader(None), reader(recording(seen), "two", clock)
    await delete(1)
    await dying.claims.catch_up()
    await dying.claims.read_new(10, None)

    for _ in range(4):
        await asyncio.sleep(0.1)
        await dying.claims.renew()
        clock.now += 1
        await other.step()
    assert seen == []

    await asyncio.sleep(0.3)
    clock.now += 1
    for _ in range(3):
        await other.step()
        clock.now += 100
    assert (seen, await pending()) == ([1], 0)


async def test_renewing_never_counts_a_delivery_nor_steals_one(
    reader,
    delete,
    log_client,
    ada,
    new_clock,
):
    """A frozen consumer that comes back does not take its former work from the new owner."""
    await delete(1)
    frozen, owner = reader(None), reader(None, "two", new_clock())
    await frozen.claims.catch_up()
    await frozen.claims.read_new(10, None)
    await frozen.claims.renew()
    await asyncio.sleep(0.3)
    await owner.claims.catch_up()

    await frozen.claims.renew()

    stream = stream_key("posts", shard_of(ada) % 8)
    [row] = await log_client.xpending_range(stream, "posts", "-", "+", 10)
    assert (row["consumer"], row["times_delivered"]) == (b"two", 1)
    assert not frozen.claims.leases.held


async def test_poison_that_kills_its_worker_is_buried_too(
    reader, delete, dead, new_clock, recording
):
    """Lives that ended with it in hand count as attempts; those beside it in the batch go free."""
    seen = []
    note = recording(seen)

    async def die(site, batch):
        if any(delivery.event.post_id == 13 for delivery in batch):
            raise SystemExit
        return await note(site, batch)

    await delete(12, 13, 14)
    for _ in range(ATTEMPTS + 3):
        clock = new_clock()
        one = reader(die, clock=clock)
        for _ in range(4):
            clock.now += 1000
            try:
                await one.step()
            except SystemExit:
                break

    assert [letter["reason"] for letter in (await dead()).values()] == ["worker-died"]
    assert sorted(seen) == [12, 14]


async def test_in_flight_is_bounded(reader, delete):
    """While too much waits, nothing new is claimed."""

    async def never(_site, batch):
        return list(batch)

    await delete(*range(30))
    one = reader(never, limits=Limits(batch=5, in_flight=10, lease_seconds=60, attempts=3))
    for _ in range(10):
        await one.step()
    assert len(one.claims.leases.held) == 10


async def test_status_follows_a_command(reader, delete, log, recording):
    """Accepted until every group of its topic is done with it."""
    [appended] = await delete(1)
    one = reader(recording([]))
    assert (await status_of(log, appended.address)).state == "accepted"
    await one.claims.catch_up()
    assert (await status_of(log, appended.address)).roles == {"posts": "waiting"}
    await one.step()
    assert (await status_of(log, appended.address)).state == "applied"


async def test_a_running_reader_drains_when_told_to_stop(reader, delete, pending):
    """The batch in hand is finished, nothing is left claimed."""
    seen, stopping, entered = [], asyncio.Event(), asyncio.Event()

    async def slow(_site, batch):
        entered.set()
        await asyncio.sleep(0.1)
        seen.extend(delivery.event.post_id for delivery in batch)
        return ()

    await delete(1, 2)
    running = asyncio.create_task(reader(slow).run(stopping))
    await entered.wait()
    stopping.set()
    await asyncio.wait_for(running, 5)

    assert (seen, await pending()) == ([1, 2], 0)


async def test_the_next_life_goes_on_where_a_drained_one_ended(reader, delete, pending):
    """Told to stop within a backlog, a reader ends its batch; all the rest is found at once."""
    seen, stopping, entered = [], asyncio.Event(), asyncio.Event()

    async def slow(_site, batch):
        entered.set()
        await stopping.wait()
        seen.extend(delivery.event.post_id for delivery in batch)
        return [each for each in batch if each.event.post_id == 2]

    await delete(*range(1, 8))
    limits = Limits(batch=3, in_flight=9, lease_seconds=60, attempts=ATTEMPTS)
    running = asyncio.create_task(reader(slow, limits=limits).run(stopping))
    await entered.wait()
    stopping.set()
    await asyncio.wait_for(running, 5)
    assert (seen, await pending()) == ([1, 2, 3], 1)

    seen.clear()

    async def note(_site, batch):
        seen.extend(delivery.event.post_id for delivery in batch)
        return ()

    again = reader(note, limits=limits)
    assert [await again.step() for _ in range(4)] == [1, 3, 1, 0]
    assert (seen, await pending()) == ([2, 4, 5, 6, 7], 0)
