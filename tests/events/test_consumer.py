"""The consumer over a real stream: every way in which a delivery may end, and what survives."""

import asyncio

import msgspec
import pytest

from events.claims import dead_key
from events.consumer import Limits, Reader
from events.ids import shard_of
from events.log import stream_key
from events.posts import PostDeleted
from events.status import status_of
from runtime.connections import open_blocking_log
from runtime.errors import Unavailable

LIMITS = Limits(batch=100, in_flight=400, lease_seconds=0.2, attempts=3)


class Clock:
    """A clock that only tests move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def blocking(settings, clean_site):
    async with open_blocking_log(settings) as client:
        yield client


@pytest.fixture
async def ada(register):
    return await register("ada")


@pytest.fixture
def reader(log, blocking, ada):
    """A reader of Ada's posts under a name, with a handler."""

    def make(handle, name="one", clock=None, limits=LIMITS):
        return Reader(
            log,
            blocking,
            group="posts",
            consumer=name,
            topic="posts",
            partition=shard_of(ada) % 8,
            handlers={PostDeleted: handle},
            site=None,
            limits=limits,
            clock=clock or Clock(),
        )

    return make


@pytest.fixture
def delete(log, ada):
    async def append(*post_ids):
        return [await log.append(PostDeleted(post_id=n), actor=ada) for n in post_ids]

    return append


@pytest.fixture
def pending(log_client, ada):
    async def count():
        found = await log_client.xpending(stream_key("posts", shard_of(ada) % 8), "posts")
        return found["pending"]

    return count


@pytest.fixture
def dead(log_client, ada):
    async def letters():
        found = await log_client.hgetall(dead_key(shard_of(ada) % 8))
        return {name: msgspec.msgpack.decode(letter) for name, letter in found.items()}

    return letters


def recording(seen):
    async def handle(_site, batch):
        seen.extend(delivery.event.post_id for delivery in batch)
        return ()

    return handle


async def test_a_batch_is_done_once(reader, delete, pending):
    """A group that is created late still gets everything from the beginning, once."""
    seen = []
    await delete(1, 2, 3)
    one = reader(recording(seen))
    assert [await one.step() for _ in range(3)] == [3, 0, 0]
    assert (seen, await pending()) == ([1, 2, 3], 0)


async def test_what_was_pending_at_a_crash_comes_first_in_the_next_life(reader, delete, pending):
    """The same consumer finds its own pending entries before anything new, and nobody waits."""
    seen, clock = [], Clock()

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


async def test_a_dead_consumers_work_is_taken_over_after_its_lease(reader, delete, pending):
    """Not before: a living consumer keeps what it holds by renewing."""
    seen, clock = [], Clock()
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


async def test_renewing_never_counts_a_delivery_nor_steals_one(reader, delete, log_client, ada):
    """A frozen consumer that comes back does not take its former work from the new owner."""
    await delete(1)
    frozen, owner = reader(None), reader(None, "two", Clock())
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


async def test_poison_stands_alone_and_is_buried_after_its_attempts(
    reader, delete, pending, dead, log
):
    """One event that cannot be handled holds up none of its neighbours."""
    seen, clock = [], Clock()

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

    for _ in range(LIMITS.attempts):
        clock.now += 100
        await one.step()

    [letter] = (await dead()).values()
    assert (letter["reason"], letter["attempts"]) == ("ValueError: unlucky", 3)
    assert "handle" in letter["traceback"]
    assert await pending() == 0
    status = await status_of(log, appended[3].address)
    assert (status.state, status.roles) == ("buried", {"posts": "buried"})


async def test_attempts_survive_a_restart(reader, delete, dead):
    """A worker that dies with the poison in hand still uses up its attempts."""

    async def handle(_site, _batch):
        raise ValueError

    await delete(1)
    for _ in range(LIMITS.attempts + 1):
        clock = Clock()
        one = reader(handle, clock=clock)
        await one.step()
        clock.now += 1000
        await one.step()
    assert len(await dead()) == 1


async def test_a_dead_engine_pauses_and_counts_nothing(reader, delete, pending, dead, log_client):
    """However long it is away, no attempt is burnt and nothing is split."""
    calls, clock = [], Clock()

    async def handle(_site, batch):
        calls.append(len(batch))
        if len(calls) < 20:
            raise Unavailable("database-unavailable")
        return ()

    await delete(1, 2, 3)
    one = reader(handle, clock=clock)
    for _ in range(22):
        clock.now += 5
        await one.step()

    assert calls == [3] * 20
    assert (await pending(), await dead()) == (0, {})


async def test_what_must_come_later_is_kept_and_its_neighbours_are_done(reader, delete, pending):
    """A missing dependency is no failure: the event waits under its lease."""
    seen, ready, clock = [], set(), Clock()

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


async def test_what_never_comes_is_not_waited_for_for_ever(reader, delete, pending, dead):
    """After an hour of waiting the event is buried, to be retried once its cause is mended."""

    async def never(_site, batch):
        return list(batch)

    await delete(1)
    clock = Clock()
    one = reader(never, clock=clock)
    for _ in range(3):
        await one.step()
        clock.now += 3_000
    assert await pending() == 0
    assert [letter["reason"] for letter in (await dead()).values()] == ["dependency-missing"]


async def test_in_flight_is_bounded(reader, delete):
    """While too much waits, nothing new is claimed."""

    async def never(_site, batch):
        return list(batch)

    await delete(*range(30))
    one = reader(never, limits=Limits(batch=5, in_flight=10, lease_seconds=60, attempts=3))
    for _ in range(10):
        await one.step()
    assert len(one.claims.leases.held) == 10


async def test_an_unknown_type_waits_and_broken_bytes_are_buried(
    reader, pending, dead, log_client, ada
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


async def test_an_unknown_type_is_buried_after_an_hour(reader, pending, dead, log_client, ada):
    """By then no upgrade is under way any more; it can be retried from the dead letters."""
    stream = stream_key("posts", shard_of(ada) % 8)
    old = "1800-0"
    await log_client.xadd(stream, {"type": "post.levitated", "actor": str(ada)}, id=old)
    one = reader(recording([]))
    await one.step()
    await one.step()

    assert await pending() == 0
    assert [letter["reason"] for letter in (await dead()).values()] == ["unknown-type"]


async def test_status_follows_a_command(reader, delete, log):
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
