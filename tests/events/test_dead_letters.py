"""Burying, retrying and dropping, over a real stream and real readers."""

import asyncio
import random
import time
from collections import Counter

import msgspec

from events.consumer import Limits
from events.dead_letters import (
    DEAD,
    DROPPED,
    Drop,
    Letter,
    Undelivered,
    bury,
    count,
    drop,
    retried_key,
    retry,
)
from events.ids import shard_of
from events.log import stream_key
from events.status import status_of

BRISK = Limits(batch=100, in_flight=400, lease_seconds=0.5, attempts=1)
NOTE = Drop(who="grace", why="a load test", dropped_ms=1)


async def test_a_retried_delivery_is_done_once_when_its_cause_is_mended(
    buried, drain, trouble, standing, pending, log, log_client
):
    """Another worker takes it over as if it had never been tried; nothing stands any more."""
    what = await buried()
    trouble.mended = True

    assert await retry(log_client, what) == "retried"
    assert (await status_of(log, what.address)).state == "accepted"
    await drain("two")

    assert (trouble.seen, await standing(), await pending()) == ([7], [], 0)
    assert (await status_of(log, what.address)).state == "applied"


async def test_a_running_worker_takes_a_retried_delivery_over(buried, reader, log_client):
    """Nobody has to be told or started: the next look at what dead consumers left finds it."""
    what = await buried()
    stopping, done = asyncio.Event(), asyncio.Event()

    async def handle(_site, batch):
        done.set()
        return ()

    running = asyncio.create_task(reader(handle, "two", time.monotonic, BRISK).run(stopping))
    await retry(log_client, what)
    async with asyncio.timeout(10):
        await done.wait()
    stopping.set()
    await running


async def test_attempts_count_from_zero_after_a_retry(
    reader, delete, trouble, new_clock, log_client, ada, standing
):
    """It has all of its attempts again before it is buried again."""
    [appended] = await delete(7)
    clock = new_clock()
    one = reader(trouble, clock=clock)  # three attempts
    what = Undelivered("posts", "posts", shard_of(ada) % 8, appended.position)

    async def step_until_buried():
        steps = 0
        while not await standing():
            clock.now += 1_000
            await one.step()
            steps += 1
        return steps

    await step_until_buried()
    await retry(log_client, what)
    await step_until_buried()

    [(_, letter)] = await standing()
    assert (letter.attempts, letter.times_buried) == (3, 2)


async def test_what_fails_again_is_buried_with_its_history(buried, drain, log_client, standing):
    """The letter says how often it was buried, and of what before."""
    what = await buried()
    [(_, first)] = await standing()
    await retry(log_client, what)
    await drain()

    [(same, letter)] = await standing()
    assert (same, letter.times_buried, letter.entry) == (what, 2, first.entry)
    assert [each.buried_ms for each in letter.earlier] == [first.buried_ms]
    assert not await log_client.exists(retried_key(what))


async def test_a_second_retry_finds_nothing_to_do(buried, trouble, log_client, drain, standing):
    """Retries at the same time, or after a lost answer, give the delivery back once."""
    what = await buried()
    trouble.mended = True
    words = await asyncio.gather(*(retry(log_client, what) for _ in range(10)))
    await drain()

    assert sorted(words) == ["missing"] * 9 + ["retried"]
    assert trouble.seen == [7]
    assert await retry(log_client, what) == "missing"


async def test_retries_and_drops_at_once_end_in_one_of_both(
    buried, trouble, log_client, drain, standing, pending
):
    """Never pending and on a shelf, never nowhere."""
    what = await buried()
    await asyncio.gather(
        *(retry(log_client, what) for _ in range(5)),
        *(drop(log_client, what, NOTE) for _ in range(5)),
    )
    shelved = len(await standing(DEAD)) + len(await standing(DROPPED))

    assert await pending() + shelved == 1


async def test_no_order_of_decisions_loses_a_delivery_or_its_history(
    reader, delete, trouble, new_clock, standing, pending, log_client, ada
):
    """Operators retry and drop while a worker buries: each in one place, every burial counted."""
    clock, chance, retried = new_clock(), random.Random(3), Counter()
    worker = reader(trouble, clock=clock, limits=BRISK)
    appended = await delete(*range(6))
    all_of_them = [Undelivered("posts", "posts", shard_of(ada) % 8, a.position) for a in appended]

    async def retry_one():
        what = chance.choice(all_of_them)
        if await retry(log_client, what) == "retried":
            retried[what] += 1

    async def drop_one():
        await drop(log_client, chance.choice(all_of_them), NOTE)

    async def bury_some():
        clock.now += 1_000
        await worker.step()

    for _ in range(80):
        operators = chance.choices((retry_one, drop_one), (9, 1), k=3)
        await asyncio.gather(bury_some(), *(decide() for decide in operators))
    found = dict([*await standing(DEAD), *await standing(DROPPED)])
    kept = {what: await log_client.get(retried_key(what)) for what in all_of_them}

    assert len(found) + await pending() == len(all_of_them)
    assert sum(retried.values()) > len(all_of_them)
    for what in all_of_them:
        if what in found:
            assert (found[what].times_buried, kept[what]) == (1 + retried[what], None)
        else:
            assert msgspec.msgpack.decode(kept[what])["times_buried"] == retried[what]


async def test_a_retry_takes_nothing_from_who_is_at_it(
    buried, delete, reader, trouble, log_client, ada
):
    """A worker that comes back from being frozen cannot bury what was retried meanwhile."""
    [appended] = await delete(8)
    what = Undelivered("posts", "posts", shard_of(ada) % 8, appended.position)
    frozen = reader(trouble, "frozen")
    await frozen.claims.catch_up()
    await frozen.claims.read_new(10, None)
    stream, entry_id = stream_key("posts", what.partition), str(what.position)
    await log_client.xclaim(stream, "posts", "other", 0, [entry_id])
    letter = Letter(reason="x", traceback="", attempts=1, buried_ms=1, entry={b"type": b"t"})
    assert await bury(log_client, what, letter, consumer="other")
    await retry(log_client, what)

    assert not await frozen.claims.bury(entry_id.encode(), "too late", "")

    [row] = await log_client.xpending_range(stream, "posts", entry_id, entry_id, 1)
    assert (row["consumer"], row["times_delivered"]) == (b"retry", 0)
    assert await count(log_client, what.partition, "posts") == 0


async def test_a_letter_stays_when_its_event_is_gone(buried, log_client, standing):
    """A retry that could do nothing says so and takes nothing away."""
    what = await buried()
    stream = stream_key("posts", what.partition)
    await log_client.xdel(stream, str(what.position))
    assert await retry(log_client, what) == "gone"

    await log_client.delete(stream)
    await log_client.xadd(stream, {"type": "post.deleted"}, id=str(what.position))
    assert await retry(log_client, what) == "no group"
    assert [found for found, _ in await standing()] == [what]


async def test_a_dropped_delivery_is_on_record_and_never_applied(buried, log, log_client, standing):
    """Who gave it up, and why; its command goes on saying that it was buried."""
    what = await buried()
    assert await drop(log_client, what, NOTE) == "dropped"
    assert await drop(log_client, what, NOTE) == "missing"

    [(same, letter)] = await standing(DROPPED)
    assert (same, letter.dropped, letter.reason) == (what, NOTE, "ValueError: no luck")
    assert await standing() == []
    status = await status_of(log, what.address)
    assert (status.state, status.roles) == ("buried", {"posts": "buried"})


async def test_a_dropped_delivery_may_be_retried_after_all(
    buried, drain, trouble, log_client, standing
):
    """A drop that was a mistake is no loss."""
    what = await buried()
    await drop(log_client, what, NOTE)
    trouble.mended = True
    assert await retry(log_client, what) == "retried"
    await drain()

    assert (trouble.seen, await standing(), await standing(DROPPED)) == ([7], [], [])
