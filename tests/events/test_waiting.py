"""What waits holds up nothing: not what is new, not itself for ever, and costs no attempt."""

import pytest

from events import entries, leases
from events.claims import ensure_group
from events.consumer import Limits
from events.ids import shard_of
from events.log import stream_key
from events.status import status_of
from runtime.errors import Unavailable
from workers.process import MOST_HELD

ATTEMPTS = 3  # what the reader of these tests has
SMALL = Limits(batch=5, in_flight=MOST_HELD, lease_seconds=60, attempts=ATTEMPTS)


@pytest.fixture
def stream(ada):
    return stream_key("posts", shard_of(ada) % 8)


async def test_a_flood_of_poison_holds_up_none_of_its_neighbours(
    reader, delete, recording, new_clock
):
    """Twenty batches of what nobody can handle wait for their next try; what is good is done."""
    seen, clock = [], new_clock()
    note = recording(seen)

    async def handle(site, batch):
        if any(each.event.post_id < 100 for each in batch):
            message = "unlucky"
            raise ValueError(message)
        return await note(site, batch)

    await delete(*range(100), 100, 101)
    one = reader(handle, clock=clock, limits=SMALL)
    for _ in range(21):
        await one.step()
    assert seen == [100, 101]


async def test_what_is_always_due_does_not_hold_up_what_is_new(reader, delete, new_clock):
    """Entries that wait for another role are looked at again and again, and in between the rest."""
    seen, clock = [], new_clock()

    async def handle(_site, batch):
        seen.extend(each.event.post_id for each in batch if each.event.post_id >= 100)
        return [each for each in batch if each.event.post_id < 100]

    await delete(*range(50))
    one = reader(handle, clock=clock, limits=SMALL)
    for _ in range(20):
        clock.now += 100
        await one.step()
    await delete(100)
    for _ in range(2):
        clock.now += 100
        await one.step()
    assert seen == [100]


async def test_what_is_new_does_not_hold_up_what_is_due(reader, delete, new_clock):
    """However much comes in, what waited is looked at in every other step."""
    looks, clock = [], new_clock()

    async def handle(_site, batch):
        looks.append([each.event.post_id for each in batch])
        return [each for each in batch if each.event.post_id == 1]

    await delete(1, *range(2, 40))
    one = reader(handle, clock=clock, limits=SMALL)
    for _ in range(6):
        clock.now += 100
        await one.step()
    assert [1] in looks[1:3]
    assert len([look for look in looks[1:] if 1 in look]) >= 2


async def test_a_deployment_of_unknown_types_fills_nothing(
    reader, log_client, delete, pending, ada, stream, recording
):
    """They are left pending, not held: what stands behind them goes on."""
    seen = []
    limits = Limits(batch=5, in_flight=10, lease_seconds=60, attempts=ATTEMPTS)
    for _ in range(30):
        await log_client.xadd(stream, {"type": "post.levitated", "actor": str(ada)})
    await log_client.hset(
        f"head:{{{shard_of(ada) % 8}}}", "head", await last_of(log_client, stream)
    )
    await delete(1)

    one = reader(recording(seen), limits=limits)
    for _ in range(7):
        await one.step()

    assert (seen, await pending()) == ([1], 30)
    assert not one.claims.leases.held


async def test_a_newer_worker_takes_over_what_an_older_could_not_read(
    reader, delete, dead, log_client, stream, recording, new_clock, monkeypatch
):
    """However often older ones looked at it: that uses up no attempt."""
    seen, clock = [], new_clock()
    await delete(1)
    with monkeypatch.context() as older:
        older.delitem(entries.BY_TAG, "post.deleted")
        for life in range(3 * ATTEMPTS):
            one = reader(recording(seen), f"old {life % 2}", clock)
            await one.step()
            await let_leases_end(log_client, stream)
    assert (seen, await dead()) == ([], {})

    await reader(recording(seen), "new", clock).step()

    assert (seen, await dead()) == ([1], {})


@pytest.mark.parametrize("end", ["outage", "later"])
async def test_lives_that_only_waited_count_as_no_attempt(
    reader, delete, dead, pending, recording, new_clock, end
):
    """A worker that is restarted again and again while an engine is away buries nothing."""
    seen, tried = [], []

    async def wait(_site, batch):
        tried.extend(batch)
        if end == "outage":
            raise Unavailable("database-unavailable")
        return batch

    await delete(1, 2)
    for _ in range(3 * ATTEMPTS):
        clock = new_clock()
        one = reader(wait, clock=clock)
        for _ in range(2):
            clock.now += 100
            await one.step()

    clock = new_clock()
    one = reader(recording(seen), clock=clock)
    clock.now += 100
    await one.step()
    assert len(tried) >= 6 * ATTEMPTS
    assert (seen, await dead(), await pending()) == ([1, 2], {}, 0)


async def test_backing_off_survives_a_restart(reader, delete, dead, new_clock, monkeypatch):
    """The next life neither tries at once what failed again and again, nor counts from the start.

    What was tried once is tried at once: most often its worker was only stopped with it in hand.
    """
    monkeypatch.setattr(leases.random, "uniform", lambda _low, high: high)
    tries = []

    async def fail(_site, batch):
        tries.extend(batch)
        message = "unlucky"
        raise ValueError(message)

    await delete(1)
    for life in (1, 2):
        await reader(fail, clock=new_clock()).step()
        assert len(tries) == life
    clock = new_clock()
    one = reader(fail, clock=clock)
    await one.step()
    clock.now += leases.backoff(2) / 2
    await one.step()
    assert len(tries) == 2

    clock.now += leases.backoff(2) / 2
    await one.step()
    [letter] = (await dead()).values()
    assert (len(tries), letter["attempts"], letter["reason"]) == (3, 3, "ValueError: unlucky")


async def test_a_group_that_was_lost_is_made_again(
    reader, delete, pending, log_client, stream, recording, new_clock
):
    """As by the restore of an older log: from its beginning, by the reader that runs."""
    seen, clock = [], new_clock()
    await delete(1)
    one = reader(recording(seen), clock=clock)
    await one.step()
    await log_client.xgroup_destroy(stream, "posts")
    for _ in range(4):
        clock.now += 100
        await one.step()
    assert (seen, await pending()) == ([1, 1], 0)


async def test_all_that_a_dead_consumer_held_is_taken_over_at_once(
    reader, delete, pending, log_client, stream, recording, new_clock
):
    """Not a hundred in each half lease: a large batch would wait for minutes."""
    seen, clock = [], new_clock()
    await delete(*range(350))
    await ensure_group(log_client, stream, "posts")
    await log_client.xreadgroup("posts", "dead", {stream: ">"}, count=350)
    await let_leases_end(log_client, stream)

    one = reader(recording(seen), clock=clock)
    while await one.step():
        pass

    assert (sorted(seen), await pending()) == (list(range(350)), 0)


async def test_what_was_left_waiting_is_told_as_waiting(reader, delete, log, monkeypatch):
    """A command that no worker can read yet is accepted, not applied."""
    [appended] = await delete(1)
    with monkeypatch.context() as older:
        older.delitem(entries.BY_TAG, "post.deleted")
        await reader(None).step()
    assert (await status_of(log, appended.address)).state == "accepted"


async def last_of(log_client, stream):
    [(entry_id, _)] = await log_client.xrevrange(stream, count=1)
    return entry_id


async def let_leases_end(log_client, stream):
    """As if everybody had been silent for an hour."""
    for row in await log_client.xpending_range(stream, "posts", "-", "+", 1_000):
        await log_client.xclaim(
            stream, "posts", row["consumer"], 0, [row["message_id"]], idle=3_600_000, justid=True
        )
