"""Every way in which a delivery may end, over a real stream."""

from events.ids import shard_of
from events.log import stream_key
from events.status import status_of
from runtime.errors import Unavailable

ATTEMPTS = 3  # what the reader of these tests has


async def test_a_batch_is_done_once(reader, delete, pending, recording):
    """A group that is created late still gets everything from the beginning, once."""
    seen = []
    await delete(1, 2, 3)
    one = reader(recording(seen))
    assert [await one.step() for _ in range(3)] == [3, 0, 0]
    assert (seen, await pending()) == ([1, 2, 3], 0)


async def test_poison_stands_alone_and_is_buried_after_its_attempts(
    reader,
    delete,
    pending,
    dead,
    log,
    new_clock,
):
    """One event that cannot be handled holds up none of its neighbours."""
    seen, clock = [], new_clock()

    async def handle(_site, batch):
        if any(delivery.event.post_id == 13 for delivery in batch):
            message = "unlucky"
            raise ValueError(message)
        seen.extend(delivery.event.post_id for delivery in batch)
        return ()

    appended = await delete(*range(10, 20))
    one = reader(handle, clock=clock)
    await one.step()
    await one.step()
    assert sorted(seen) == [10, 11, 12, 14, 15, 16, 17, 18, 19]
    assert await pending() == 1

    for _ in range(ATTEMPTS):
        clock.now += 100
        await one.step()

    [letter] = (await dead()).values()
    assert (letter["reason"], letter["attempts"]) == ("ValueError: unlucky", 3)
    assert "handle" in letter["traceback"]
    assert await pending() == 0
    status = await status_of(log, appended[3].address)
    assert (status.state, status.roles) == ("buried", {"posts": "buried"})


async def test_a_dead_engine_pauses_and_counts_nothing(reader, delete, pending, dead, new_clock):
    """However long it is away, no attempt is burnt and nothing is split."""
    calls, clock = [], new_clock()

    async def handle(_site, batch):
        calls.append(len(batch))
        if len(calls) < 20:
            raise Unavailable("database-unavailable")
        return ()

    await delete(1, 2, 3)
    one = reader(handle, clock=clock, state=lambda: "degraded")
    for _ in range(22):
        clock.now += 5
        await one.step()

    assert calls == [3] * 20
    assert (await pending(), await dead()) == (0, {})


async def test_what_must_come_later_is_kept_and_its_neighbours_are_done(
    reader,
    delete,
    pending,
    new_clock,
):
    """A missing dependency is no failure: the event waits under its lease."""
    seen, ready, clock = [], set(), new_clock()

    async def handle(_site, batch):
        later = [d for d in batch if d.event.post_id == 2 and not ready]
        seen.extend(d.event.post_id for d in batch if d not in later)
        return later

    await delete(1, 2, 3)
    one = reader(handle, clock=clock)
    for _ in range(20):
        clock.now += 1
        await one.step()
    assert (seen, await pending()) == ([1, 3], 1)

    ready.add(True)
    clock.now += 1
    await one.step()
    assert (seen, await pending()) == ([1, 3, 2], 0)


async def test_what_never_comes_is_not_waited_for_for_ever(
    reader,
    delete,
    pending,
    dead,
    new_clock,
):
    """After an hour of waiting the event is buried, to be retried once its cause is mended."""

    async def never(_site, batch):
        return list(batch)

    await delete(1)
    clock = new_clock()
    one = reader(never, clock=clock)
    for _ in range(3):
        await one.step()
        clock.now += 3_000
    assert await pending() == 0
    assert [letter["reason"] for letter in (await dead()).values()] == ["dependency-missing"]


async def test_an_unknown_type_waits_and_broken_bytes_are_buried(
    reader,
    pending,
    dead,
    log_client,
    ada,
    recording,
):
    """What a newer worker may read is kept; what nobody can read is set aside at once."""
    seen, stream = [], stream_key("posts", shard_of(ada) % 8)
    await log_client.xadd(stream, {"type": "post.levitated", "actor": str(ada)})
    await log_client.xadd(stream, {"type": "post.deleted", "actor": str(ada), "payload": b"\xc1"})
    one = reader(recording(seen))
    await one.step()
    await one.step()

    assert await pending() == 1
    [letter] = (await dead()).values()
    assert letter["reason"].startswith("undecodable")


async def test_an_unknown_type_is_buried_after_an_hour(
    reader,
    pending,
    dead,
    log_client,
    ada,
    recording,
):
    """By then no upgrade is under way any more; it can be retried from the dead letters."""
    stream = stream_key("posts", shard_of(ada) % 8)
    old = "1800-0"
    await log_client.xadd(stream, {"type": "post.levitated", "actor": str(ada)}, id=old)
    one = reader(recording([]))
    await one.step()
    await one.step()

    assert await pending() == 0
    assert [letter["reason"] for letter in (await dead()).values()] == ["unknown-type"]
